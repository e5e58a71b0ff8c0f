//! The admin API's routes as data: dispatch, roles and the OpenAPI document all read this table. It owns
//! which paths there are and what each takes and gives; it refuses to answer any.

use rule_table::Role;
use schemars::{Schema, SchemaGenerator};
use vocabulary::admin::audit::AuditTail;
use vocabulary::admin::generations::{Canary, Generations, ReasonOnly, RollbackRequest};
use vocabulary::admin::holds::{Hold, HoldPlaced, HoldRequest, Holds};
use vocabulary::admin::keys::{IssueKey, IssuedKey, IssuedKeys, KeyStatus, RotateKey};
use vocabulary::admin::shadow::ShadowStatus;
use vocabulary::admin::story::{Stories, Story};
use vocabulary::admin::{Accepted, Decisions, ShareChange, Status};

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Status,
    Decisions,
    Shares,
    Manifest,
    Publish,
    Generations,
    Generation,
    Rollback,
    Canary,
    EndCanary,
    Promote,
    Holds,
    Hold,
    Release,
    Keys,
    IssueKey,
    RotateKey,
    RevokeKey,
    Stories,
    Story,
    Shadow,
    BeginShadow,
    EndShadow,
    Audit,
    Openapi,
}

/// A JSON Schema on demand.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A body, one way or the other.
#[derive(Clone, Copy)]
pub(super) enum Body {
    Nothing,
    Manifest,
    Json(SchemaOf),
    Anything,
}

/// A query parameter or header.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// `query` or `header`.
    pub(super) place: &'static str,
    pub(super) about: &'static str,
    pub(super) required: bool,
}

/// One route.
pub(super) struct Route {
    pub(super) method: &'static str,
    /// Segments in braces match any one segment.
    pub(super) path: &'static str,
    pub(super) role: Role,
    pub(super) does: Does,
    pub(super) about: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) takes: Body,
    pub(super) gives: Body,
}

impl Route {
    const fn new(
        method: &'static str,
        path: &'static str,
        role: Role,
        does: Does,
        about: &'static str,
    ) -> Self {
        Self { method, path, role, does, about, parameters: &[], takes: Body::Nothing, gives: Body::Nothing }
    }

    const fn with(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    const fn takes(mut self, body: Body) -> Self {
        self.takes = body;
        self
    }

    const fn gives(mut self, body: Body) -> Self {
        self.gives = body;
        self
    }
}

const fn query(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, place: "query", about, required: false }
}

const LIMIT: Parameter = query("limit", "How many at most.");
const LIMITS: Parameter = query("limits", "How many counters of limits at most, the fullest first.");
const REASON: Parameter = Parameter {
    name: "x-sluicegate-reason",
    place: "header",
    about: "Why, for the audit log.",
    required: false,
};
const IF_MATCH: Parameter = Parameter {
    name: "if-match",
    place: "header",
    about: "The ETag of GET /v1/manifest that the change is based on, or `*`.",
    required: true,
};
const CANARY: Parameter =
    query("canary", "A time such as `10m`: only this replica serves it, and goes back afterwards.");

const FOR: Parameter =
    Parameter { required: true, ..query("for", "For how long, such as `10m`; at most 24 hours.") };

