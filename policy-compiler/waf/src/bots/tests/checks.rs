use super::heads::*;
use super::*;

#[test]
fn browsers_are_browsers() {
    for (name, headers) in browsers() {
        let verdict = classify(&headers, true);
        assert_eq!(
            (verdict.class, verdict.evidence.as_slice()),
            (Class::Browser, &[Evidence::Consistent][..]),
            "{name}"
        );
        let lower: Vec<_> = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value)).collect();
        let lower: Vec<_> = lower.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let second =
            CLASSIFIER.classify(&Head { method: "GET", headers: &lower, secure: true, http1: false });
        assert_eq!(second.class, Class::Browser, "{name} over HTTP/2");
    }
}

#[test]
fn browsers_in_the_clear_are_browsers() {
    for (name, headers) in browsers() {
        let clear = headers.into_iter().filter(|(name, _)| !name.to_ascii_lowercase().starts_with("sec-"));
        let clear =
            clear.map(
                |(name, value)| {
                    if name == "Accept-Encoding" { (name, "gzip, deflate") } else { (name, value) }
                },
            );
        assert_eq!(classify(&clear.collect::<Vec<_>>(), false).class, Class::Browser, "{name}");
    }
}

#[test]
fn scripts_with_the_name_of_a_browser_are_found_out() {
    let scripts = scripts();
    let mut missed = Vec::new();
    for (name, headers) in &scripts {
        let verdict = classify(headers, true);
        match verdict.class {
            Class::ImpostorBrowser => {}
            Class::Browser => missed.push(name.as_str()),
            other => panic!("{name}: {other:?}"),
        }
    }
    println!(
        "bots: {} of {} scripts caught over TLS; missed: {missed:?}",
        scripts.len() - missed.len(),
        scripts.len()
    );
    assert!(scripts.len() >= 100);
    assert_eq!(missed, ["curl with a copied head"], "only a head that is a browser's own passes");
    let clear = scripts
        .iter()
        .filter(|(_, headers)| classify(headers, false).class == Class::ImpostorBrowser)
        .count();
    println!("bots: {clear} of {} scripts caught in the clear", scripts.len());
    assert!(clear * 100 >= scripts.len() * 70, "{clear} caught in the clear");
}

#[test]
fn each_check_is_the_only_one_that_catches_some_head() {
    for (evidence, headers) in [
        (Evidence::NoAccept, with(firefox_fetch(), &[("Accept", None)])),
        (Evidence::NoLanguage, with(chrome_page(), &[("Accept-Language", None)])),
        (Evidence::NoEncoding, with(chrome_fetch(), &[("Accept-Encoding", Some("gzip"))])),
        (Evidence::NoFetchMetadata, with(chrome_fetch(), &[("Sec-Fetch-Mode", None)])),
        (Evidence::NoClientHints, with(chrome_page(), &[("sec-ch-ua", None)])),
        (Evidence::HintsDisagree, with(chrome_page(), &[("sec-ch-ua-platform", Some("\"Linux\""))])),
        (Evidence::HintsDisagree, with(chrome_page(), &[("sec-ch-ua", Some("\"Chromium\";v=\"120\""))])),
        (Evidence::HintsDisagree, with(chrome_page(), &[("sec-ch-ua-mobile", Some("?1"))])),
        (Evidence::FetchMetadata, with(chrome_page(), &[("Sec-Fetch-Dest", Some("empty"))])),
        (Evidence::ForeignClientHints, [firefox_page(), vec![("sec-ch-ua", BRANDS)]].concat()),
        (Evidence::ToolHeaders, [chrome_page(), vec![("Postman-Token", "x")]].concat()),
        (Evidence::Order, {
            let mut headers = chrome_page();
            headers.swap(6, 7);
            headers
        }),
        (
            Evidence::OldVersion,
            with(
                firefox_page(),
                &[("User-Agent", Some("Mozilla/5.0 (X11; rv:60.0) Gecko/20100101 Firefox/60.0"))],
            ),
        ),
        (Evidence::LowercaseNames, {
            let headers = chrome_page().into_iter();
            headers
                .map(|(name, value)| if name == "Accept" { ("accept", value) } else { (name, value) })
                .collect()
        }),
    ] {
        let verdict = classify(&headers, true);
        assert_eq!((verdict.class, verdict.evidence.as_slice()), (Class::ImpostorBrowser, &[evidence][..]));
    }
}

#[test]
fn what_browsers_ask_before_a_request_and_for_a_socket_is_theirs_too() {
    let preflight = [
        ("Host", "api.example"),
        ("Connection", "keep-alive"),
        ("Accept", "*/*"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,content-type"),
        ("Origin", "https://app.example"),
        ("User-Agent", CHROME),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Dest", "empty"),
        ("Referer", "https://app.example/"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-US,en;q=0.9"),
    ];
    let asked =
        |method| CLASSIFIER.classify(&Head { method, headers: &preflight, secure: true, http1: true }).class;
    assert_eq!(asked("OPTIONS"), Class::Browser);
    assert_eq!(asked("POST"), Class::ImpostorBrowser, "the same head cannot carry a request");
    let socket = [
        ("Host", "api.example"),
        ("Connection", "Upgrade"),
        ("User-Agent", CHROME),
        ("Upgrade", "websocket"),
        ("Origin", "https://app.example"),
        ("Sec-WebSocket-Version", "13"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-US,en;q=0.9"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    assert_eq!(classify(&socket, true).class, Class::Browser);
    assert_eq!(classify(&socket[..8], true).class, Class::ImpostorBrowser);
}
