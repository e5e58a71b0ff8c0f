//! LiteLLM's `config.yaml`. Its models become deployments, models of one name a pool, fallbacks the pools'.
//! Source of the fields: <https://docs.litellm.ai/docs/proxy/config_settings>.

use serde_json::{Map, Value, json};

use super::{Import, Imported, fields, foreign, free, list, name, number, text, whole};
use crate::diagnostics::Finding;
use crate::source::Source;

/// Fields of `litellm_params` and `model_info` that are read here.
const PARAMS: [&str; 13] = [
    "model",
    "api_base",
    "base_url",
    "api_key",
    "api_version",
    "rpm",
    "tpm",
    "weight",
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "timeout",
];
const INFO: [&str; 9] = [
    "id",
    "mode",
    "base_model",
    "max_tokens",
    "max_input_tokens",
    "max_output_tokens",
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
];

/// A provider of LiteLLM as a kind of backend.
struct Provider {
    kind: &'static str,
    url: Option<&'static str>,
    key: Option<&'static str>,
}

fn provider(prefix: &str) -> Option<Provider> {
    let (kind, url, key) = match prefix {
        "openai" | "text-completion-openai" => {
            ("openai", Some("https://api.openai.com"), Some("OPENAI_API_KEY"))
        }
        "azure" => ("azure-openai", None, Some("AZURE_API_KEY")),
        "anthropic" => ("anthropic", Some("https://api.anthropic.com"), Some("ANTHROPIC_API_KEY")),
        "mistral" => ("mistral", Some("https://api.mistral.ai"), Some("MISTRAL_API_KEY")),
        "vllm" | "hosted_vllm" => ("vllm", None, None),
        "llamafile" | "llama_cpp" => ("llama-cpp", None, None),
        _ => return None,
    };
    Some(Provider { kind, url, key })
}

/// Turns LiteLLM's configuration into a manifest.
///
/// # Errors
/// What keeps the configuration from being read as YAML.
pub fn litellm(source: &Source) -> Result<Imported, Vec<Finding>> {
    let config = foreign(source)?;
    let mut import = Import::default();
    import.section("listeners").insert("litellm".to_owned(), json!({"address": "127.0.0.1:4000"}));
    for (index, entry) in list(&config, "model_list").iter().enumerate() {
        model(&mut import, index, entry);
    }
    routes(&mut import, &config);
    fallbacks(&mut import, &config);
    settings(&mut import, &config);
    if import.section("pools").is_empty() {
        import.leave("no model could be carried over: put a backend of your own in the place of `example`");
        import
            .section("backends")
            .insert("example".to_owned(), json!({"kind": "http", "url": "http://127.0.0.1:9000"}));
        import.section("pools").insert("example".to_owned(), json!({"members": ["example"]}));
        import
            .section("routes")
            .insert("all".to_owned(), json!({"match": {"path": "/*"}, "pool": "example"}));
    }
    Ok(import.finish("LiteLLM's configuration"))
}

