//! Tokens had and not had: the requests, the answers, and an identity's life against a fake service.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;
use proptest::prelude::*;
use rule_table::{EntraSource, SecretRef, Setting};
use tokio::task::JoinSet;

use super::*;
use crate::upstream::fixture::{self, TokenService, managed, until};

const HOUR: u64 = 3600;

/// What a request looks like: method and URL, headers, body.
async fn shape(entra: &Entra, base: &Path, env: &[(&str, &str)]) -> (String, HeaderMap, String) {
    let env = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let (parts, body) = request::request(entra, base, env).unwrap().into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (format!("{} {}", parts.method, parts.uri), parts.headers, body)
}

fn of(source: EntraSource) -> Entra {
    Entra {
        scope: "https://cognitiveservices.azure.com/.default".into(),
        authority: "https://login.microsoftonline.com".into(),
        source,
    }
}

#[tokio::test]
async fn a_machines_identity_asks_its_metadata_service() {
    let system = of(EntraSource::ManagedIdentity { client_id: None, endpoint: None });
    let (line, headers, body) = shape(&system, Path::new(""), &[]).await;
    assert_eq!(
        line,
        "GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
         &resource=https%3A%2F%2Fcognitiveservices.azure.com"
    );
    assert_eq!((headers["metadata"].to_str().unwrap(), body.as_str()), ("true", ""));
    let user = of(EntraSource::ManagedIdentity {
        client_id: Some(Setting::Literal("1f/2 3".into())),
        endpoint: Some("http://127.0.0.1:50342".into()),
    });
    let (line, ..) =
        shape(&user, Path::new(""), &[("IDENTITY_ENDPOINT", "http://x"), ("IDENTITY_HEADER", "y")]).await;
    assert!(line.starts_with("GET http://127.0.0.1:50342/metadata/"), "the manifest is stronger: {line}");
    assert!(line.ends_with("&client_id=1f%2F2%203"), "{line}");
}

#[tokio::test]
async fn in_app_service_the_platforms_endpoint_is_asked() {
    let system = of(EntraSource::ManagedIdentity { client_id: None, endpoint: None });
    let env = [("IDENTITY_ENDPOINT", "http://127.0.0.1:41564/msi/token"), ("IDENTITY_HEADER", "canary")];
    let (line, headers, _) = shape(&system, Path::new(""), &env).await;
    assert_eq!(
        line,
        "GET http://127.0.0.1:41564/msi/token?api-version=2019-08-01\
         &resource=https%3A%2F%2Fcognitiveservices.azure.com"
    );
    assert_eq!(headers["x-identity-header"], "canary");
    assert!(!format!("{headers:?}").contains("canary"), "the header's value prints");
}

#[tokio::test]
async fn a_federated_token_is_read_anew_for_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let federated = of(EntraSource::WorkloadFederation {
        tenant: Setting::Literal("contoso".into()),
        client_id: Setting::File("client".into()),
        token_file: "projected".into(),
    });
    std::fs::write(folder.path().join("client"), "app-1\n").unwrap();
    for assertion in ["first.a.b", "second.a.b"] {
        std::fs::write(folder.path().join("projected"), assertion).unwrap();
        let (line, _, body) = shape(&federated, folder.path(), &[]).await;
        assert_eq!(line, "POST https://login.microsoftonline.com/contoso/oauth2/v2.0/token");
        assert_eq!(
            body,
            format!(
                "grant_type=client_credentials&client_id=app-1\
                 &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default\
                 &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
                 &client_assertion={assertion}"
            )
        );
    }
    std::fs::remove_file(folder.path().join("projected")).unwrap();
    let error = request::request(&federated, folder.path(), |_| None).unwrap_err();
    assert!(error.to_string().contains("projected"), "{error}");
}

#[tokio::test]
async fn a_client_secret_goes_into_the_form_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "canary ~&=%").unwrap();
    let application = of(EntraSource::ClientSecret {
        tenant: Setting::Literal("a/../b".into()),
        client_id: Setting::Literal("app".into()),
        secret: SecretRef::File("secret".into()),
    });
    let (line, headers, body) = shape(&application, folder.path(), &[]).await;
    assert_eq!(line, "POST https://login.microsoftonline.com/a%2F..%2Fb/oauth2/v2.0/token");
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert!(body.ends_with("&client_secret=canary%20~%26%3D%25"), "{body}");
}

fn read(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Result<(String, u64), Refused> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), HeaderValue::from_static(value)))
        .collect();
    let token = answer::token(status, &headers, body.as_bytes(), 1_000_000)?;
    assert!(!format!("{token:?}").contains("canary"), "a token prints");
    Ok((token.header.1.to_str().unwrap().to_owned(), token.lifetime.as_secs()))
}

