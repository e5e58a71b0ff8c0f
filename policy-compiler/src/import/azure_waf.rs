//! A web application firewall policy of Azure, of Application Gateway or Front Door, as ARM has it or the
//! `az` command prints it. Its custom rules become rules of `acl`; a rule of which any part has no exact
//! counterpart is left out whole, since half a rule would let in or keep out others than it says.
//! Source of the fields: the resource types `Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies`
//! and `Microsoft.Network/FrontDoorWebApplicationFirewallPolicies`.

use serde_json::{Map, Value, json};

use super::{Import, Imported, foreign, free, list, name, text, whole};
use crate::diagnostics::Finding;
use crate::source::Source;

/// Turns a policy into a manifest around its custom rules.
///
/// # Errors
/// What keeps the policy from being read as JSON or YAML.
pub fn azure_waf(source: &Source) -> Result<Imported, Vec<Finding>> {
    let document = foreign(source)?;
    let policy = policy(&document);
    let mut import = Import::default();
    skeleton(&mut import);
    let settings = policy.get("policySettings").cloned().unwrap_or_default();
    let detects = text(&settings, "mode").is_some_and(|mode| mode.eq_ignore_ascii_case("detection"));
    let status = whole(&settings, "customBlockResponseStatusCode");
    let custom = policy.get("customRules").cloned().unwrap_or_default();
    let rules = custom.as_array().cloned().unwrap_or_else(|| list(&custom, "rules").to_vec());
    for entry in &rules {
        rule(&mut import, entry, detects, status);
    }
    managed(&mut import, policy);
    for field in [
        "customBlockResponseBody",
        "redirectUrl",
        "requestBodyCheck",
        "maxRequestBodySizeInKb",
        "fileUploadLimitInMb",
    ] {
        if settings.get(field).is_some_and(|value| !value.is_null()) {
            import.leave(format!("`policySettings.{field}`"));
        }
    }
    if status.is_some_and(|status| !(400..500).contains(&status)) {
        import
            .leave("`policySettings.customBlockResponseStatusCode`: a refusal has a status from 400 to 499");
    }
    Ok(import.finish("a web application firewall policy of Azure"))
}

/// The policy in a template, in a resource with `properties`, or as `az` flattens it.
fn policy(document: &Value) -> &Value {
    let in_template = list(document, "resources").iter().find(|resource| {
        text(resource, "type")
            .is_some_and(|kind| kind.to_lowercase().contains("webapplicationfirewallpolicies"))
    });
    let resource = in_template.unwrap_or(document);
    resource.get("properties").unwrap_or(resource)
}

/// What a manifest needs beside rules, and a firewall's policy does not have.
fn skeleton(import: &mut Import) {
    import.leave("listeners, backends and routes, which a firewall's policy does not have: put yours in the place of `site`");
    import.section("listeners").insert("site".to_owned(), json!({"address": "127.0.0.1:8080"}));
    import
        .section("backends")
        .insert("site".to_owned(), json!({"kind": "http", "url": "http://127.0.0.1:9000"}));
    import.section("pools").insert("site".to_owned(), json!({"members": ["site"]}));
    import.section("routes").insert("site".to_owned(), json!({"match": {"path": "/*"}, "pool": "site"}));
}

fn managed(import: &mut Import, policy: &Value) {
    let managed = policy.get("managedRules").cloned().unwrap_or_default();
    for set in list(&managed, "managedRuleSets") {
        let kind = text(set, "ruleSetType").unwrap_or("unnamed");
        let version = text(set, "ruleSetVersion").unwrap_or_default();
        let overrides = list(set, "ruleGroupOverrides").len();
        import.leave(format!("the managed rule set {kind} {version}, with overrides of groups: {overrides}"));
    }
    let exclusions = list(&managed, "exclusions").len();
    if exclusions > 0 {
        import.leave(format!("exclusions of managed rules: {exclusions}"));
    }
}

