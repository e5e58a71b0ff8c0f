//! A WebSocket that says back what it is told (RFC 6455). It owns the handshake and the conversation; it
//! refuses to know what is said.

mod frame;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::answer::Answer;
use super::chat::embedding::in_base64;
use super::errors::Complaint;
use super::respond::no_content;
use super::shared::Shared;
use frame::{Frame, parse, write};

/// What the key of the handshake is hashed with (RFC 6455, section 1.3).
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Takes a connection over from HTTP.
pub(super) fn upgrade(
    shared: &Shared,
    request: &mut Request<Incoming>,
) -> Result<Response<Answer>, Complaint> {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !text("upgrade").eq_ignore_ascii_case("websocket") || text("sec-websocket-version") != "13" {
        let message = "This is a WebSocket: the request must upgrade to one, version 13.";
        return Err(Complaint::new(StatusCode::UPGRADE_REQUIRED, message));
    }
    let key = text("sec-websocket-key");
    if key.is_empty() {
        return Err(Complaint::bad_request("The header Sec-WebSocket-Key is missing."));
    }
    let digest =
        ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{MAGIC}").as_bytes());
    let mut response = no_content();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let mut head = HeaderMap::new();
    head.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    head.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&in_base64(digest.as_ref())) {
        head.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if text("sec-websocket-protocol").split(',').any(|protocol| protocol.trim() == "realtime") {
        head.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("realtime"));
    }
    *response.headers_mut() = head;
    let stop = shared.stop.clone();
    let upgraded = hyper::upgrade::on(request);
    shared.upgraded.spawn(async move { stop.run_until_cancelled(take_over(upgraded)).await });
    Ok(response)
}

async fn take_over(upgraded: OnUpgrade) {
    if let Ok(connection) = upgraded.await {
        // An end without a farewell is the caller's choice.
        let _ = converse(TokioIo::new(connection)).await;
    }
}

async fn converse(mut connection: TokioIo<Upgraded>) -> std::io::Result<()> {
    let mut heard = Vec::new();
    let mut buffer = vec![0; 16_384];
    loop {
        match parse(&mut heard) {
            Ok(Some(frame)) => {
                let is_last = frame.is_close();
                if let Some(reply) = reply(frame) {
                    connection.write_all(&write(&reply)).await?;
                }
                if is_last {
                    return connection.shutdown().await;
                }
            }
            Ok(None) => {
                let n = connection.read(&mut buffer).await?;
                if n == 0 {
                    return Ok(());
                }
                heard.extend_from_slice(buffer.get(..n).unwrap_or_default());
            }
            Err(code) => {
                connection.write_all(&write(&Frame::close(code))).await?;
                return connection.shutdown().await;
            }
        }
    }
}

/// Pings get pongs, pongs nothing, everything else itself.
fn reply(frame: Frame) -> Option<Frame> {
    match frame.opcode {
        frame::PING => Some(Frame { opcode: frame::PONG, ..frame }),
        frame::PONG => None,
        _ => Some(frame),
    }
}
