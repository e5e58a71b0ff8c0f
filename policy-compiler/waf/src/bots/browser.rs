//! What browsers always send, by engine and version: Accept and its kin, Fetch Metadata, client hints, and in which
//! order. It owns those checks; it refuses to count what a proxy or a privacy setting may take away.

use smallvec::SmallVec;

use super::{Evidence, Head};
use crate::bots::name::holds;

/// An engine that describes itself in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    /// Chrome and what is built on it.
    Chromium,
    Firefox,
    /// Safari, and every browser on iOS.
    Safari,
}

/// What a user agent claims to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    agent: &'a str,
    engine: Engine,
    /// Major version, times a hundred for Safari with the minor one added.
    version: u32,
}

/// Versions below are claimed by old lists of user agents far more often than they are run.
const OLDEST: [(Engine, u32); 3] = [(Engine::Chromium, 80), (Engine::Firefox, 78), (Engine::Safari, 1300)];

/// Since when Fetch Metadata is sent (Chrome 80, Firefox 90, Safari 16.4).
const FETCH_METADATA: [(Engine, u32); 3] =
    [(Engine::Chromium, 80), (Engine::Firefox, 90), (Engine::Safari, 1604)];

/// Since when Chromium sends low-entropy client hints.
const CLIENT_HINTS: u32 = 90;

fn since(table: [(Engine, u32); 3], engine: Engine) -> u32 {
    table.iter().find_map(|(known, version)| (*known == engine).then_some(*version)).unwrap_or(u32::MAX)
}

impl<'a> Claim<'a> {
    /// The claim of a user agent, if it is one of a browser.
    pub(super) fn read(agent: &'a str) -> Option<Self> {
        if !super::starts_folded(agent, "mozilla/") {
            return super::starts_folded(agent, "opera/").then_some(Self {
                agent,
                engine: Engine::Chromium,
                version: 0,
            });
        }
        let claim = |engine, version| Some(Self { agent, engine, version });
        if agent.contains("CriOS/") || agent.contains("FxiOS/") || agent.contains("EdgiOS/") {
            return claim(Engine::Safari, u32::MAX);
        }
        if let Some((major, _)) =
            version_after(agent, "Chrome/").or_else(|| version_after(agent, "Chromium/"))
        {
            return claim(Engine::Chromium, major);
        }
        if let Some((major, _)) = version_after(agent, "Firefox/") {
            return claim(Engine::Firefox, major);
        }
        if agent.contains("Safari/") || agent.contains("AppleWebKit/") {
            let (major, minor) = version_after(agent, "Version/").unwrap_or((99, 0));
            return claim(Engine::Safari, major.saturating_mul(100).saturating_add(minor.min(99)));
        }
        let explorer = agent.contains("MSIE ") || agent.contains("Trident/");
        let bare = !agent.contains('/') || agent.len() < 40;
        (explorer || bare).then_some(Self { agent, engine: Engine::Chromium, version: 0 })
    }

    /// What is not as this browser sends it.
    pub(super) fn faults(&self, head: &Head<'_>) -> SmallVec<[Evidence; 4]> {
        let mut faults = SmallVec::new();
        let mut fault = |holds: bool, evidence| {
            if holds {
                faults.push(evidence);
            }
        };
        fault(self.version < since(OLDEST, self.engine), Evidence::OldVersion);
        fault(
            head.value("accept-language").is_none_or(|value| value.trim().is_empty()),
            Evidence::NoLanguage,
        );
        fault(!encodings(head), Evidence::NoEncoding);
        let ahead = preflight(head) || socket(head);
        if !ahead {
            fault(!head.has("accept"), Evidence::NoAccept);
            fault(head.secure && self.lacks_fetch_metadata(head), Evidence::NoFetchMetadata);
            fault(head.secure && self.lacks_hints(head), Evidence::NoClientHints);
            fault(self.out_of_order(head), Evidence::Order);
        }
        fault(contradicts(head), Evidence::FetchMetadata);
        fault(self.engine != Engine::Chromium && head.has("sec-ch-ua"), Evidence::ForeignClientHints);
        fault(self.hints_disagree(head), Evidence::HintsDisagree);
        fault(head.http1 && lowercase(head), Evidence::LowercaseNames);
        fault(TOOL_HEADERS.iter().any(|name| head.has(name)), Evidence::ToolHeaders);
        faults
    }

    fn lacks_fetch_metadata(&self, head: &Head<'_>) -> bool {
        let sends = self.version >= since(FETCH_METADATA, self.engine);
        sends && !["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"].iter().all(|name| head.has(name))
    }

    fn lacks_hints(&self, head: &Head<'_>) -> bool {
        // A web view's owner may turn them off.
        let sends =
            self.engine == Engine::Chromium && self.version >= CLIENT_HINTS && !self.agent.contains("; wv)");
        sends && !(head.has("sec-ch-ua") && head.has("sec-ch-ua-mobile"))
    }

