//! What other gateways' configurations become: manifests that compile, and a list of what was left out.
#![expect(clippy::expect_used, reason = "a broken test environment is best shown by a panic")]

use policy_compiler::{
    Imported, NotMigrated, Severity, Source, Style, azure_waf, compile, litellm, migrate, render,
};
use serde_json::Value;

const LITELLM: &str = r#"
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-prod
      api_base: https://corp-swe.openai.azure.com/
      api_key: os.environ/AZURE_SWE_KEY
      api_version: "2024-10-21"
      rpm: 1800
      tpm: 300000
      weight: 3
    model_info: {id: swe-1, max_input_tokens: 128000, max_output_tokens: 16384}
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o-2024-08-06
      api_key: sk-proj-hunter2hunter2hunter2
      input_cost_per_token: 0.0000025
      output_cost_per_token: 1e-05
      max_budget: 100
      budget_duration: 1d
  - model_name: claude-sonnet
    litellm_params: {model: anthropic/claude-3-5-sonnet-20241022, api_key: os.environ/ANTHROPIC_API_KEY}
  - model_name: llama
    litellm_params: {model: hosted_vllm/meta-llama/Llama-3.3-70B-Instruct, api_base: "http://gpu:8000/v1", api_key: none}
  - model_name: titan
    litellm_params: {model: bedrock/amazon.titan-text-express-v1, aws_region_name: eu-west-1}
  - model_name: "gemini/*"
    litellm_params: {model: "gemini/*"}
router_settings:
  routing_strategy: simple-shuffle
  num_retries: 2
  timeout: 30
  allowed_fails: 3
  cooldown_time: 30
  fallbacks: [{gpt-4o: [claude-sonnet]}, {claude-sonnet: [titan]}]
  redis_host: os.environ/REDIS_HOST
litellm_settings: {drop_params: true, success_callback: [langfuse], max_budget: 1000, budget_duration: 30d}
general_settings: {master_key: os.environ/LITELLM_MASTER_KEY, database_url: os.environ/DATABASE_URL}
"#;

const WAF: &str = r#"{
  "name": "site", "type": "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies",
  "properties": {
    "policySettings": {"state": "Enabled", "mode": "Prevention", "customBlockResponseStatusCode": 404, "requestBodyCheck": true},
    "customRules": [
      {"name": "AllowOffice", "priority": 5, "ruleType": "MatchRule", "action": "Allow", "state": "Enabled",
       "matchConditions": [{"matchVariables": [{"variableName": "RemoteAddr"}], "operator": "IPMatch", "negationConditon": false,
                            "matchValues": ["203.0.113.0/24", "198.51.100.7", "10.1.2.3/8"], "transforms": []}]},
      {"name": "OnlyNordics", "priority": 10, "ruleType": "MatchRule", "action": "Block",
       "matchConditions": [{"matchVariables": [{"variableName": "RemoteAddr"}], "operator": "GeoMatch", "negationConditon": true,
                            "matchValues": ["SE", "NO"]},
                           {"matchVariables": [{"variableName": "RequestUri"}], "operator": "BeginsWith", "negationConditon": false,
                            "matchValues": ["/admin/"]}]},
      {"name": "Scrapers", "priority": 20, "ruleType": "MatchRule", "action": "Block",
       "matchConditions": [{"matchVariables": [{"variableName": "RequestHeaders", "selector": "User-Agent"}], "operator": "Contains",
                            "matchValues": ["scrapy", "HTTrack"], "transforms": ["Lowercase"]}]},
      {"name": "Environment", "priority": 25, "ruleType": "MatchRule", "action": "Log",
       "matchConditions": [{"matchVariables": [{"variableName": "RequestHeaders", "selector": "X-Environment"}], "operator": "Equal",
                            "matchValues": ["test"]}]},
      {"name": "Flood", "priority": 30, "ruleType": "RateLimitRule", "rateLimitDuration": "OneMin", "rateLimitThreshold": 100,
       "action": "Block", "matchConditions": []},
      {"name": "Challenge", "priority": 40, "ruleType": "MatchRule", "action": "JSChallenge", "matchConditions": []},
      {"name": "Bodies", "priority": 50, "ruleType": "MatchRule", "action": "Block",
       "matchConditions": [{"matchVariables": [{"variableName": "PostArgs", "selector": "q"}], "operator": "Regex", "matchValues": ["x+"]}]}
    ],
    "managedRules": {"managedRuleSets": [{"ruleSetType": "OWASP", "ruleSetVersion": "3.2",
       "ruleGroupOverrides": [{"ruleGroupName": "REQUEST-942"}]}], "exclusions": [{}]}
  }
}"#;