fn rule(import: &mut Import, entry: &Value, detects: bool, status: Option<u64>) {
    let called = text(entry, "name").unwrap_or("unnamed").to_owned();
    match converted(entry, detects, status) {
        Ok(rule) => {
            if rule.to_string().contains("\"country\"") && !import.sections.contains_key("countries") {
                import.section("countries").insert("file".to_owned(), json!("countries.mmdb"));
                import.leave("the database of countries: put one in MaxMind's format at `countries.file`");
            }
            let acl = import.section("acl");
            let name = free(&name(&called), |name| acl.contains_key(name));
            acl.insert(name, rule);
        }
        Err(why) => import.leave(format!("custom rule `{called}`: {why}")),
    }
}

fn converted(entry: &Value, detects: bool, status: Option<u64>) -> Result<Value, String> {
    let state = text(entry, "state").or_else(|| text(entry, "enabledState"));
    if state.is_some_and(|state| state.eq_ignore_ascii_case("disabled")) {
        return Err("it is disabled".to_owned());
    }
    if text(entry, "ruleType").is_some_and(|kind| kind.eq_ignore_ascii_case("RateLimitRule")) {
        let threshold = whole(entry, "rateLimitThreshold").unwrap_or_default();
        return Err(format!(
            "it counts {threshold} requests by address; limits here count by consumer, team, model and route: `limits: {{name: {{requests: {threshold} requests/min}}}}`"
        ));
    }
    let action = text(entry, "action").unwrap_or_default();
    let ours = match action.to_lowercase().as_str() {
        "allow" => "allow",
        "block" => "block",
        "log" => "log",
        _ => {
            return Err(format!("the action `{action}` asks the caller something, and callers are programs"));
        }
    };
    let priority = whole(entry, "priority").ok_or("it has no priority")?;
    let mut sides = Sides::default();
    for condition in list(entry, "matchConditions") {
        sides.add(condition)?;
    }
    let mut rule =
        Map::from_iter([("priority".to_owned(), json!(priority)), ("action".to_owned(), json!(ours))]);
    for (side, conditions) in [("when", sides.when), ("unless", sides.unless)] {
        if !conditions.is_empty() {
            rule.insert(side.to_owned(), Value::Object(conditions));
        }
    }
    if let Some(status) = status.filter(|status| ours == "block" && (400..500).contains(status)) {
        rule.insert("status".to_owned(), json!(status));
    }
    if detects {
        rule.insert("mode".to_owned(), json!("shadow"));
    }
    Ok(Value::Object(rule))
}

/// The conditions of a rule: those that must hold, and those that must not.
#[derive(Default)]
struct Sides {
    when: Map<String, Value>,
    unless: Map<String, Value>,
}

impl Sides {
    fn add(&mut self, condition: &Value) -> Result<(), String> {
        let negated = ["negationConditon", "negationCondition", "negateCondition"];
        let negated = negated.iter().any(|field| condition.get(*field) == Some(&Value::Bool(true)));
        let (variable, selector) = variable(condition)?;
        let operator = text(condition, "operator").unwrap_or_default();
        let values = condition.get("matchValues").or_else(|| condition.get("matchValue"));
        let values: Vec<&str> =
            values.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let lower = list(condition, "transforms").iter().filter_map(Value::as_str);
        if let Some(other) = lower.into_iter().find(|transform| !transform.eq_ignore_ascii_case("Lowercase"))
        {
            return Err(format!("it transforms values by `{other}` before it compares"));
        }
        let (field, value) = field(&variable, selector.as_deref(), operator, &values)?;
        let lowered = !list(condition, "transforms").is_empty();
        if lowered && matches!(field, "header" | "path") {
            return Err(format!("it compares `{field}` in lower case, and here upper and lower case differ"));
        }
        let side = if negated { &mut self.unless } else { &mut self.when };
        match (field, side.get_mut(field), value) {
            ("header", Some(Value::Object(known)), Value::Object(more)) => {
                for (header, values) in more {
                    if known.insert(header, values).is_some() {
                        return Err("it has two conditions on one header".to_owned());
                    }
                }
            }
            // Entries of `unless` are exceptions by themselves, so lists of two conditions add up.
            (_, Some(Value::Array(known)), Value::Array(more)) if negated => known.extend(more),
            (_, Some(_), _) => {
                return Err(format!("it has two conditions on `{field}` that both have to hold"));
            }
            (_, None, value) => {
                side.insert(field.to_owned(), value);
            }
        }
        Ok(())
    }
}