    fn hints_disagree(&self, head: &Head<'_>) -> bool {
        if self.engine != Engine::Chromium {
            return false;
        }
        let brands = head.value("sec-ch-ua").is_some_and(|brands| {
            let mut versions = brands.split("v=\"").skip(1).filter_map(|rest| rest.split_once('"'));
            !versions.any(|(version, _)| version.parse() == Ok(self.version))
        });
        let mobile = head.value("sec-ch-ua-mobile").is_some_and(|mobile| match mobile {
            "?1" => !self.agent.contains("Mobile"),
            "?0" => self.agent.contains("Mobile Safari"),
            _ => true,
        });
        let platform = head.value("sec-ch-ua-platform").is_some_and(|platform| {
            let wanted = match platform.trim_matches('"') {
                "Windows" => "Windows",
                "macOS" => "Macintosh",
                "Linux" => "Linux",
                "Android" => "Android",
                "Chrome OS" | "Chromium OS" => "CrOS",
                _ => "",
            };
            // On Android, the desktop site is asked for under the name of Linux.
            let desktop = platform == "\"Android\"" && self.agent.contains("X11; Linux");
            !self.agent.contains(wanted) && !desktop
        });
        brands || mobile || platform
    }

    fn out_of_order(&self, head: &Head<'_>) -> bool {
        let rows: &[&[&str]] = match self.engine {
            Engine::Chromium => &[
                &[
                    "user-agent",
                    "accept",
                    "sec-fetch-site",
                    "sec-fetch-mode",
                    "sec-fetch-dest",
                    "accept-encoding",
                    "accept-language",
                ],
                &["host", "user-agent"],
                &["user-agent", "accept-encoding"],
                &["accept", "accept-encoding"],
                &["accept-language", "cookie"],
            ],
            Engine::Firefox => &[
                &[
                    "user-agent",
                    "accept",
                    "accept-language",
                    "accept-encoding",
                    "sec-fetch-dest",
                    "sec-fetch-mode",
                    "sec-fetch-site",
                ],
                &["host", "user-agent"],
            ],
            Engine::Safari => &[&["accept", "accept-encoding"], &["host", "accept"]],
        };
        rows.iter().any(|row| {
            let places = row.iter().filter_map(|name| head.place(name));
            !places.is_sorted()
        })
    }
}

/// Whether it asks if a request may be made: such a head has fewer fields, in another order, and no body.
fn preflight(head: &Head<'_>) -> bool {
    head.method == "OPTIONS" && head.has("access-control-request-method") && head.has("origin")
}

/// Whether it opens a WebSocket, as a browser does.
fn socket(head: &Head<'_>) -> bool {
    let upgrades = head.value("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    head.method == "GET" && upgrades && head.has("sec-websocket-key") && head.has("origin")
}

/// What libraries add on their own.
const TOOL_HEADERS: [&str; 3] = ["postman-token", "x-insomnia", "x-scanner"];

/// Whether the encodings are those of a browser: gzip and deflate, first, and Brotli over TLS.
fn encodings(head: &Head<'_>) -> bool {
    let Some(value) = head.value("accept-encoding") else { return false };
    super::starts_folded(value, "gzip, deflate") && (!head.secure || holds(value, &["br"]))
}

/// Whether Fetch Metadata speak of a navigation where the Accept does not, or the other way round.
fn contradicts(head: &Head<'_>) -> bool {
    let (mode, dest) = (head.value("sec-fetch-mode"), head.value("sec-fetch-dest"));
    let navigates = mode == Some("navigate");
    let document = matches!(dest, Some("document" | "iframe" | "frame" | "object" | "embed"));
    let html = head.value("accept").is_some_and(|accept| super::starts_folded(accept, "text/html"));
    let json = head.value("content-type").is_some_and(|kind| super::starts_folded(kind, "application/json"));
    let known =
        mode.is_none_or(|mode| matches!(mode, "navigate" | "cors" | "no-cors" | "same-origin" | "websocket"));
    !known || (mode.is_some() && dest.is_some() && navigates != document) || (navigates && (!html || json))
}

/// Whether names that browsers capitalise came in lower case, some or all.
fn lowercase(head: &Head<'_>) -> bool {
    let written = ["user-agent", "accept", "accept-language", "accept-encoding"];
    head.headers.iter().any(|(name, _)| written.contains(name))
}

/// The major and minor version after `name`.
fn version_after(agent: &str, name: &str) -> Option<(u32, u32)> {
    let (_, rest) = agent.split_once(name)?;
    let mut parts = rest.split(|letter: char| !letter.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    let minor =
        if rest.contains('.') { parts.next().and_then(|part| part.parse().ok()).unwrap_or(0) } else { 0 };
    Some((major, minor))
}
