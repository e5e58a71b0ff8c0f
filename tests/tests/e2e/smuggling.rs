//! Requests whose end two readers could see in different places. Whatever a caller sends, the backend sees
//! no request or exactly the one that was meant, and nobody else's answer changes.
//!
//! RFC 9112 §6 and §11.2; each case is sent to a route that is terminated and to one that is piped.

use e2e::backend::{FakeBackend, Received, Reply, Step};
use e2e::client::Client;
use e2e::gateway::{TestGateway, chat};
use e2e::manifest::Manifest;
use e2e::raw::RawConnection;
use serde_json::json;

/// What no backend may ever be asked for.
const SMUGGLED: &str = "GET /tools/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

const CHAT: &str = "/v1/chat/completions";
const TOOLS: &str = "/tools/x";

/// A gateway with a terminated and a piped route before backends that repeat what they were told.
struct House {
    gateway: TestGateway,
    model: FakeBackend,
    tool: FakeBackend,
}

/// The words of a chat request, said back.
fn repeat(request: &Received) -> Reply {
    let words = match request.method.as_str() {
        "POST" if !request.body.is_empty() => {
            request.json()["messages"][0]["content"].as_str().unwrap_or_default().to_owned()
        }
        _ => String::new(),
    };
    Reply::completion(&words)
}

impl House {
    async fn open() -> Self {
        let model = FakeBackend::start(|_, request| repeat(request)).await;
        let tool = FakeBackend::start(|_, request| repeat(request)).await;
        let manifest = Manifest::new()
            .backend("model", model.address())
            .service("tool", tool.address(), "tools")
            .set("/routes/tools", json!({"match": {"path": "/tools/*"}, "pool": "tools"}));
        Self { gateway: TestGateway::start(&manifest).await, model, tool }
    }

    fn behind(&self, path: &str) -> &FakeBackend {
        if path == CHAT { &self.model } else { &self.tool }
    }

    /// Nobody asked for what was smuggled, and strangers get their own answers, over connections that the
    /// bad request may have used before them.
    async fn is_unharmed(&self, case: &str) {
        for backend in [&self.model, &self.tool] {
            for request in backend.requests() {
                let line = format!("{} {}", request.method, request.target);
                assert!(!line.contains("smuggled"), "{case}: the backend was asked for {line}");
                assert!(!request.head.to_ascii_lowercase().contains("smuggled"), "{case}: {}", request.head);
            }
        }
        let stranger = Client::new(self.gateway.address());
        for path in [CHAT, TOOLS] {
            let words = format!("stranger at {path} after {case}");
            let answer = stranger.post(path, &chat(&words)).await;
            assert_eq!(answer.status, 200, "{case}: {}", answer.text());
            assert_eq!(answer.json()["choices"][0]["message"]["content"], words, "{case}");
        }
    }
}

/// What must become of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// An error or no answer; the connection ends; the backend hears nothing.
    Refused,
    /// Served once, with the body that was meant. The connection then ends or takes the next request.
    Served,
    /// The connection ends; the backend hears nothing or a request without a body.
    Emptied,
}
use Fate::{Emptied, Refused, Served};

/// One request. `BODY` stands for a chat request, `LENGTH` for its length, `CHUNKED` for it as one chunk and
/// the last one, `EVIL` for a request nobody may see; line ends are written out.
struct Case(&'static str, Fate, &'static str);

