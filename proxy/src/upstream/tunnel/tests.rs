//! What a proxy may answer, and what it must not.

use proptest::prelude::*;
use tokio::net::TcpListener;

use super::*;

const AUTHORIZATION: &str = "Basic canary-of-the-proxy";

fn tunnel(host: &str) -> Tunnel {
    let mut authorization = HeaderValue::from_static(AUTHORIZATION);
    authorization.set_sensitive(true);
    Tunnel { host: host.to_owned(), port: 8443, authorization: Some(authorization) }
}

/// Opens a tunnel through a proxy that answers like this; gives what the proxy was asked, too.
async fn opened(answer: &'static [u8]) -> (Result<TcpStream, TunnelError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            assert!(stream.read_buf(&mut asked).await.unwrap() > 0, "the gateway left");
        }
        stream.write_all(answer).await.unwrap();
        stream.shutdown().await.unwrap();
        String::from_utf8(asked).unwrap()
    };
    let tunnel = tunnel("api.example");
    tokio::join!(tunnel.open(address), proxy)
}

#[tokio::test]
async fn the_proxy_is_told_the_name_and_its_own_credential() {
    let (opened, asked) = opened(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    assert!(opened.is_ok(), "{opened:?}");
    assert_eq!(
        asked,
        format!(
            "CONNECT api.example:8443 HTTP/1.1\r\nhost: api.example:8443\r\nproxy-authorization: {AUTHORIZATION}\r\n\r\n"
        )
    );
}

#[test]
fn an_ipv6_target_is_bracketed_and_a_credential_never_prints() {
    let tunnel = tunnel("2001:db8::1");
    assert!(tunnel.head().starts_with(b"CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n"));
    assert!(!format!("{tunnel:?}").contains("canary"));
}

#[tokio::test]
async fn an_answer_of_any_1xx_is_waited_out_and_2xx_opens() {
    let (opened, _) =
        opened(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.0 204 \r\nvia: x\r\n\r\n").await;
    assert!(opened.is_ok(), "{opened:?}");
}

#[tokio::test]
async fn a_proxy_that_says_no_is_quoted_by_its_status_alone() {
    for (answer, part) in [
        (&b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 9\r\n\r\ncanary..."[..], "407"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "could not reach the backend"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://login\r\n\r\n", "302"),
    ] {
        let error = opened(answer).await.0.unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_opens_nothing() {
    for answer in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nsmuggled",
        b"HTTP/1.1 2 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let opened = opened(answer).await.0;
        assert!(matches!(opened, Err(TunnelError::Protocol(_))), "{answer:?}: {opened:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_upset_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..64), lead in any::<bool>()) {
        let bytes = if lead { [b"HTTP/1.1 ".as_slice(), &bytes].concat() } else { bytes };
        if let Ok(Some((status, rest))) = head(&bytes) {
            prop_assert!((100..1000).contains(&status));
            prop_assert!(rest.len() < bytes.len());
        }
    }

    #[test]
    fn a_head_means_the_same_however_it_is_cut(status in 100_u16..600, cut in 0_usize..40) {
        let whole = format!("HTTP/1.1 {status} Some words\r\nvia: x\r\n\r\n").into_bytes();
        let cut = cut.min(whole.len() - 1);
        prop_assert!(matches!(head(&whole[..cut]), Ok(None)));
        prop_assert!(matches!(head(&whole), Ok(Some((read, rest))) if read == status && rest.is_empty()));
    }
}
