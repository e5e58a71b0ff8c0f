//! Where a hard limit can be held depends on the routes whose requests it counts, and on no others.

use policy_compiler::{Code, Source, compile};

/// What is found about a hard budget of the team `students`, beside a route that is passed on unread for `consumer` only.
fn hard_beside_a_route_for(consumer: &str) -> Vec<Code> {
    let text = format!(
        "
apiVersion: sluicegate/v1
listeners: {{local: {{address: 127.0.0.1:8080}}}}
identities: {{openai: {{apiKey: {{env: OPENAI_API_KEY}}}}}}
backends:
  openai:
    kind: openai
    url: https://api.openai.com
    auth: openai
    models: {{gpt-4o: {{maxOutput: 4096, price: {{input: 2.50 USD/1M, output: 10 USD/1M}}}}}}
  cases: {{kind: http, url: http://10.0.4.40:9000}}
pools: {{gpt: {{members: [openai]}}, cases: {{members: [cases]}}}}
routes:
  chat: {{match: {{path: /v1/chat/completions}}, pool: gpt}}
  cases: {{match: {{path: /cases/*}}, pool: cases, consumers: [{consumer}]}}
consumers:
  portal: {{team: students, keys: {{only: {{sha256: {}}}}}}}
  desk: {{keys: {{only: {{sha256: {}}}}}}}
teams: {{students: {{limit: monthly}}}}
limits: {{monthly: {{budget: 300 USD/month, hard: true}}}}
",
        "ab".repeat(32),
        "cd".repeat(32),
    );
    let findings = compile(&Source::new("gateway.yaml", text)).findings;
    findings.into_iter().map(|finding| finding.code).filter(|code| *code == Code::UnenforceableHard).collect()
}

#[test]
fn a_route_that_names_none_of_a_team_s_consumers_does_not_count_under_its_limit() {
    assert_eq!(hard_beside_a_route_for("desk"), []);
    assert_eq!(hard_beside_a_route_for("portal"), [Code::UnenforceableHard]);
}