fn model(import: &mut Import, index: usize, entry: &Value) {
    let Some(called) = text(entry, "model_name") else {
        return import.leave(format!("model_list[{index}]: it has no `model_name`"));
    };
    let at = format!("model_list[{index}] (`{called}`)");
    let params = entry.get("litellm_params").cloned().unwrap_or_default();
    let info = entry.get("model_info").cloned().unwrap_or_default();
    let Some(target) = text(&params, "model") else {
        return import.leave(format!("{at}: it has no `litellm_params.model`"));
    };
    if called.contains('*') || target.contains('*') {
        return import.leave(format!("{at}: wildcards; a deployment names its model"));
    }
    let (prefix, own) = target.split_once('/').unwrap_or(("openai", target));
    let Some(provider) = provider(prefix) else {
        return import.leave(format!("{at}: the provider `{prefix}` has no kind of backend here"));
    };
    let Some(url) = address(import, &at, &params, &provider) else { return };
    let auth = credential(import, &at, &params, &provider, prefix);
    let holder = if provider.kind == "azure-openai" { "deployments" } else { "models" };
    let key = if holder == "deployments" { own } else { called };
    let mut backend =
        Map::from_iter([("kind".to_owned(), json!(provider.kind)), ("url".to_owned(), json!(url))]);
    if let Some(auth) = auth {
        backend.insert("auth".to_owned(), json!(auth));
    }
    if let Some(version) = text(&params, "api_version").filter(|_| holder == "deployments") {
        backend.insert("apiVersion".to_owned(), json!(version));
    }
    let mut terms = terms(&params, &info);
    if holder == "deployments" {
        terms.insert("model".to_owned(), json!(called));
    } else if own != called {
        terms.insert("upstreamName".to_owned(), json!(own));
    }
    let backend = place(import, prefix, backend, holder, key, terms);
    member(import, called, &format!("{backend}/{key}"), whole(&params, "weight"));
    rest(import, &at, "litellm_params", &params, &PARAMS);
    rest(import, &at, "model_info", &info, &INFO);
}

fn rest(import: &mut Import, at: &str, of: &str, value: &Value, read: &[&str]) {
    for (field, _) in fields(value).filter(|(field, _)| !read.contains(field)) {
        import.leave(format!("{at}: `{of}.{field}`"));
    }
}

/// The base of a backend's URL, without the `/v1` that the gateway adds.
fn address(import: &mut Import, at: &str, params: &Value, provider: &Provider) -> Option<String> {
    let stated = text(params, "api_base").or_else(|| text(params, "base_url"));
    match (stated, provider.url) {
        (Some(variable), _) if variable.starts_with("os.environ/") => {
            let variable = variable.trim_start_matches("os.environ/");
            import.leave(format!("{at}: its address is in the variable {variable}; write it in place of `{variable}.invalid`, an address is no secret"));
            Some(format!("https://{}.invalid", name(&variable.replace('_', "-"))))
        }
        (Some(stated), _) => {
            let base = stated.trim_end_matches('/');
            let base = base.split("/openai").next().unwrap_or(base);
            Some(base.trim_end_matches("/v1").trim_end_matches('/').to_owned())
        }
        (None, Some(usual)) => Some(usual.to_owned()),
        (None, None) => {
            import.leave(format!("{at}: it has no `api_base`"));
            None
        }
    }
}

/// The name of the identity that a model's key becomes.
fn credential(
    import: &mut Import,
    at: &str,
    params: &Value,
    provider: &Provider,
    prefix: &str,
) -> Option<String> {
    let variable = match text(params, "api_key") {
        Some(reference) if reference.starts_with("os.environ/") => {
            reference.trim_start_matches("os.environ/").to_owned()
        }
        // A server of one's own without a key has a placeholder there.
        Some("none" | "None" | "NONE" | "EMPTY" | "fake-key" | "anything") | None
            if provider.key.is_none() =>
        {
            return None;
        }
        Some(_) => {
            let variable =
                provider.key.map_or_else(|| format!("{}_API_KEY", prefix.to_uppercase()), str::to_owned);
            import.leave(format!("{at}: its key, which was written in the file; put it into the variable {variable}, and make a new one"));
            variable
        }
        None => provider.key?.to_owned(),
    };
    let identity = name(&variable.replace('_', "-"));
    import.section("identities").insert(identity.clone(), json!({"apiKey": {"env": variable}}));
    Some(identity)
}

