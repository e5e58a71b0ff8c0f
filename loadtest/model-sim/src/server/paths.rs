//! What a path means to each server. It owns the paths of every flavour; it refuses to answer.

use vocabulary::Operation;

use super::errors::Complaint;
use super::files;
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
    Transcription,
    Speech,
    Files(files::Asked),
    Realtime,
    /// llama.cpp's settings.
    Props,
    /// KServe: whether the server, or one model of it, is ready.
    Ready(Option<String>),
    /// KServe: what a model takes and gives.
    Described(String),
    Infer(String),
    /// Azure Machine Learning.
    Score,
    /// Azure's language service.
    Analyze,
    Mcp,
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
    let versioned = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/'));
    let found = match flavour {
        Flavour::OpenAi => versioned.and_then(openai),
        Flavour::Vllm => versioned.and_then(openai).filter(|route| !is_hosted_only(route)),
        // llama.cpp takes its paths without their version, too.
        Flavour::LlamaCpp if path == "/props" => Some(Route::Props),
        Flavour::LlamaCpp => versioned.or(Some(path)).and_then(openai).filter(is_generation),
        Flavour::Mistral => versioned.and_then(openai).filter(is_mistrals),
        Flavour::Anthropic => versioned.and_then(anthropic),
        Flavour::KServe => kserve(path),
        Flavour::AzureMl if path == "/" => Some(Route::Ready(None)),
        Flavour::AzureMl => (path == "/score").then_some(Route::Score),
        Flavour::Cognitive => (path == "/language/:analyze-text").then_some(Route::Analyze),
        Flavour::Mcp => (path == "/mcp").then_some(Route::Mcp),
        Flavour::AzureOpenAi => None,
    };
    let route = found.ok_or_else(unknown)?;
    if route == Route::Analyze && !has_version(query) {
        return Err(Complaint::bad_request("The query needs `api-version`.").about("api-version"));
    }
    Ok(Routed { route, deployment: None })
}

const fn is_generation(route: &Route) -> bool {
    matches!(route, Route::Generate(_) | Route::Models | Route::Model(_))
}

const fn is_hosted_only(route: &Route) -> bool {
    matches!(route, Route::Files(_) | Route::Realtime | Route::Speech)
}

const fn is_mistrals(route: &Route) -> bool {
    is_generation(route) || matches!(route, Route::Files(_) | Route::Transcription)
}

fn has_version(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| pair.starts_with("api-version="))
}

/// OpenAI's paths below `/v1`.
fn openai(path: &str) -> Option<Route> {
    Some(match path {
        "/chat/completions" => Route::Generate(Operation::Chat),
        "/completions" => Route::Generate(Operation::TextCompletion),
        "/embeddings" => Route::Generate(Operation::Embeddings),
        "/models" => Route::Models,
        "/responses" => Route::Responses,
        "/audio/transcriptions" => Route::Transcription,
        "/audio/speech" => Route::Speech,
        "/files" => Route::Files(files::Asked::All),
        "/realtime" => Route::Realtime,
        _ => {
            let (collection, name) = path.strip_prefix('/')?.split_once('/')?;
            match collection {
                "models" => Route::Model(name.to_owned()),
                "responses" if !name.contains('/') => Route::Response(name.to_owned()),
                "files" => Route::Files(match name.split_once('/') {
                    None => files::Asked::One(name.to_owned()),
                    Some((name, "content")) => files::Asked::Content(name.to_owned()),
                    Some(_) => return None,
                }),
                _ => return None,
            }
        }
    })
}

/// KServe's open inference protocol, version 2.
fn kserve(path: &str) -> Option<Route> {
    let rest = path.strip_prefix("/v2/")?;
    if matches!(rest, "health/ready" | "health/live") {
        return Some(Route::Ready(None));
    }
    let mut parts = rest.strip_prefix("models/")?.split('/');
    let name = parts.next()?.to_owned();
    let rest: Vec<&str> = parts.collect();
    let rest = match rest.as_slice() {
        ["versions", _, rest @ ..] => rest,
        rest => rest,
    };
    match rest {
        [] => Some(Route::Described(name)),
        ["ready"] => Some(Route::Ready(Some(name))),
        ["infer"] => Some(Route::Infer(name)),
        _ => None,
    }
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
    if !has_version(query) {
        return Err(Complaint::not_found("Resource not found: the query needs `api-version`."));
    }
    let (deployment, route) = match rest.strip_prefix("/deployments/") {
        Some(rest) => {
            let (deployment, operation) = rest.split_once('/').ok_or_else(&unknown)?;
            (Some(deployment.to_owned()), openai(&format!("/{operation}")))
        }
        None => (None, openai(rest)),
    };
    let generates =
        |route: &Route| matches!(route, Route::Generate(_) | Route::Transcription | Route::Speech);
    let route = route.filter(|route| deployment.is_none() != generates(route));
    route.map(|route| Routed { route, deployment }).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(flavour: Flavour, path: &str) -> Option<Route> {
        route(flavour, path, Some("api-version=2024-10-21")).ok().map(|routed| routed.route)
    }

    #[test]
    fn each_server_has_its_own_paths_and_no_others() {
        let chat = Some(Route::Generate(Operation::Chat));
        assert_eq!(found(Flavour::OpenAi, "/v1/chat/completions"), chat);
        assert_eq!(found(Flavour::OpenAi, "/chat/completions"), None);
        assert_eq!(found(Flavour::LlamaCpp, "/chat/completions"), chat);
        assert_eq!(found(Flavour::LlamaCpp, "/v1/responses"), None);
        assert_eq!(found(Flavour::AzureOpenAi, "/openai/deployments/m/chat/completions"), chat);
        assert_eq!(found(Flavour::AzureOpenAi, "/openai/v1/responses"), Some(Route::Responses));
        assert_eq!(found(Flavour::AzureOpenAi, "/openai/chat/completions"), None);
        assert_eq!(found(Flavour::AzureOpenAi, "/openai/deployments/m/models"), None);
        assert_eq!(found(Flavour::Vllm, "/v1/files"), None);
        assert_eq!(found(Flavour::Mistral, "/v1/realtime"), None);
        assert_eq!(
            found(Flavour::KServe, "/v2/models/m/versions/2/infer"),
            Some(Route::Infer("m".to_owned()))
        );
        assert_eq!(found(Flavour::KServe, "/v2/models/m/other"), None);
        assert_eq!(found(Flavour::Cognitive, "/language/:analyze-text"), Some(Route::Analyze));
        assert!(route(Flavour::Cognitive, "/language/:analyze-text", None).is_err());
        assert_eq!(found(Flavour::Anthropic, "/v1/chat/completions"), None);
        assert_eq!(found(Flavour::Mcp, "/mcp"), Some(Route::Mcp));
    }
}
