//! Requests as people write them: what is read, what is refused and how a refusal reads.

use foresight::{Fault, Request};
use http::Method;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Request, Fault> {
    Request::parse(text.as_bytes())
}

fn read(text: &str) -> Request {
    parse(text).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.get(name).and_then(|value| value.to_str().ok())
}

#[test]
fn a_file_of_a_rest_client_is_read_with_its_comments_and_without_a_version() {
    let request = read(
        "### A chat\n# for the demo\n\nPOST https://gw.example:8443/v1/chat/completions?a=b\nContent-Type: application/json\n\n{\"model\": \"m\"}\n",
    );
    assert_eq!(request.method, Method::POST);
    assert_eq!((request.host.as_str(), request.path.as_str()), ("gw.example:8443", "/v1/chat/completions"));
    assert_eq!(request.query, "a=b");
    assert_eq!(&*request.body, b"{\"model\": \"m\"}");
    assert_eq!(header(&request, "content-length"), Some("14"));
    assert_eq!(header(&request, "host"), Some("gw.example:8443"));
}

#[test]
fn raw_http_with_carriage_returns_is_the_same_request() {
    let lines = "GET /v1/models HTTP/1.1\nHost: a.example\nX-Tenant: claims\n\n";
    assert_eq!(read(lines), read(&lines.replace('\n', "\r\n")));
    assert_eq!(read(lines), read("GET /v1/models\nHost: a.example\nX-Tenant: claims"));
}

#[test]
fn a_curl_command_sends_what_curl_sends() {
    let request = read(
        "curl -sS https://gw.example/v1/chat/completions \\\n  -H 'Authorization: Bearer k' \\\n  --json '{\"model\": \"m\"}'",
    );
    assert_eq!((request.method.as_str(), request.host.as_str()), ("POST", "gw.example"));
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(header(&request, "user-agent"), Some("curl/8.7.1"));
    assert_eq!(header(&request, "authorization"), Some("Bearer k"));
    assert_eq!(&*request.body, b"{\"model\": \"m\"}");
}

#[test]
fn curl_s_flags_shape_the_request() {
    let request = read("curl -XPUT -d a=1 -d b=2 -A '' -H 'Accept:' -u u:p localhost:8080/x");
    assert_eq!((request.method.as_str(), &*request.body), ("PUT", &b"a=1&b=2"[..]));
    assert_eq!(header(&request, "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!((header(&request, "accept"), header(&request, "user-agent")), (None, None));
    assert_eq!(header(&request, "authorization"), Some("Basic dTpw"));
    assert_eq!(request.host, "localhost:8080");
    let request = read("curl -G https://a/x?y=1 -d z=2");
    assert_eq!((request.method.as_str(), request.query.as_str()), ("GET", "y=1&z=2"));
    assert!(request.body.is_empty());
}

#[test]
fn faults_say_the_line_and_how_to_mend_it() {
    for (text, line, words) in [
        ("", 1, "there is no request"),
        ("hello", 1, "no request line"),
        ("GET /a b HTTP/1.1\n", 1, "no request line"),
        ("# x\nGET /a\nA: b\nnot a header\n\n", 4, "no header"),
        ("GET gw.example/a\n", 1, "neither a path nor a URL"),
        ("POST /a\nContent-Length: 9\n\nabc", 4, "which has 3 bytes"),
        ("POST /a\n\n{}\n\n### next\nGET /b\n", 5, "second request"),
        ("curl --proxy x https://a", 1, "the flag `--proxy` is not read"),
        ("curl -d @body.json https://a", 1, "in another file"),
        ("curl 'https://a", 1, "has no end"),
        ("curl https://a https://b", 1, "two URLs"),
        ("curl https://a -H", 1, "lacks its value"),
        ("curl -s", 1, "no URL"),
        ("curl https://u:p@a/", 1, "user or password"),
    ] {
        let fault = parse(text).expect_err(text);
        assert_eq!(fault.line, line, "{text:?}: {fault}");
        assert!(fault.to_string().contains(words), "{text:?}: {fault}");
    }
}

#[test]
fn a_hundred_megabytes_are_refused() {
    let mut text = b"POST /v1/chat/completions\n\n".to_vec();
    text.resize(100_000_000, b'x');
    assert!(Request::parse(&text).unwrap_err().what.contains("longer than 64 MiB"));
}

#[test]
fn no_value_shows_in_faults_and_debug_output() {
    let secret = "sk-secret";
    let request = read(&format!("GET /v1/models?key={secret}\nAuthorization: Bearer {secret}\n\n{secret}"));
    assert!(!format!("{request:?}").contains(secret));
    for text in [
        format!("GET /a\nAuthorization {secret}\n\n"),
        format!("curl --oauth2-bearer={secret} https://a"),
        format!("curl -H '{secret}' https://a"),
        format!("curl https://{secret}@a/"),
    ] {
        assert!(!parse(&text).expect_err(&text).to_string().contains(secret), "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_request_or_a_fault_on_one_of_their_lines(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Err(fault) = Request::parse(&bytes) {
            prop_assert!(fault.line <= bytes.iter().filter(|byte| **byte == b'\n').count() + 2);
        }
    }

    #[test]
    fn a_request_written_down_is_read_back(
        method in "(GET|POST|PUT)",
        path in "(/[a-z0-9.~-]{0,6}){1,4}",
        query in "([a-z]{1,3}=[a-z0-9]{0,3})?",
        fields in proptest::collection::btree_map("x-[a-z]{1,8}", "[a-z0-9]([a-z0-9 ,=]{0,10}[a-z0-9])?", 0..6),
        body in "[a-z{}\" ]{0,40}",
    ) {
        let mark = if query.is_empty() { "" } else { "?" };
        let mut text = format!("{method} {path}{mark}{query} HTTP/1.1\r\nHost: a.example\r\n");
        for (name, value) in &fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("\r\n{body}"));
        let request = read(&text);
        prop_assert_eq!(request.method.as_str(), &method);
        prop_assert_eq!(&request.path, &path);
        prop_assert_eq!(&request.query, &query);
        prop_assert_eq!(&*request.body, body.as_bytes());
        for (name, value) in &fields {
            prop_assert_eq!(header(&request, name), Some(value.as_str()));
        }
        // The same, as a command line.
        let mut command = format!("curl -X {method} 'http://a.example{path}{mark}{query}'");
        for (name, value) in &fields {
            command.push_str(&format!(" -H '{name}: {value}'"));
        }
        if !body.is_empty() {
            command.push_str(&format!(" --data-raw '{body}'"));
        }
        let typed = read(&command);
        prop_assert_eq!(&typed.method, &request.method);
        prop_assert_eq!((typed.path, typed.query, typed.body), (path, query, request.body));
    }
}
