//! From a request to its answer: who asks, which route, whether they may. It owns the order of those
//! questions and the bounds on bodies; it refuses to hold state: the keeper has the policy, `live` the traffic.

use std::sync::Arc;

use decision::ClientCertificate;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes};
use serde::de::DeserializeOwned;
use vocabulary::admin::audit::AuditTail;
use vocabulary::admin::body;
use vocabulary::admin::generations::Generations;
use vocabulary::admin::holds::Holds;
use vocabulary::admin::stores::Impact;
use vocabulary::admin::story as told;
use vocabulary::admin::{Decisions, Status};

use super::answer::{Answer, json, problem, tagged, text, with};
use super::authn::{Authn, Principal};
use super::keys::KeyDesk;
use super::openapi;
use super::table::{self, Does, Found, Route};
use crate::audit::Actor;
use crate::policy::{Keeper, Written};
use crate::why::Stories;

/// The largest manifest taken over the network.
const LARGEST_MANIFEST: usize = 4 * 1024 * 1024;
/// The largest bundle; it is read much faster.
const LARGEST_BUNDLE: usize = 64 * 1024 * 1024;
/// The largest body of anything else.
const LARGEST_ORDER: usize = 64 * 1024;
/// Decisions and lines shown unless asked otherwise, and at most.
const SHOWN: (usize, usize) = (50, 1000);

/// What the admin API answers from.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) authn: Authn,
    pub(crate) keys: KeyDesk,
}

/// A request that may be answered.
pub(super) struct Order<'a> {
    pub(super) parts: &'a Parts,
    pub(super) principal: Principal,
    /// The segments in braces.
    pub(super) values: Vec<&'a str>,
    pub(super) body: Bytes,
}

impl Desk {
    /// Answers one request.
    pub(super) async fn handle<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        match path {
            "/livez" => return text(StatusCode::OK, "ok"),
            "/readyz" => return self.ready(),
            _ => {}
        }
        let certificate = parts.extensions.get::<Arc<ClientCertificate>>().map(AsRef::as_ref);
        let principal = match self.authn.authenticate(&parts.headers, certificate).await {
            Ok(principal) => principal,
            Err(denied) => return denied.answer(),
        };
        let (route, values) = match table::find(parts.method.as_str(), path) {
            Found::Route(route, values) => (route, values),
            Found::Methods(methods) => return not_allowed(&methods),
            Found::Nothing => {
                let how = "GET /v1/openapi.json lists every path; /livez and /readyz ask for no token";
                return problem(StatusCode::NOT_FOUND, "Not found", how, &[]);
            }
        };
        if let Err(denied) = principal.require(route.role) {
            return denied.answer();
        }
        let bound = if matches!(route.takes, table::Body::Manifest) { LARGEST_BUNDLE } else { LARGEST_ORDER };
        let Ok(body) = Limited::new(body, bound).collect().await else {
            return too_large(bound);
        };
        let order = Order { parts: &parts, principal, values, body: body.to_bytes() };
        self.act(route, &order).await.unwrap_or_else(|refused| *refused)
    }

    async fn act(&self, route: &Route, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        match route.does {
            Does::Status => self.status(order),
            Does::Decisions => self.decisions(order),
            Does::Shares => Ok(json(&self.keeper.share_changes())),
            Does::Manifest => {
                let (text, generation) = self.keeper.manifest();
                Ok(tagged(with(StatusCode::OK, text.media_type(), text.bytes().to_vec()), generation))
            }
            Does::Publish => self.publish(order).await,
            Does::Generations => Ok(json(&self.generations())),
            Does::Generation => self.generation(order),
            Does::Rollback => self.roll_back(order).await,
            Does::Canary => self.canary(),
            Does::EndCanary => self.end_canary(order).await,
            Does::Promote => self.promote(order).await,
            Does::Holds => Ok(json(&Holds { holds: self.keeper.holds().list().to_vec() })),
            Does::Hold => self.hold(order).await,
            Does::Release => self.release(order).await,
            Does::Stories => {
                let stories = self.stories()?;
                let told = told::Stories {
                    stories: stories.latest(order.limit()?),
                    dropped: stories.dropped().total(),
                };
                Ok(json(&told))
            }
            Does::Shadow => self.shadow(),
            Does::BeginShadow => self.begin_shadow(order).await,
            Does::EndShadow => self.end_shadow(order).await,
            Does::Story => self.story(order).await,
            Does::Keys => Ok(self.keys.list()),
            Does::IssueKey => self.issue_key(order).await,
            Does::RotateKey => self.rotate_key(order).await,
            Does::RevokeKey => self.revoke_key(order).await,
            Does::Audit => {
                let lines = self.keeper.audit().latest(order.limit()?);
                Ok(json(&AuditTail { lines }))
            }
            Does::Openapi => Ok(with(StatusCode::OK, "application/json", openapi::text().into_bytes())),
        }
    }

    fn stories(&self) -> Result<&Stories, Box<Answer>> {
        let stories = self.keeper.live().observers.stories.as_ref();
        stories.ok_or_else(|| {
            Box::new(problem(StatusCode::NOT_FOUND, "Not kept", "no stories are kept here", &[]))
        })
    }

    async fn story(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let id = order.values.first().copied().unwrap_or_default();
        let id = uuid::Uuid::try_parse(id).map_err(|_| {
            bad("Bad path", "a request id is what the header x-request-id says: 32 hex digits")
        })?;
        Ok(match self.stories()?.find(id).await {
            Ok(Some(story)) => json(&story),
            Ok(None) => {
                let how = "stories are kept for a day, and only of requests that failed, were refused or moved to another backend; the access log has the others";
                problem(StatusCode::NOT_FOUND, "No such story", how, &[])
            }
            Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, "Not readable", &error.to_string(), &[]),
        })
    }

    fn ready(&self) -> Answer {
        if self.keeper.live().draining() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "draining");
        }
        let stores = self.keeper.live().stores();
        let troubles = stores.troubles.join("\n");
        match stores.impact {
            Impact::None => text(StatusCode::OK, "ready"),
            Impact::Degraded => text(StatusCode::OK, &format!("ready, degraded: {troubles}")),
            Impact::Refusing => text(StatusCode::SERVICE_UNAVAILABLE, &format!("not ready: {troubles}")),
        }
    }

    fn decisions(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let limit = order.limit()?;
        let gate = &self.keeper.live().in_force().gate;
        Ok(json(&Decisions { decisions: gate.decisions(limit), total: gate.decisions_made() }))
    }

    fn status(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let counters = order.number("limits", SHOWN)?;
        let overlay_version = self.keys.overlay.version();
        Ok(json(&Status { overlay_version, ..self.keeper.status(counters) }))
    }

    fn generations(&self) -> Generations {
        let in_force = self.keeper.live().in_force().gate.generation();
        Generations { in_force, generations: self.keeper.history().list() }
    }
}

