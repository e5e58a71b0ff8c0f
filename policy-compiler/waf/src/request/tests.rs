//! Requests and what is read of them, as libmodsecurity 3.0.15 reads the same bytes.

use proptest::prelude::*;

use super::*;

fn head(target: &str, cookie: &str) -> Head {
    let line = Line { method: b"GET", target: target.as_bytes(), protocol: b"HTTP/1.1" };
    let headers = [Pair { name: b"Cookie".to_vec(), value: cookie.as_bytes().to_vec() }];
    read_head(&line, &headers, &Reading::default())
}

fn told(pairs: &[Pair]) -> String {
    let one = |pair: &Pair| format!("{}={}", pair.name.escape_ascii(), pair.value.escape_ascii());
    pairs.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn a_target_is_told_decoded_and_as_it_was_sent() {
    let head = head("/a%20b/c%2Fd.php?x=1&y=%41+b&z&=e&q=%zz&w=a=b#frag", "");
    assert_eq!(text(&head.uri), "/a b/c/d.php?x=1&y=A+b&z&=e&q=%zz&w=a=b");
    assert_eq!(text(&head.filename), "/a b/c/d.php");
    assert_eq!(text(&head.basename), "d.php");
    assert_eq!(text(&head.query_string), "x=1&y=%41+b&z&=e&q=%zz&w=a=b");
    assert_eq!(told(&head.args), "x=1 y=A b z= =e q=%zz w=a=b");
    assert!(head.urlencoded_error);
}

#[test]
fn scheme_and_host_are_no_part_of_the_uri_and_empty_arguments_count() {
    let head = head("http://h.com:80/p?&&a=&", "");
    assert_eq!((text(&head.uri).as_str(), text(&head.filename).as_str()), ("/p?&&a=&", "http://h.com:80/p"));
    assert_eq!(told(&head.args), "= = a=");
    assert_eq!(text(&self::head("*", "").basename), "");
}

#[test]
fn cookies_are_not_decoded_and_quotes_enclose_nothing() {
    let head = head("/", "a=1; b = \"x;y\"; c; =d; a=2;e=%41; f");
    assert_eq!(told(&head.cookies), "a=1 b = \\\"x y\\\"= c= a=2 e=%41 f=");
}

fn body(content_type: &str, processor: Option<BodyProcessor>, body: impl AsRef<[u8]>) -> Body {
    read_body(body.as_ref(), Some(content_type.as_bytes()), processor, &Reading::default())
}

fn json(text: impl AsRef<[u8]>) -> Body {
    body("application/json", Some(BodyProcessor::Json), text)
}

#[test]
fn json_becomes_arguments_named_by_their_path() {
    let read = json(r#"{"a":{"b":[1,"x",{"c":true}],"d":null},"e":1.5e3,"a":2,"":3}"#);
    let expected = "json.a.b.array_0=1 json.a.b.array_1=x json.a.b.array_2.c=true json.a.d= json.e=1.5e3 \
                    json.a=2 json.empty-key=3";
    assert_eq!((told(&read.args).as_str(), read.error), (expected, None));
    assert_eq!(told(&json("5").args), "json=5");
    assert_eq!(told(&json(r#"[[1],"\u00e4"]"#).args), "json.array_0.array_0=1 json.array_1=\\xc3\\xa4");
}

#[test]
fn json_that_breaks_off_keeps_what_was_read_and_is_an_error() {
    for (text, args) in
        [("{\"a\":1", "json.a=1"), ("{\"a\":1}x", "json.a=1"), ("x", ""), ("{\"a\":\"\u{1}\"}", "")]
    {
        let read = json(text);
        assert_eq!(told(&read.args), args, "{text}");
        assert!(read.error.is_some(), "{text}");
    }
    assert!(json(b"{\"a\":\"\xff\"}").error.is_some());
}

#[test]
fn forms_are_known_by_their_content_type() {
    let read = body("application/x-www-form-urlencoded; charset=utf-8", None, "a=1&b=%41+c&d&e=%zz");
    assert_eq!(told(&read.args), "a=1 b=A c d= e=%zz");
    assert!(read.urlencoded_error);
    assert_eq!(body("text/plain", None, "a=1").processor, None);
}

#[test]
fn text_and_attributes_of_xml_are_told_and_no_entity_is_defined() {
    let xml = |text: &str| {
        let read = body("text/xml", Some(BodyProcessor::Xml), text);
        (read.xml.unwrap(), read.error)
    };
    let (read, error) =
        xml(r#"<?xml version="1.0"?><a x="1&lt;">t<b y='2'> u </b><!-- c --><![CDATA[d<]]>&gt;&#65;</a>"#);
    assert_eq!((text(&read.text).as_str(), error), ("t u d<>A", None));
    assert_eq!(read.attributes, [b"1<".to_vec(), b"2".to_vec()]);
    for broken in ["<a><b></a>", "plain", "<a>", "<!DOCTYPE a [<!ENTITY e 'v'>]><a>&e;</a>", "<a>&e;</a>"] {
        assert!(xml(broken).1.is_some(), "{broken}");
    }
}

const PLAIN: &str = "multipart/form-data; boundary=B";

fn multipart(content_type: &str, text: &str) -> (Body, Multipart) {
    let read = body(content_type, None, text);
    let parts = read.multipart.clone().unwrap();
    (read, parts)
}

fn part(head: &str, content: &str) -> String {
    format!("--B\r\n{head}\r\n\r\n{content}\r\n--B--\r\n")
}

fn irregular(parts: &Multipart) -> Vec<&'static str> {
    parts.flags().into_iter().filter(|(_, flag)| *flag != "0").map(|(variable, _)| variable.name()).collect()
}

#[test]
fn parts_are_fields_and_files() {
    let text = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nl1\r\nl2\r\n--B\r\n\
                Content-Disposition: form-data; name=\"f\"; filename=\"x\\\"y;.txt\"\r\n\
                Content-Type: text/plain\r\n\r\nfile\r\n--B--\r\n";
    let (read, parts) = multipart(PLAIN, text);
    assert_eq!((told(&read.args).as_str(), read.error), ("a=l1\\r\\nl2", None));
    let file = parts.files.first().unwrap();
    assert_eq!((text_of(&file.filename), text_of(&file.content)), ("x\"y;.txt".into(), "file".into()));
    assert_eq!(parts.part_headers.len(), 3);
    assert_eq!(irregular(&parts), [] as [&str; 0]);
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_two_parsers_might_read_differently_is_flagged() {
    let name = "Content-Disposition: form-data; name=\"a\"";
    let whole = part(name, "v");
    let strict = "MULTIPART_STRICT_ERROR";
    for (content_type, text, flag) in [
        ("multipart/form-data; boundary=\"B\"", whole.clone(), "MULTIPART_BOUNDARY_QUOTED"),
        (PLAIN, whole.replace("\r\n", "\n"), "MULTIPART_LF_LINE"),
        (PLAIN, format!("pre\r\n{whole}"), "MULTIPART_DATA_BEFORE"),
        (PLAIN, format!("{whole}post"), "MULTIPART_DATA_AFTER"),
        (PLAIN, part("Content-Disposition: form-data; name='a'", "v"), "MULTIPART_INVALID_QUOTING"),
        (PLAIN, part("Content-Disposition: form-data;\r\n name=\"a\"", "v"), "MULTIPART_HEADER_FOLDING"),
        (PLAIN, part("Content-Disposition: form-data name=\"a\"", "v"), "MULTIPART_MISSING_SEMICOLON"),
        (PLAIN, part("X: y", "v"), "MULTIPART_INVALID_PART"),
        (
            PLAIN,
            part("Content-Disposition: form-data; name=\"a\"; name=\"b\"", "v"),
            "MULTIPART_INVALID_PART",
        ),
        (PLAIN, part("Content-Disposition: form-data; name=\"a", "v"), "MULTIPART_INVALID_PART"),
    ] {
        let (_, parts) = multipart(content_type, &text);
        assert!(irregular(&parts).contains(&flag), "{flag}: {:?}", irregular(&parts));
        assert!(irregular(&parts).contains(&strict), "{flag} is strict");
    }
    let (_, parts) = multipart(PLAIN, &part(name, "--Bx"));
    assert_eq!(parts.unmatched_boundary, 1);
}

#[test]
fn a_content_type_has_to_say_the_boundary_once_and_a_body_has_to_end() {
    let whole = part("Content-Disposition: form-data; name=\"a\"", "v");
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=B; boundary=C",
        "multipart/form-data; boundary= B",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=B@",
    ] {
        assert!(multipart(content_type, &whole).0.error.is_some(), "{content_type}");
    }
    let boundary = whole.replace("--B", "--boundary");
    assert_eq!(multipart("multipart/form-data; boundary=boundary", &boundary).0.error, None);
    let (read, _) = multipart(PLAIN, whole.trim_end_matches("--B--\r\n"));
    assert_eq!((told(&read.args).as_str(), read.error.is_some()), ("a=v", true));
}

#[test]
fn arguments_are_bounded() {
    let text = "a=1&".repeat(1200);
    let read = body("application/x-www-form-urlencoded", None, text);
    assert_eq!((read.args.len(), read.error.is_some()), (1000, true));
}

proptest! {
    #[test]
    fn any_bytes_are_read_by_every_processor(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for processor in BodyProcessor::ALL {
            let _ = read_body(&bytes, Some(b"x/y"), Some(*processor), &Reading::default());
        }
        let _ = read_body(&bytes, Some(PLAIN.as_bytes()), None, &Reading::default());
        let line = Line { method: b"GET", target: &bytes, protocol: b"" };
        let _ = read_head(&line, &[Pair { name: b"cookie".to_vec(), value: bytes.clone() }], &Reading::default());
    }
}