/// The manifest's tree, once it compiles without an error.
fn compiled(imported: &Imported) -> Value {
    let source = Source::new("imported.yaml", imported.manifest.clone());
    let outcome = compile(&source);
    let found = render(&outcome.findings, &source, Style::Plain);
    assert!(outcome.is_sound(), "{found}\n{}", imported.manifest);
    let head = imported.manifest.split("apiVersion").next().expect("a head");
    assert!(imported.left.iter().all(|line| head.contains(line.as_str())), "{head}");
    assert!(outcome.findings.iter().all(|finding| finding.severity() != Severity::Error));
    outcome.document.expect("a tree").root.to_json()
}

#[test]
fn litellm_models_become_backends_pools_and_routes() {
    let imported = litellm(&Source::new("config.yaml", LITELLM)).expect("YAML");
    let tree = compiled(&imported);
    insta::assert_snapshot!("from-litellm", imported.manifest);
    assert_eq!(
        tree["backends"]["azure"]["deployments"]["gpt-4o-prod"]["quota"]["tokens"],
        "300000 tokens/min"
    );
    assert_eq!(tree["backends"]["openai"]["models"]["gpt-4o"]["price"]["input"], "2.5 USD/1M");
    assert_eq!(tree["pools"]["gpt-4o"]["fallback"][0]["to"], "claude-sonnet");
    assert_eq!(tree["identities"]["azure-swe-key"]["apiKey"]["env"], "AZURE_SWE_KEY");
    assert!(!imported.manifest.contains("hunter2"), "a secret");
    for part in
        ["bedrock", "wildcards", "titan", "max_budget", "master_key", "success_callback", "redis_host"]
    {
        assert!(imported.left.iter().any(|line| line.contains(part)), "{part}: {:#?}", imported.left);
    }
}

#[test]
fn a_firewalls_custom_rules_become_access_rules_or_are_named() {
    let flat: Value = serde_json::from_str(WAF).expect("JSON");
    let template = serde_json::json!({"resources": [flat.clone()]}).to_string();
    let flattened = flat["properties"].to_string();
    let imported = azure_waf(&Source::new("policy.json", WAF)).expect("JSON");
    for other in [template, flattened] {
        assert_eq!(azure_waf(&Source::new("policy.json", other)).expect("JSON"), imported);
    }
    let tree = compiled(&imported);
    insta::assert_snapshot!("from-azure-waf", imported.manifest);
    let acl = &tree["acl"];
    assert_eq!(acl["allowoffice"]["when"]["address"][2], "10.0.0.0/8");
    assert_eq!(acl["onlynordics"]["unless"]["country"][1], "NO");
    assert_eq!(acl["onlynordics"]["status"], 404);
    assert_eq!(acl["scrapers"]["when"]["userAgent"][0], "*scrapy*");
    assert_eq!(acl.as_object().expect("rules").len(), 4);
    for part in ["`Flood`", "`Challenge`", "`Bodies`", "OWASP 3.2", "exclusions"] {
        assert!(imported.left.iter().any(|line| line.contains(part)), "{part}: {:#?}", imported.left);
    }
}

#[test]
fn what_is_neither_is_refused_or_becomes_an_example() {
    assert!(litellm(&Source::new("config.yaml", "model_list: [")).is_err());
    compiled(&litellm(&Source::new("config.yaml", "model_list: []")).expect("YAML"));
    compiled(&azure_waf(&Source::new("policy.json", "{\"a\": 1}")).expect("JSON"));
}

const DRAFT: &str = "\
# A draft.
apiVersion: sluicegate/v1alpha1   # before the first release
listeners: {web: {address: 127.0.0.1:8080}}
backends:
  gpu: {kind: vllm, url: http://127.0.0.1:8000, models: {llama: {}}}
pools:
  llama:
    members: [gpu]
    maxAttempts: 2   # once more
routes:
  chat: {match: {path: /v1/chat/completions}, pool: llama}
";

#[test]
fn a_draft_becomes_current_and_a_current_manifest_stays_as_it_is() {
    let migrated = migrate(&Source::new("gateway.yaml", DRAFT)).expect("a known version");
    assert!(
        migrated.manifest.contains("    retry: {maxAttempts: 2}   # once more\n"),
        "{}",
        migrated.manifest
    );
    assert!(migrated.manifest.contains("apiVersion: sluicegate/v1   # before"), "{}", migrated.manifest);
    assert_eq!(migrated.changes.len(), 2, "{:?}", migrated.changes);
    assert!(compile(&Source::new("gateway.yaml", migrated.manifest.clone())).is_sound());
    let again = migrate(&Source::new("gateway.yaml", migrated.manifest.clone())).expect("current");
    assert_eq!((again.manifest, again.changes.len()), (migrated.manifest, 0));
}

#[test]
fn a_future_version_is_refused_by_name() {
    let future = DRAFT.replace("v1alpha1", "v9");
    let refused = migrate(&Source::new("gateway.yaml", future)).expect_err("unknown");
    assert_eq!(refused, NotMigrated::Unknown(Some("sluicegate/v9".to_owned())));
    assert!(matches!(migrate(&Source::new("g.yaml", "a: [")), Err(NotMigrated::Unreadable(_))));
}