/// Every route that asks who is there. `/livez` and `/readyz` ask nobody.
pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/v1/status", Role::Viewer, Does::Status, "The policy in force, pools and limits.")
        .with(&[LIMITS])
        .gives(Body::Json(SchemaGenerator::subschema_for::<Status>)),
    Route::new("GET", "/v1/decisions", Role::Viewer, Does::Decisions, "The latest picks and their terms.")
        .with(&[LIMIT])
        .gives(Body::Json(SchemaGenerator::subschema_for::<Decisions>)),
    Route::new("GET", "/v1/shares", Role::Viewer, Does::Shares, "How shares moved, newest first.")
        .gives(Body::Json(SchemaGenerator::subschema_for::<Vec<ShareChange>>)),
    Route::new("GET", "/v1/manifest", Role::Viewer, Does::Manifest, "The manifest in force.")
        .gives(Body::Manifest),
    Route::new(
        "PUT",
        "/v1/manifest",
        Role::Publisher,
        Does::Publish,
        "Puts a manifest in force, or nothing.",
    )
    .with(&[IF_MATCH, CANARY, REASON])
    .takes(Body::Manifest)
    .gives(Body::Json(SchemaGenerator::subschema_for::<Accepted>)),
    Route::new("GET", "/v1/generations", Role::Viewer, Does::Generations, "Policies accepted lately.")
        .gives(Body::Json(SchemaGenerator::subschema_for::<Generations>)),
    Route::new("GET", "/v1/generations/{n}", Role::Viewer, Does::Generation, "The manifest of one of them.")
        .gives(Body::Manifest),
    Route::new(
        "POST",
        "/v1/rollback",
        Role::Publisher,
        Does::Rollback,
        "Puts an earlier one in force again.",
    )
    .takes(Body::Json(SchemaGenerator::subschema_for::<RollbackRequest>))
    .gives(Body::Json(SchemaGenerator::subschema_for::<Accepted>)),
    Route::new("GET", "/v1/canary", Role::Viewer, Does::Canary, "The policy on trial on this replica.")
        .gives(Body::Json(SchemaGenerator::subschema_for::<Canary>)),
    Route::new("DELETE", "/v1/canary", Role::Publisher, Does::EndCanary, "Ends the trial now.")
        .takes(Body::Json(SchemaGenerator::subschema_for::<ReasonOnly>))
        .gives(Body::Json(SchemaGenerator::subschema_for::<Accepted>)),
    Route::new("POST", "/v1/canary/promote", Role::Publisher, Does::Promote, "Makes it permanent.")
        .takes(Body::Json(SchemaGenerator::subschema_for::<ReasonOnly>))
        .gives(Body::Json(SchemaGenerator::subschema_for::<Accepted>)),
    Route::new("GET", "/v1/holds", Role::Viewer, Does::Holds, "What operators hold.")
        .gives(Body::Json(SchemaGenerator::subschema_for::<Holds>)),
    Route::new("POST", "/v1/holds", Role::Operator, Does::Hold, "Drains, pins or freezes for a time.")
        .takes(Body::Json(SchemaGenerator::subschema_for::<HoldRequest>))
        .gives(Body::Json(SchemaGenerator::subschema_for::<HoldPlaced>)),
    Route::new("DELETE", "/v1/holds/{id}", Role::Operator, Does::Release, "Ends a hold before its time.")
        .takes(Body::Json(SchemaGenerator::subschema_for::<ReasonOnly>))
        .gives(Body::Json(SchemaGenerator::subschema_for::<Hold>)),
    Route::new("GET", "/v1/keys", Role::Viewer, Does::Keys, "API keys issued here, without the keys.")
        .gives(Body::Json(SchemaGenerator::subschema_for::<IssuedKeys>)),
    Route::new("POST", "/v1/keys", Role::Operator, Does::IssueKey, "Issues an API key and tells it once.")
        .takes(Body::Json(SchemaGenerator::subschema_for::<IssueKey>))
        .gives(Body::Json(SchemaGenerator::subschema_for::<IssuedKey>)),
    Route::new("POST", "/v1/keys/{id}/rotate", Role::Operator, Does::RotateKey, "Issues its successor.")
        .takes(Body::Json(SchemaGenerator::subschema_for::<RotateKey>))
        .gives(Body::Json(SchemaGenerator::subschema_for::<IssuedKey>)),
    Route::new("DELETE", "/v1/keys/{id}", Role::Operator, Does::RevokeKey, "Revokes it at once.")
        .gives(Body::Json(SchemaGenerator::subschema_for::<KeyStatus>)),
    Route::new("GET", "/v1/requests", Role::Viewer, Does::Stories, "Requests that failed or moved, lately.")
        .with(&[LIMIT])
        .gives(Body::Json(SchemaGenerator::subschema_for::<Stories>)),
    Route::new("GET", "/v1/requests/{id}", Role::Viewer, Does::Story, "Why one of them ended as it did.")
        .gives(Body::Json(SchemaGenerator::subschema_for::<Story>)),
    Route::new("GET", "/v1/shadow", Role::Viewer, Does::Shadow, "What comparing two policies has found.")
        .gives(Body::Json(SchemaGenerator::subschema_for::<ShadowStatus>)),
    Route::new("POST", "/v1/shadow", Role::Operator, Does::BeginShadow, "Compares a policy on live traffic.")
        .with(&[FOR])
        .takes(Body::Manifest)
        .gives(Body::Json(SchemaGenerator::subschema_for::<ShadowStatus>)),
    Route::new("DELETE", "/v1/shadow", Role::Operator, Does::EndShadow, "Ends it, and tells what was found.")
        .gives(Body::Json(SchemaGenerator::subschema_for::<ShadowStatus>)),
    Route::new("GET", "/v1/audit", Role::Viewer, Does::Audit, "The latest lines of the audit log.")
        .with(&[LIMIT])
        .gives(Body::Json(SchemaGenerator::subschema_for::<AuditTail>)),
    Route::new("GET", "/v1/openapi.json", Role::Viewer, Does::Openapi, "This document.")
        .gives(Body::Anything),
];

/// What a method and path lead to.
pub(super) enum Found<'p> {
    /// A route, with the segments in braces.
    Route(&'static Route, Vec<&'p str>),
    /// The path takes other methods.
    Methods(Vec<&'static str>),
    /// No such path.
    Nothing,
}

/// Looks a request up.
pub(super) fn find<'p>(method: &str, path: &'p str) -> Found<'p> {
    let mut methods = Vec::new();
    for route in ROUTES {
        let Some(values) = matches(route.path, path) else { continue };
        if route.method == method {
            return Found::Route(route, values);
        }
        methods.push(route.method);
    }
    if methods.is_empty() { Found::Nothing } else { Found::Methods(methods) }
}

fn matches<'p>(template: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    let mut values = Vec::new();
    loop {
        match (template.next(), path.next()) {
            (None, None) => return Some(values),
            (Some(name), Some(value)) if name.starts_with('{') && !value.is_empty() => values.push(value),
            (Some(name), Some(value)) if name == value => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_found_by_method_and_path_and_other_methods_are_named() {
        assert!(matches!(find("GET", "/v1/status"), Found::Route(route, _) if route.does == Does::Status));
        let Found::Route(route, values) = find("GET", "/v1/generations/7") else { panic!("not found") };
        assert_eq!((route.does, values), (Does::Generation, vec!["7"]));
        assert!(matches!(find("POST", "/v1/manifest"), Found::Methods(methods) if methods == ["GET", "PUT"]));
        assert!(matches!(find("GET", "/v1/generations/"), Found::Nothing));
        assert!(matches!(find("GET", "/v1/generations/7/8"), Found::Nothing));
    }

    #[test]
    fn whatever_changes_something_takes_more_than_a_viewer() {
        for route in ROUTES {
            assert_eq!(route.method == "GET", route.role == Role::Viewer, "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn no_two_routes_are_the_same() {
        for (index, route) in ROUTES.iter().enumerate() {
            assert!(
                !ROUTES[..index].iter().any(|other| (other.method, other.path) == (route.method, route.path))
            );
        }
    }
}