#[rustfmt::skip]
const FRAMING: &[Case] = &[
    Case("a length", Served, "Content-Length: LENGTH\r\n\r\nBODY"),
    Case("chunks", Served, "Transfer-Encoding: chunked\r\n\r\nCHUNKED"),
    Case("chunks in another case", Served, "transfer-ENCODING: Chunked\r\n\r\nCHUNKED"),
    Case("chunks after a tab", Served, "Transfer-Encoding:\tchunked \r\n\r\nCHUNKED"),
    Case("CL.TE", Refused, "Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nEVIL"),
    Case("TE.CL", Refused, "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nCHUNKEDEVIL"),
    Case("both, agreeing", Refused, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    Case("TE.TE, an unknown one last", Refused, "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\nCHUNKEDEVIL"),
    Case("TE.TE, an unknown one first", Refused, "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n\r\nCHUNKEDEVIL"),
    Case("chunked twice", Refused, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\nCHUNKEDEVIL"),
    Case("chunked, chunked", Refused, "Transfer-Encoding: chunked, chunked\r\n\r\nCHUNKEDEVIL"),
    Case("chunked, identity", Refused, "Transfer-Encoding: chunked, identity\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("identity, chunked", Refused, "Transfer-Encoding: identity, chunked\r\n\r\nCHUNKEDEVIL"),
    Case("gzip, chunked", Refused, "Transfer-Encoding: gzip, chunked\r\n\r\nCHUNKEDEVIL"),
    Case("xchunked", Refused, "Transfer-Encoding: xchunked\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("chunked with a parameter", Refused, "Transfer-Encoding: chunked;q=1\r\n\r\nCHUNKEDEVIL"),
    Case("chunked in quotes", Refused, "Transfer-Encoding: \"chunked\"\r\n\r\nCHUNKEDEVIL"),
    Case("an empty encoding", Refused, "Transfer-Encoding:\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("chunked and a comma", Refused, "Transfer-Encoding: chunked,\r\n\r\nCHUNKEDEVIL"),
    Case("a vertical tab before chunked", Refused, "Transfer-Encoding: \x0bchunked\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a space before the colon", Refused, "Transfer-Encoding : chunked\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a space before the length's colon", Refused, "Content-Length : LENGTH\r\n\r\nBODYEVIL"),
    Case("a space before the name", Refused, "X-A: b\r\n Transfer-Encoding: chunked\r\n\r\nCHUNKEDEVIL"),
    Case("an underscore for the hyphen", Refused, "Transfer_Encoding: chunked\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("an underscore in the length", Refused, "Content_Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a folded encoding", Refused, "Transfer-Encoding:\r\n chunked\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a folded header", Refused, "X-A: b\r\n\tc\r\nContent-Length: LENGTH\r\n\r\nBODY"),
    Case("the same length twice", Refused, "Content-Length: LENGTH\r\nContent-Length: LENGTH\r\n\r\nBODY"),
    Case("two lengths", Refused, "Content-Length: LENGTH\r\nContent-Length: 3\r\n\r\nBODYEVIL"),
    Case("two lengths, the smaller first", Refused, "Content-Length: 3\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a list of lengths", Refused, "Content-Length: LENGTH, LENGTH\r\n\r\nBODY"),
    Case("a list of differing lengths", Refused, "Content-Length: 3, LENGTH\r\n\r\nBODYEVIL"),
    Case("a length with a plus", Refused, "Content-Length: +LENGTH\r\n\r\nBODYEVIL"),
    Case("a negative length", Refused, "Content-Length: -1\r\n\r\nBODYEVIL"),
    Case("a length in hex", Refused, "Content-Length: 0x5\r\n\r\nBODYEVIL"),
    Case("a length with a fraction", Refused, "Content-Length: 5.0\r\n\r\nBODYEVIL"),
    Case("a length with a space", Refused, "Content-Length: 1 0\r\n\r\nBODYEVIL"),
    Case("an empty length", Refused, "Content-Length:\r\n\r\nBODYEVIL"),
    Case("a length beyond 64 bits", Refused, "Content-Length: 18446744073709551617\r\n\r\nBODYEVIL"),
    Case("lines that end in LF", Refused, "X-A: b\nContent-Length: LENGTH\n\nBODYEVIL"),
    Case("one line that ends in LF", Refused, "X-A: b\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("an LF within a value", Refused, "X-A: b\nTransfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a CR within a value", Refused, "X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a NUL within a value", Refused, "X-A: b\0c\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a NUL within a name", Refused, "X-\0A: b\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a header without a colon", Refused, "X-A\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a header without a name", Refused, ": b\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("two hosts", Refused, "Host: evil\r\nContent-Length: LENGTH\r\n\r\nBODY"),
    Case("a length named as hop by hop", Served, "Connection: keep-alive, Content-Length\r\nContent-Length: LENGTH\r\n\r\nBODY"),
    Case("an encoding named as hop by hop", Served, "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\nCHUNKED"),
    Case("a second request behind the first", Served, "Content-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a second request behind chunks", Served, "Transfer-Encoding: chunked\r\n\r\nCHUNKEDEVIL"),
    Case("an upgrade with bytes behind it", Served, "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("an upgrade to h2c", Served, "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
];

#[rustfmt::skip]
const CHUNKS: &[Case] = &[
    Case("extensions", Served, "HEX;name=value;other=\"quoted\"\r\nBODY\r\n0;last\r\n\r\n"),
    Case("leading zeros", Served, "0000HEX\r\nBODY\r\n000\r\n\r\n"),
    Case("upper case", Served, "HEX\r\nBODY\r\n0\r\n\r\n"),
    Case("trailers", Served, "HEX\r\nBODY\r\n0\r\nX-Trailer: smuggle\r\n\r\n"),
    Case("trailers that frame", Served, "HEX\r\nBODY\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    Case("a size beyond 64 bits", Refused, "10000000000000000HEX\r\nBODY\r\n0\r\n\r\nEVIL"),
    Case("a size of all bits", Refused, "ffffffffffffffff\r\nBODY\r\n0\r\n\r\nEVIL"),
    Case("a negative size", Refused, "-1\r\nBODY\r\n0\r\n\r\nEVIL"),
    Case("a size with a prefix", Refused, "0xHEX\r\nBODY\r\n0\r\n\r\nEVIL"),
    Case("a size with a plus", Refused, "+HEX\r\nBODY\r\n0\r\n\r\nEVIL"),
    Case("a size with an underscore", Refused, "0_HEX\r\nBODY\r\n0\r\n\r\nEVIL"),
    // `httparse` takes this for the last chunk.
    Case("an empty size", Emptied, "\r\nBODY\r\n0\r\n\r\nEVIL"),
    Case("a size that is no number", Refused, "size\r\nBODY\r\n0\r\n\r\nEVIL"),
    Case("sizes that end in LF", Refused, "HEX\nBODY\n0\n\nEVIL"),
    Case("an extension that ends in LF", Refused, "HEX;a\nBODY\r\n0\r\n\r\nEVIL"),
    // `httparse` lets this pass, and we never pass an extension on: harmless behind us, not before us.
    Case("an LF within an extension", Served, "HEX;a\nb\r\nBODY\r\n0\r\n\r\nEVIL"),
    Case("a CR within an extension", Refused, "HEX;a\rb\r\nBODY\r\n0\r\n\r\nEVIL"),
    Case("no line end behind the bytes", Refused, "HEX\r\nBODY0\r\n\r\nEVIL"),
    Case("other bytes for the line end", Refused, "HEX\r\nBODYxx0\r\n\r\nEVIL"),
    Case("an LF behind the bytes", Refused, "HEX\r\nBODY\n0\r\n\r\nEVIL"),
    Case("an extension without an end", Refused, "HEX;LONG\r\nBODY\r\n0\r\n\r\n"),
    Case("trailers without an end", Refused, "HEX\r\nBODY\r\n0\r\nX-A: LONG\r\nX-A: LONG\r\nX-A: LONG\r\nX-A: LONG\r\nX-A: LONG\r\n\r\n"),
];

#[rustfmt::skip]
const LINES: &[Case] = &[
    Case("HTTP/1.0 with a length", Served, "POST PATH HTTP/1.0\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODY"),
    Case("HTTP/1.0 kept alive", Served, "POST PATH HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODY"),
    Case("HTTP/1.0 with chunks", Refused, "POST PATH HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nCHUNKEDEVIL"),
    Case("HTTP/1.0 with both", Refused, "POST PATH HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("no host", Refused, "POST PATH HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODY"),
    Case("a host and another target", Refused, "POST http://evil:1PATH HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODY"),
    Case("a host and the same target", Served, "POST http://a:1PATH HTTP/1.1\r\nHost: a:1\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODY"),
    Case("a name in the target", Refused, "POST http://evil@aPATH HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODY"),
    Case("a version there is not", Refused, "POST PATH HTTP/1.9\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("no version", Refused, "POST PATH\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("two spaces", Refused, "POST  PATH HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a tab for the space", Refused, "POST\tPATH HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a request within the target", Refused, "POST PATH HTTP/1.1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a NUL in the target", Refused, "POST PATH\0 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a CR in the target", Refused, "POST PATH\rX: y HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a request line that ends in LF", Refused, "POST PATH HTTP/1.1\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("an empty line first", Served, "\r\nPOST PATH HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODY"),
    Case("a method of odd bytes", Refused, "PO(ST PATH HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
    Case("a tunnel", Refused, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODYEVIL"),
];

fn written(template: &str, path: &str, body: &str) -> Vec<u8> {
    let hex = format!("{:X}", body.len());
    template
        .replace("CHUNKED", &format!("{hex}\r\n{body}\r\n0\r\n\r\n"))
        .replace("LENGTH", &body.len().to_string())
        .replace("HEX", &hex)
        .replace("BODY", body)
        .replace("PATH", path)
        .replace("EVIL", SMUGGLED)
        .replace("LONG", &"x".repeat(80_000))
        .into_bytes()
}

async fn try_out(house: &House, Case(name, fate, template): &Case, path: &str) -> Result<(), String> {
    let body = chat(&format!("{name} at {path}")).to_string();
    let backend = house.behind(path);
    let before = backend.requests().len();
    let mut caller = RawConnection::open(house.gateway.address()).await;
    caller.send(&written(template, path, &body)).await;
    if template.contains("BODY\r\n0") && *fate != Served {
        // A body that is cut short: whoever still waits for more of it must learn that none will come.
        caller.finish().await;
    }
    let answer = caller.answer().await;
    let status = answer.as_ref().map(|answer| answer.status);
    let seen = backend.requests().split_off(before);
    match fate {
        Refused if status.is_some_and(|status| !(400..500).contains(&status)) => {
            return Err(format!("{name} at {path}: answered {status:?}"));
        }
        Refused if !seen.is_empty() => return Err(format!("{name} at {path}: seen as {seen:?}")),
        Refused if !caller.is_closed().await => return Err(format!("{name} at {path}: left open")),
        Refused => {}
        Emptied if seen.len() > 1 || seen.iter().any(|request| !request.body.is_empty()) => {
            return Err(format!("{name} at {path}: seen as {seen:?}"));
        }
        Emptied if !caller.is_closed().await => return Err(format!("{name} at {path}: left open")),
        Emptied => {}
        Served if status != Some(200) => return Err(format!("{name} at {path}: answered {status:?}")),
        Served if seen.len() != 1 => return Err(format!("{name} at {path}: seen as {seen:?}")),
        Served if seen[0].json()["messages"] != chat(&format!("{name} at {path}"))["messages"] => {
            return Err(format!("{name} at {path}: another body was seen: {seen:?}"));
        }
        // What came behind the request is not read as another one: the connection ends instead.
        Served if template.ends_with("EVIL") || answer.is_some_and(|answer| answer.closes()) => {
            if !caller.is_closed().await {
                return Err(format!("{name} at {path}: left open"));
            }
        }
        Served => {
            let next = written(
                "POST PATH HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nBODY",
                path,
                &body,
            );
            caller.send(&next).await;
            let status = caller.answer().await.map(|answer| answer.status);
            if status != Some(200) {
                return Err(format!("{name} at {path}: the next request was answered {status:?}"));
            }
        }
    }
    Ok(())
}

/// Sends every case to both routes, and reports all that went wrong at once.
async fn all(cases: &[Case], head: &str) {
    let house = House::open().await;
    let mut wrong = Vec::new();
    for path in [CHAT, TOOLS] {
        for Case(name, fate, rest) in cases {
            let template: &'static str = format!("{head}{rest}").leak();
            wrong.extend(try_out(&house, &Case(name, *fate, template), path).await.err());
            house.is_unharmed(name).await;
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len() * 2, wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_two_possible_ends_is_refused() {
    all(FRAMING, "POST PATH HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_could_be_read_in_two_ways_are_refused() {
    all(CHUNKS, "POST PATH HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_line_that_could_be_read_in_two_ways_is_refused() {
    all(LINES, "").await;
}

/// CVE-2026-2833 in Pingora before 0.8: what follows an upgrade request is another request until the
/// backend has agreed to switch.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_behind_an_upgrade_wait_until_the_backend_agrees() {
    let tool = FakeBackend::start(|_, _| {
        let refused = "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n";
        Reply::steps(vec![Step::Write(refused.into())])
    })
    .await;
    let manifest = Manifest::new()
        .service("tool", tool.address(), "tools")
        .without("/routes/chat")
        .without("/routes/completions")
        .without("/routes/embeddings")
        .without("/pools/chat")
        .set("/routes/tools", json!({"match": {"path": "/tools/*"}, "pool": "tools"}));
    let gateway = TestGateway::start(&manifest).await;
    let mut caller = RawConnection::open(gateway.address()).await;
    let upgrade = "GET /tools/x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    caller.send(format!("{upgrade}{SMUGGLED}").as_bytes()).await;
    assert_eq!(caller.answer().await.map(|answer| answer.status), Some(426));
    assert!(caller.is_closed().await, "what came behind is nobody's request");
    let seen = tool.requests();
    assert!(seen.len() == 1 && seen[0].target == "/tools/x", "{seen:?}");
}