fn terms(params: &Value, info: &Value) -> Map<String, Value> {
    let mut terms = Map::new();
    let either = |field: &str| number(params, field).or_else(|| number(info, field));
    let price = |field: &str| either(field).filter(|cost| *cost >= 0.0).map(|cost| per_million(cost));
    if let (Some(input), Some(output)) = (price("input_cost_per_token"), price("output_cost_per_token")) {
        let mut prices =
            Map::from_iter([("input".to_owned(), json!(input)), ("output".to_owned(), json!(output))]);
        for (theirs, ours) in [
            ("cache_read_input_token_cost", "cachedInput"),
            ("cache_creation_input_token_cost", "cacheWrite"),
        ] {
            if let Some(price) = price(theirs) {
                prices.insert(ours.to_owned(), json!(price));
            }
        }
        terms.insert("price".to_owned(), Value::Object(prices));
    }
    let mut quota = Map::new();
    for (theirs, ours, unit) in [("tpm", "tokens", "tokens/min"), ("rpm", "requests", "requests/min")] {
        if let Some(rate) = whole(params, theirs).or_else(|| whole(info, theirs)) {
            quota.insert(ours.to_owned(), json!(format!("{rate} {unit}")));
        }
    }
    if !quota.is_empty() {
        terms.insert("quota".to_owned(), Value::Object(quota));
    }
    for (theirs, ours) in [("max_input_tokens", "contextWindow"), ("max_output_tokens", "maxOutput")] {
        if let Some(count) = whole(info, theirs) {
            terms.insert(ours.to_owned(), json!(count));
        }
    }
    terms
}

/// Dollars a token as dollars a million tokens.
fn per_million(cost: f64) -> String {
    let millions = format!("{:.6}", cost * 1e6);
    let short = millions.trim_end_matches('0').trim_end_matches('.');
    format!("{} USD/1M", if short.is_empty() { "0" } else { short })
}

/// Puts a model on the backend it shares with others, or on one of its own.
fn place(
    import: &mut Import,
    prefix: &str,
    backend: Map<String, Value>,
    holder: &str,
    key: &str,
    terms: Map<String, Value>,
) -> String {
    let backends = import.section("backends");
    let same = |known: &Value| {
        ["kind", "url", "auth", "apiVersion"].iter().all(|field| known.get(*field) == backend.get(*field))
            && known.get(holder).is_none_or(|held| held.get(key).is_none())
    };
    let mut known: Vec<String> =
        backends.iter().filter(|(_, known)| same(known)).map(|(name, _)| name.clone()).collect();
    known.sort();
    let name =
        known.into_iter().next().unwrap_or_else(|| free(&name(prefix), |name| backends.contains_key(name)));
    let entry = backends.entry(name.clone()).or_insert_with(|| Value::Object(backend));
    if let Value::Object(entry) = entry
        && let Value::Object(held) = entry.entry(holder).or_insert_with(|| Value::Object(Map::new()))
    {
        held.insert(key.to_owned(), Value::Object(terms));
    }
    name
}

fn member(import: &mut Import, called: &str, member: &str, weight: Option<u64>) {
    let pool = name(called);
    let pools = import.section("pools");
    let entry = pools.entry(pool).or_insert_with(|| json!({"members": {}}));
    let settings = weight.map_or_else(|| json!({}), |weight| json!({"weight": weight.min(1000)}));
    if let Some(Value::Object(members)) = entry.get_mut("members") {
        members.insert(member.to_owned(), settings);
    }
    let route = json!({"match": {"path": "/v1/*", "model": called}, "pool": name(called)});
    import.section("routes").insert(name(called), route);
}

