//! One token request. It owns patience and what a missing answer is called; sending is `upstream::client`'s.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::answer::{Refused, Token, token};
use crate::upstream::client::{Client, Unanswered};

/// A token is a few kilobytes; more is not one.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How long a token service may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends `request` and reads the token; `unix_now` is in seconds.
pub(super) async fn ask(
    client: &Client,
    request: Request<Full<Bytes>>,
    unix_now: u64,
) -> Result<Token, Refused> {
    match client.ask(request, PATIENCE, LONGEST_ANSWER).await {
        Ok(reply) => token(reply.status, &reply.headers, &reply.body, unix_now),
        Err(Unanswered::Unreached(why)) => Err(Refused::because(why)),
        Err(Unanswered::TooLong) => Err(Refused::because("its answer is longer than 64 KiB or broke off")),
        Err(Unanswered::Timeout) => Err(Refused::because("it did not answer within 10 s")),
    }
}
