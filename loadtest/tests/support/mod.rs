//! A server of bytes: each connection gets a thread, each request the behaviour the test chose. It owns
//! no HTTP library, so that what a client makes of odd bytes is seen as it is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// What to do with the `index`-th request. `false` closes the connection.
pub(crate) type Behaviour = dyn Fn(u64, &mut TcpStream) -> bool + Send + Sync;

/// Serves `behaviour` on a free port until the test's process ends.
pub(crate) fn serve(behaviour: impl Fn(u64, &mut TcpStream) -> bool + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let behaviour: Arc<Behaviour> = Arc::new(behaviour);
    let requests = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (behaviour, requests) = (Arc::clone(&behaviour), Arc::clone(&requests));
            thread::spawn(move || connection(stream.unwrap(), &*behaviour, &requests));
        }
    });
    address
}

fn connection(mut stream: TcpStream, behaviour: &Behaviour, requests: &AtomicU64) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while read_request(&mut reader) {
        if !behaviour(requests.fetch_add(1, Ordering::Relaxed), &mut stream) {
            return;
        }
    }
}

/// Reads one request with its body; false at the end of the connection.
fn read_request(reader: &mut BufReader<TcpStream>) -> bool {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).is_ok()
}

/// Writes all of `text`; a client that left is not the server's concern.
pub(crate) fn write(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}

/// One content event.
pub(crate) const CONTENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";

/// The usage event of 9 prompt and 4 output tokens.
pub(crate) const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13}}\n\n";

/// The end of a stream.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// A whole stream with a length, so that the connection stays open.
pub(crate) fn whole_stream() -> String {
    let body = format!("{CONTENT}{USAGE}{DONE}");
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-sluicegate-backend: raw/m\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}
