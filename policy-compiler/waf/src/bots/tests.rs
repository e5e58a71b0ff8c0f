use super::*;
use proptest::prelude::*;
use std::time::Instant;

static CLASSIFIER: std::sync::LazyLock<Classifier> = std::sync::LazyLock::new(|| Classifier::new().unwrap());

mod checks;
mod heads;
mod named;

pub(super) const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
pub(super) const FIREFOX: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0";
pub(super) const SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                                 Version/18.6 Safari/605.1.15";

pub(super) fn classify(headers: &[(&str, &str)], secure: bool) -> Verdict {
    CLASSIFIER.classify(&Head { method: "GET", headers, secure, http1: true })
}

proptest! {
    #[test]
    fn any_head_has_a_class(
        headers in prop::collection::vec(("[a-zA-Z-]{0,12}|user-agent|sec-ch-ua|accept", "\\PC{0,40}|Mozilla/5\\.0.{0,80}"), 0..12),
        secure: bool,
        http1: bool,
    ) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let verdict = CLASSIFIER.classify(&Head { method: "GET", headers: &headers, secure, http1 });
        prop_assert!(verdict.class != Class::ImpostorBrowser || !verdict.evidence.is_empty());
        prop_assert!(verdict.class != Class::Browser || verdict.evidence.as_slice() == [Evidence::Consistent]);
    }
}

#[test]
fn a_head_is_not_printed() {
    let head = Head { method: "GET", headers: &[("authorization", "hunter2")], secure: true, http1: true };
    assert!(!format!("{head:?}").contains("hunter2"));
}

#[test]
#[ignore = "a measurement"]
fn the_price_of_a_head() {
    let browser = heads::chrome_page();
    let script = [("Host", "h"), ("User-Agent", CHROME), ("Accept", "*/*")];
    for (name, headers) in [("browser", browser.as_slice()), ("script", &script)] {
        let start = Instant::now();
        let faults: usize = (0..20_000).map(|_| classify(headers, true).evidence.len()).sum();
        println!("bots: {name}: {} ns/head, {}", start.elapsed().as_nanos() / 20_000, faults / 20_000);
    }
}