/// The one variable of a condition: `RemoteAddr`, or `RequestHeaders` with the header's name.
fn variable(condition: &Value) -> Result<(String, Option<String>), String> {
    let owned = |value: &Value, name: &str| {
        (text(value, name).unwrap_or_default().to_owned(), text(value, "selector").map(str::to_owned))
    };
    match list(condition, "matchVariables") {
        [] => Ok(owned(condition, "matchVariable")),
        [one] => Ok(owned(one, "variableName")),
        _ => Err("one of its conditions looks at several variables".to_owned()),
    }
}

/// A condition as a field of `when` or `unless`.
fn field(
    variable: &str,
    selector: Option<&str>,
    operator: &str,
    values: &[&str],
) -> Result<(&'static str, Value), String> {
    let operator = operator.to_lowercase();
    let each =
        |one: &dyn Fn(&str) -> String| Value::Array(values.iter().map(|value| json!(one(value))).collect());
    let unknown = || format!("`{variable}` with the operator `{operator}` has no counterpart");
    let header = selector.map(str::to_lowercase);
    Ok(match (variable.to_lowercase().as_str(), operator.as_str(), header.as_deref()) {
        ("remoteaddr" | "socketaddr", "ipmatch", _) => ("address", networks(values)?),
        ("remoteaddr" | "socketaddr", "geomatch", _) => {
            if let Some(other) = values.iter().find(|code| **code == "ZZ" || code.len() != 2) {
                return Err(format!("`{other}` is no country"));
            }
            ("country", each(&str::to_uppercase))
        }
        ("requestmethod", "equal", _) => ("method", each(&str::to_uppercase)),
        ("requesturi", "equal", _) if paths(values) => ("path", each(&str::to_owned)),
        ("requesturi", "beginswith", _)
            if paths(values) && values.iter().all(|value| value.ends_with('/')) =>
        {
            ("path", each(&|value| format!("{value}*")))
        }
        ("requesturi", "beginswith", _) => {
            return Err(
                "a path that begins with part of a segment has no counterpart: end it with `/`".to_owned()
            );
        }
        ("requestheaders" | "requestheader", "equal", Some("host")) => ("host", each(&str::to_lowercase)),
        ("requestheaders" | "requestheader", _, Some("user-agent")) if pattern(&operator).is_some() => {
            if values.iter().any(|value| value.contains('*')) {
                return Err(unknown());
            }
            let (before, after) = pattern(&operator).unwrap_or_default();
            ("userAgent", each(&|value| format!("{before}{value}{after}")))
        }
        ("requestheaders" | "requestheader", "any", Some(header)) => ("header", json!({header: "*"})),
        ("requestheaders" | "requestheader", "equal", Some(header)) if !values.contains(&"*") => {
            if crate::resolve::reserved(header).is_some() {
                return Err(format!(
                    "it compares `{header}`, which may hold a credential or is the gateway's own"
                ));
            }
            ("header", json!({header: values}))
        }
        _ => return Err(unknown()),
    })
}

/// What stands before and after a text in a pattern.
fn pattern(operator: &str) -> Option<(&'static str, &'static str)> {
    Some(match operator {
        "equal" => ("", ""),
        "contains" => ("*", "*"),
        "beginswith" => ("", "*"),
        "endswith" => ("*", ""),
        _ => return None,
    })
}

fn paths(values: &[&str]) -> bool {
    values.iter().all(|value| crate::resolve::path(value).is_ok() && !value.contains(['*', '{']))
}

/// Networks, without bits beyond their prefix, which Azure allows.
fn networks(values: &[&str]) -> Result<Value, String> {
    let one = |value: &&str| {
        let network = value.parse::<ipnet::IpNet>().map(|network| network.trunc().to_string());
        network.or_else(|_| value.parse::<std::net::IpAddr>().map(|address| address.to_string()))
    };
    let networks: Result<Vec<String>, _> = values.iter().map(one).collect();
    networks.map(|networks| json!(networks)).map_err(|_| "one of its addresses is none".to_owned())
}
