//! What a path means to each server. It owns the paths of every flavour; it refuses to answer.

use vocabulary::Operation;

use super::errors::Complaint;
use crate::config::Flavour;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// OpenAI's chats, completions and embeddings.
    Generate(Operation),
    Models,
    Model(String),
    Messages,
    CountTokens,
    Responses,
    Response(String),
}

/// A route, and the deployment an Azure path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Routed {
    pub(super) route: Route,
    pub(super) deployment: Option<String>,
}

/// The route of a path on a server of this flavour.
pub(super) fn route(flavour: Flavour, path: &str, query: Option<&str>) -> Result<Routed, Complaint> {
    let unknown = || Complaint::not_found(format!("There is nothing at {path}."));
    if flavour == Flavour::AzureOpenAi {
        return azure(path, query, unknown);
    }
    let path_at = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/'));
    let found = match flavour {
        Flavour::OpenAi | Flavour::Vllm => path_at.and_then(openai),
        Flavour::LlamaCpp => path_at.or(Some(path)).and_then(openai).filter(|route| !is_response(route)),
        Flavour::Mistral => path_at.and_then(openai).filter(|route| !is_response(route)),
        Flavour::Anthropic => path_at.and_then(anthropic),
        _ => None,
    };
    found.map(|route| Routed { route, deployment: None }).ok_or_else(unknown)
}

const fn is_response(route: &Route) -> bool {
    matches!(route, Route::Responses | Route::Response(_))
}

/// OpenAI's paths below `/v1`.
fn openai(path: &str) -> Option<Route> {
    Some(match path {
        "/chat/completions" => Route::Generate(Operation::Chat),
        "/completions" => Route::Generate(Operation::TextCompletion),
        "/embeddings" => Route::Generate(Operation::Embeddings),
        "/models" => Route::Models,
        "/responses" => Route::Responses,
        _ => {
            let (collection, name) = path.strip_prefix('/')?.split_once('/')?;
            match collection {
                "models" => Route::Model(name.to_owned()),
                "responses" if !name.contains('/') => Route::Response(name.to_owned()),
                _ => return None,
            }
        }
    })
}

fn anthropic(path: &str) -> Option<Route> {
    Some(match path {
        "/messages" => Route::Messages,
        "/messages/count_tokens" => Route::CountTokens,
        "/models" => Route::Models,
        _ => Route::Model(path.strip_prefix("/models/")?.to_owned()),
    })
}

/// Azure's two surfaces: deployments under a dated version, and OpenAI's paths below `/openai/v1`.
fn azure(path: &str, query: Option<&str>, unknown: impl Fn() -> Complaint) -> Result<Routed, Complaint> {
    let rest = path.strip_prefix("/openai").ok_or_else(&unknown)?;
    if let Some(rest) = rest.strip_prefix("/v1") {
        let route = openai(rest).ok_or_else(unknown)?;
        return Ok(Routed { route, deployment: None });
    }
    let has_version = query.unwrap_or_default().split('&').any(|pair| pair.starts_with("api-version="));
    if !has_version {
        return Err(Complaint::not_found("Resource not found: the query needs `api-version`."));
    }
    let (deployment, route) = match rest.strip_prefix("/deployments/") {
        Some(rest) => {
            let (deployment, operation) = rest.split_once('/').ok_or_else(&unknown)?;
            (Some(deployment.to_owned()), openai(&format!("/{operation}")))
        }
        None => (None, openai(rest)),
    };
    let generates = |route: &Route| matches!(route, Route::Generate(_));
    let route = route.filter(|route| deployment.is_none() != generates(route));
    route.map(|route| Routed { route, deployment }).ok_or_else(unknown)
}