/// What the router's settings say of every route and pool.
fn routes(import: &mut Import, config: &Value) {
    let router = config.get("router_settings").cloned().unwrap_or_default();
    let common = config.get("litellm_settings").cloned().unwrap_or_default();
    let deadline = number(&router, "timeout").or_else(|| number(&common, "request_timeout"));
    if let Some(seconds) = deadline.filter(|seconds| (0.001..=3600.0).contains(seconds)) {
        for route in import.section("routes").values_mut().filter_map(Value::as_object_mut) {
            route.insert("deadline".to_owned(), json!(format!("{}ms", (seconds * 1000.0).round() as u64)));
        }
        let timeouts = json!({"firstToken": format!("{}ms", (seconds * 1000.0).round() as u64)});
        for backend in import.section("backends").values_mut().filter_map(Value::as_object_mut) {
            backend.insert("timeouts".to_owned(), timeouts.clone());
        }
    }
    let retries = whole(&router, "num_retries").or_else(|| whole(&common, "num_retries"));
    let strategy = match text(&router, "routing_strategy") {
        None => None,
        Some("simple-shuffle") => Some("weighted"),
        Some("least-busy") => Some("least-requests"),
        Some(other) => {
            import.leave(format!("router_settings.routing_strategy `{other}`: `strategy: adaptive` with an objective is the nearest"));
            None
        }
    };
    let mut ejection = Map::new();
    if let Some(fails) = whole(&router, "allowed_fails") {
        ejection.insert("consecutiveFailures".to_owned(), json!(fails + 1));
    }
    if let Some(seconds) = whole(&router, "cooldown_time") {
        ejection.insert("base".to_owned(), json!(format!("{seconds}s")));
    }
    for pool in import.section("pools").values_mut().filter_map(Value::as_object_mut) {
        if let Some(retries) = retries {
            pool.insert("retry".to_owned(), json!({"maxAttempts": (retries + 1).min(10)}));
        }
        if let Some(strategy) = strategy {
            pool.insert("strategy".to_owned(), json!(strategy));
        }
        if !ejection.is_empty() {
            pool.insert("ejection".to_owned(), Value::Object(ejection.clone()));
        }
    }
}

fn fallbacks(import: &mut Import, config: &Value) {
    for section in ["router_settings", "litellm_settings"] {
        let settings = config.get(section).cloned().unwrap_or_default();
        for given in list(&settings, "fallbacks") {
            for (from, to) in fields(given) {
                let targets: Vec<String> =
                    to.as_array().into_iter().flatten().filter_map(Value::as_str).map(name).collect();
                fallback(import, section, from, &targets);
            }
        }
    }
}

fn fallback(import: &mut Import, section: &str, from: &str, targets: &[String]) {
    let pools = import.section("pools");
    let known: Vec<Value> = targets
        .iter()
        .filter(|target| pools.contains_key(*target) && **target != name(from))
        .map(|target| json!({"to": target}))
        .collect();
    let missing = targets.len() - known.len();
    let pool = pools.get_mut(&name(from)).and_then(Value::as_object_mut);
    let unknown = pool.is_none();
    if let Some(pool) = pool.filter(|_| !known.is_empty()) {
        pool.insert("fallback".to_owned(), Value::Array(known));
    }
    if unknown || missing > 0 {
        import.leave(format!(
            "{section}.fallbacks of `{from}`: it or its target is no model that was carried over"
        ));
    }
}

/// Everything beside models, one line each.
fn settings(import: &mut Import, config: &Value) {
    const READ: [&str; 8] = [
        "routing_strategy",
        "num_retries",
        "timeout",
        "request_timeout",
        "allowed_fails",
        "cooldown_time",
        "fallbacks",
        "model_list",
    ];
    let why = |field: &str| match field {
        "master_key" => "; callers and their keys are `consumers`",
        "max_budget" | "budget_duration" | "provider_budget_config" => {
            "; a budget is `limits: {name: {budget: 100 USD/month}}`, which consumers, teams, models and routes refer to"
        }
        "callbacks" | "success_callback" | "failure_callback" => "; traces, metrics and logs are `telemetry`",
        "redis_host" | "redis_url" | "redis_port" | "redis_password" => {
            "; replicas share counts by `store: {shared: …}`"
        }
        "context_window_fallbacks" | "content_policy_fallbacks" => {
            "; fallbacks are taken when a pool cannot serve a request"
        }
        "model_group_alias" => "; write a route with `match: {model: …}` for each alias",
        _ => "",
    };
    for (section, value) in fields(config).filter(|(section, _)| *section != "model_list") {
        if !value.is_object() {
            import.leave(format!("`{section}`"));
        }
        for (field, _) in fields(value).filter(|(field, _)| !READ.contains(field)) {
            import.leave(format!("`{section}.{field}`{}", why(field)));
        }
    }
}