impl Order<'_> {
    /// Who is to be named in the audit log.
    pub(super) fn actor(&self) -> Actor {
        Actor { name: self.principal.name.clone(), how: self.principal.how.name().to_owned() }
    }

    /// A query parameter, as it was sent.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let pairs = self.parts.uri.query().into_iter().flat_map(|query| query.split('&'));
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// `?limit=`, within bounds.
    pub(super) fn limit(&self) -> Result<usize, Box<Answer>> {
        self.number("limit", SHOWN)
    }

    /// A number in the query: the first of `bounds` where none is named, at most the second.
    pub(super) fn number(&self, name: &str, bounds: (usize, usize)) -> Result<usize, Box<Answer>> {
        match self.query(name).map(str::parse::<usize>) {
            None => Ok(bounds.0),
            Some(Ok(number)) => Ok(number.min(bounds.1)),
            Some(Err(_)) => Err(bad("Bad query", &format!("{name} must be a number, such as ?{name}=50"))),
        }
    }

    /// The body as JSON; an empty one is an empty object.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Box<Answer>> {
        body::read(&self.body).map_err(|error| {
            bad("Body not understood", &format!("the body is not what this path takes: {error}"))
        })
    }

    /// The body as a manifest or bundle.
    pub(super) fn written(&self) -> Result<Written, Box<Answer>> {
        let written =
            Written::read(self.body.to_vec()).map_err(|error| bad("Not text", &error.to_string()))?;
        match written {
            Written::Manifest(text) if text.len() > LARGEST_MANIFEST => {
                Err(Box::new(too_large(LARGEST_MANIFEST)))
            }
            written => Ok(written),
        }
    }
}

/// A reason, if it is fit for one line of a log.
pub(super) fn reason(given: Option<String>) -> Result<Option<String>, Box<Answer>> {
    body::reason(given).map_err(|fault| bad("Reason not taken", &fault.to_string()))
}

fn too_large(bound: usize) -> Answer {
    let how = format!("the body is larger than {bound} bytes or did not arrive whole");
    problem(StatusCode::PAYLOAD_TOO_LARGE, "Body not read", &how, &[])
}

/// 400, and how to do better.
pub(super) fn bad(title: &str, how: &str) -> Box<Answer> {
    Box::new(problem(StatusCode::BAD_REQUEST, title, how, &[]))
}

fn not_allowed(methods: &[&str]) -> Answer {
    let mut answer =
        problem(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", "the Allow header names what is", &[]);
    if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
        answer.headers_mut().insert(ALLOW, allow);
    }
    answer
}
