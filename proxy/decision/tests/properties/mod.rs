//! What must hold for any bytes that come as a token, for fuzzing and for `any_bytes.rs`.

#[path = "../minting/mod.rs"]
#[allow(dead_code, reason = "not every user of it signs with every key")]
pub(crate) mod minting;

use std::sync::{Arc, LazyLock};

use decision::{Gate, PublicKeys};
use rule_table::{Bundle, Policy};
use serde_json::{Value, json};
use vocabulary::Moment;

use minting::{Signer, encoded, key_set};

/// Unix seconds.
pub(crate) const NOW: u64 = 1_795_000_000;
pub(crate) const ISSUER: &str = "https://login.example";

static SIGNER: LazyLock<Signer> = LazyLock::new(Signer::p256);
static GATE: LazyLock<Arc<Gate>> = LazyLock::new(|| believing(&SIGNER));

/// A policy that believes one issuer, whose key this is, and routes nothing.
pub(crate) fn believing(signer: &Signer) -> Arc<Gate> {
    let policy: Policy = serde_json::from_value(json!({
        "listeners": [], "admin": null, "backends": [], "deployments": [], "pools": [], "routes": [],
        "consumers": [], "teams": [], "models": [], "limits": [], "acl": [], "access": [], "countries": null, "hooks": [],
        "waf": [],
        "issuers": [{
            "name": "corp", "issuer": ISSUER, "keys": "discovery", "audiences": ["api://llm"],
            "algorithms": ["RS256", "ES256"], "scopes": [], "subject_claim": "sub",
            "team_claim": null, "teams": [], "leeway": 60,
        }],
        "store": rule_table::Store::default(), "overload": rule_table::Overload::default(),
        "telemetry": {
            "otlp": null, "service_name": "fuzz", "trace_sampling": "0%", "trust_trace_context": false,
            "access_log": "off",
        },
    }))
    .unwrap();
    let gate = Gate::new(Bundle::new(policy), 1, None, 0, Moment::ZERO);
    gate.issuer_keys(0).unwrap().replace(PublicKeys::parse(&key_set(&[signer.jwk("k1")])).unwrap());
    Arc::new(gate)
}

/// Nothing panics; whatever is not signed is not believed; what is signed is, whenever its claims are sound.
pub(crate) fn token(bytes: &[u8]) {
    let _ = PublicKeys::parse(bytes);
    assert!(GATE.verify_token(bytes, NOW).is_err(), "nobody signed this");
    let dots: Vec<&[u8]> = bytes.splitn(3, |byte| *byte == 0).collect();
    let signed = dots.iter().map(encoded).collect::<Vec<_>>().join(".");
    assert!(GATE.verify_token(signed.as_bytes(), NOW).is_err(), "nobody signed this");
    let header = json!({"alg": "ES256", "kid": "k1"});
    if let Ok(claims) = serde_json::from_slice::<Value>(bytes)
        && let Ok(verified) = GATE.verify_token(SIGNER.token_with(&header, &claims).as_bytes(), NOW)
    {
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(claims["sub"], verified.subject);
        assert!(verified.expires > NOW);
    }
}