#[test]
fn lifetimes_come_as_numbers_as_text_and_as_dates() {
    for (lifetime, seconds) in [
        (r#""expires_in":3599"#, 3599),
        (r#""expires_in":"3599","expires_on":"1000001""#, 3599),
        (r#""expires_on":"1003600""#, 3600),
        (r#""expires_on":1003600"#, 3600),
        (r#""expires_in":99999999999"#, 7 * 24 * 3600),
    ] {
        let body = format!(r#"{{"access_token":"canary","token_type":"Bearer",{lifetime}}}"#);
        assert_eq!(read(200, &[], &body), Ok(("Bearer canary".to_owned(), seconds)), "{lifetime}");
    }
}

#[test]
fn whatever_is_no_token_is_refused_and_not_quoted() {
    for (status, body, part) in [
        (200, "<html>canary</html>", "not JSON"),
        (200, "", "not JSON"),
        (200, r#"{"canary":1}"#, "no `access_token`"),
        (200, r#"{"access_token":"","expires_in":9}"#, "no `access_token`"),
        (200, r#"{"access_token":7,"expires_in":9}"#, "no `access_token`"),
        (200, r#"{"access_token":"canary"}"#, "until when"),
        (200, r#"{"access_token":"canary","expires_in":null,"expires_on":"1/1/2027"}"#, "until when"),
        (200, r#"{"access_token":"canary","expires_in":0}"#, "expired already"),
        (200, r#"{"access_token":"canary","expires_in":-9}"#, "expired already"),
        (200, r#"{"access_token":"canary","expires_in":"NaN"}"#, "expired already"),
        (200, r#"{"access_token":"canary","expires_on":"999999"}"#, "clocks"),
        (200, r#"{"access_token":"canary","expires_in":9,"token_type":"mac"}"#, "not a bearer token"),
        (200, "{\"access_token\":\"canary\\r\\nx: y\",\"expires_in\":9}", "no header may hold"),
        (302, "canary", "status 302"),
        (
            401,
            r#"{"error":"invalid_client","error_description":"canary","error_codes":[7000215]}"#,
            "status 401 (invalid_client, AADSTS7000215)",
        ),
        (400, r#"{"error":"canary of: the secret"}"#, "status 400"),
    ] {
        let why = read(status, &[], body).unwrap_err().why;
        assert!(why.contains(part) && !why.contains("canary"), "{status} {body}: {why}");
    }
}

#[test]
fn an_error_says_when_to_come_back() {
    let after = |headers: &[_]| read(429, headers, "{}").unwrap_err().retry_after;
    assert_eq!(after(&[("retry-after", "17")]), Some(Duration::from_secs(17)));
    assert_eq!(after(&[]), None);
}

proptest! {
    #[test]
    fn no_answer_upsets_the_reader(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(answer::token(status, &HeaderMap::new(), &body, 0));
    }

    #[test]
    fn a_token_is_sent_as_it_came(text in "[A-Za-z0-9._~+/-]{1,80}", seconds in 1_u64..100_000) {
        let body = serde_json::json!({"access_token": text, "expires_in": seconds}).to_string();
        prop_assert_eq!(read(200, &[], &body), Ok((format!("Bearer {text}"), seconds)));
    }
}

/// An identity, tended as the gateway tends it but more often, on a clock that runs fast.
struct Tended {
    identity: Arc<Identity>,
    clock: Clock,
    _tasks: JoinSet<()>,
}

impl Tended {
    fn start(service: &TokenService, scale: f64) -> Self {
        let identity = Arc::new(Identity::new(&managed(service.address), PathBuf::new()));
        let (clock, client) = (Clock::new(scale), Client::new().unwrap());
        let mut tasks = JoinSet::new();
        let tended = Arc::clone(&identity);
        tasks.spawn(async move {
            let mut work = JoinSet::new();
            loop {
                if let Some(asking) = tended.tend(clock.now()) {
                    let client = client.clone();
                    work.spawn(async move { asking.finish(&client, &clock).await });
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        Self { identity, clock, _tasks: tasks }
    }

    fn presents(&self) -> Option<String> {
        let header = self.identity.credential().ok()?;
        assert!(!format!("{header:?} {:?}", self.identity).contains("canary"), "a token prints");
        Some(header.1.to_str().unwrap().to_owned())
    }

    async fn await_token(&self, text: &str) {
        until(text, || (self.presents()? == format!("Bearer {text}")).then_some(())).await;
    }
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires_and_no_moment_is_without_one() {
    let service = TokenService::start(|count, _| fixture::token(&format!("canary-{count}"), HOUR)).await;
    // An hour takes 1.8 s.
    let tended = Tended::start(&service, 2000.0);
    tended.await_token("canary-0").await;
    let had_at = tended.clock.now();
    let replaced_at = until("the next token", || {
        let presented = tended.presents().expect("there always is a token");
        (presented != "Bearer canary-0").then(|| tended.clock.now())
    })
    .await;
    let age = replaced_at.since(had_at).as_secs();
    assert!((1500..HOUR).contains(&age), "replaced at an age of {age} s");
    let asked = &service.asked()[0];
    assert!(asked.line.starts_with("GET /metadata/identity/oauth2/token?"), "{}", asked.line);
    assert_eq!((&asked.headers["metadata"], asked.body.as_str()), (&HeaderValue::from_static("true"), ""));
}

#[tokio::test]
async fn an_outage_of_ten_minutes_is_not_noticed() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let service = TokenService::start(move |count, _| {
        if is_down.load(Ordering::SeqCst) {
            fixture::error(503, &[], "<html>canary</html>")
        } else {
            fixture::token(&format!("canary-{count}"), HOUR)
        }
    })
    .await;
    // An hour takes 6 s, the outage 1 s.
    let tended = Tended::start(&service, 600.0);
    tended.await_token("canary-0").await;
    down.store(true, Ordering::SeqCst);
    until("the first failure", || (service.asked().len() > 1).then_some(())).await;
    let began = tended.clock.now();
    until("the end of the outage", || {
        assert_eq!(tended.presents().as_deref(), Some("Bearer canary-0"), "served on through the outage");
        (tended.clock.now().since(began) > Duration::from_secs(600)).then_some(())
    })
    .await;
    let during = service.asked().len();
    assert!(during < 25, "{during} requests to a service that is down");
    down.store(false, Ordering::SeqCst);
    until("another token", || (tended.presents()? != "Bearer canary-0").then_some(())).await;
}

#[tokio::test]
async fn an_expired_token_is_withdrawn_and_the_error_says_why_there_is_no_other() {
    let service = TokenService::start(|count, _| match count {
        0 => fixture::token("canary", HOUR),
        1..4 => fixture::error(403, &[], r#"{"error":"unauthorized_client"}"#),
        _ => fixture::error(429, &[("retry-after", "1000000")], "canary"),
    })
    .await;
    let tended = Tended::start(&service, 6000.0);
    tended.await_token("canary").await;
    let why = until("the end of the token", || tended.identity.credential().err()).await.to_string();
    assert!(why.contains("answered with status") && !why.contains("canary"), "{why}");
    let asked = service.asked().len();
    // Half the life of the token is left: three failures in a row, and one more every ten minutes.
    assert!(asked <= 9, "asked {asked} times although it was told to wait");
}

#[tokio::test]
async fn one_request_at_a_time_and_none_before_its_pause_is_over() {
    let service = TokenService::start(|count, _| match count {
        0 => fixture::error(429, &[("retry-after", "30")], ""),
        1 => None,
        _ => fixture::token("canary", HOUR),
    })
    .await;
    let tended = Tended::start(&service, 100.0);
    until("the second request", || (service.asked().len() == 2).then_some(())).await;
    assert!(tended.clock.now() >= Moment::ZERO + Duration::from_secs(30), "Retry-After was not honoured");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(service.asked().len(), 2, "a second request while one is under way");
}

#[tokio::test]
async fn a_service_that_talks_nonsense_is_asked_again() {
    let service = TokenService::start(|count, _| match count {
        0 => Some(Response::new("x".repeat(1 << 20))),
        1 => fixture::error(301, &[("location", "http://127.0.0.1:9/")], ""),
        2 => Some(Response::new("{\"access_token\":".to_owned())),
        _ => fixture::token("canary", HOUR),
    })
    .await;
    let tended = Tended::start(&service, 100.0);
    let mut troubles = Vec::new();
    until("a token", || {
        let trouble = tended.identity.credential().err().map(|error| error.to_string());
        if let Some(trouble) = trouble.clone().filter(|trouble| troubles.last() != Some(trouble)) {
            troubles.push(trouble);
        }
        trouble.is_none().then_some(())
    })
    .await;
    assert_eq!(service.asked().len(), 4);
    for part in ["not been asked", "64 KiB", "status 301", "not JSON"] {
        assert!(troubles.iter().any(|trouble| trouble.contains(part)), "{part}: {troubles:?}");
    }
}
