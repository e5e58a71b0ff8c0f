//! Tokens instead of keys: whose are believed, for how long, and what does not make one believed.

use std::sync::Arc;

use decision::{Gate, PublicKeys};
use rule_table::{Authn, Credentials, Issuer, KeySet, Mode, Policy};
use serde_json::{Value, json};
use vocabulary::Reason;

use crate::draft::Draft;
use crate::minting::{Signer, encoded, key_set};
use crate::request::{ARRIVAL_MS, Caller, NOW};

/// When every request arrives, in Unix seconds.
const ARRIVAL: u64 = ARRIVAL_MS / 1000;
const ISSUER: &str = "https://login.example/v2.0";

fn issuer(name: &str, iss: &str) -> Issuer {
    Issuer {
        name: name.to_owned(),
        issuer: iss.to_owned(),
        keys: KeySet::Discovery,
        audiences: vec!["api://llm".to_owned()],
        algorithms: vec!["RS256".to_owned(), "ES256".to_owned()],
        scopes: Vec::new(),
        subject_claim: "sub".to_owned(),
        team_claim: None,
        teams: Vec::new(),
        leeway: 60,
    }
}

/// A gate that believes one issuer, whose keys are these.
fn believing(change: impl FnOnce(&mut Policy), keys: &[Value]) -> Arc<Gate> {
    let draft = Draft::chat(&["east/gpt-4o"]).consumer("robots", "sk-robots").with_policy(|policy| {
        policy.issuers.push(issuer("corp", ISSUER));
        change(policy);
    });
    let gate = draft.gate();
    has_keys(&gate, keys);
    gate
}

fn has_keys(gate: &Gate, keys: &[Value]) {
    gate.issuer_keys(0).unwrap().replace(PublicKeys::parse(&key_set(keys)).unwrap());
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "api://llm", "sub": "ada", "exp": ARRIVAL + 600})
}

/// The claims with some of them replaced.
fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn shown(gate: &Arc<Gate>, token: &str) -> Result<Option<String>, Reason> {
    let (exchange, passed) = Caller::chat().with_key(token).stages(gate, NOW);
    match passed {
        Ok(()) => Ok(exchange.subject.as_deref().map(str::to_owned)),
        Err(refusal) => {
            let secret = token.rsplit('.').next().unwrap();
            assert!(secret.len() < 20 || !refusal.to_string().contains(secret), "{refusal}");
            Err(refusal.reason)
        }
    }
}

#[test]
fn a_token_of_a_believed_issuer_names_its_bearer() {
    for signer in [Signer::rsa(), Signer::p256()] {
        let gate = believing(|_| {}, &[signer.jwk("k1")]);
        let token = signer.token("k1", &claims());
        for _ in 0..2 {
            assert_eq!(shown(&gate, &token), Ok(Some("corp/ada".to_owned())), "verified, then remembered");
        }
        assert_eq!(Caller::chat().refused(&gate, NOW).reason, Reason::MissingKey);
    }
}

#[test]
fn a_subject_of_a_consumer_is_that_consumer() {
    let signer = Signer::p256();
    let credential = Credentials::Subject { issuer: 0, subject: "ada".to_owned() };
    let gate = believing(|policy| policy.consumers[0].credentials.push(credential), &[signer.jwk("k1")]);
    let exchange = Caller::chat().with_key(&signer.token("k1", &claims())).admitted(&gate, NOW);
    assert_eq!((exchange.consumer, exchange.subject.clone()), (Some(0), None));
    let gate = believing(|policy| policy.routes[0].consumers.push(0), &[signer.jwk("k1")]);
    assert_eq!(shown(&gate, &signer.token("k1", &claims())), Err(Reason::RouteForbidden));
}

#[test]
fn an_expired_token_is_refused_after_its_leeway_and_one_of_tomorrow_too() {
    let signer = Signer::p256();
    let gate = believing(|_| {}, &[signer.jwk("k1")]);
    for (changes, expected) in [
        (json!({"exp": ARRIVAL - 59}), Ok(Some("corp/ada".to_owned()))),
        (json!({"exp": ARRIVAL - 60}), Err(Reason::ExpiredToken)),
        (json!({"exp": 0}), Err(Reason::ExpiredToken)),
        (json!({"exp": -1.5}), Err(Reason::ExpiredToken)),
        (json!({"exp": "tomorrow"}), Err(Reason::InvalidToken)),
        (json!({"exp": null}), Err(Reason::InvalidToken)),
        (json!({"nbf": ARRIVAL + 60}), Ok(Some("corp/ada".to_owned()))),
        (json!({"nbf": ARRIVAL + 61}), Err(Reason::ExpiredToken)),
    ] {
        assert_eq!(shown(&gate, &signer.token("k1", &with(changes.clone()))), expected, "{changes}");
    }
}

#[test]
fn a_token_for_another_audience_is_refused() {
    let signer = Signer::p256();
    let gate = believing(|_| {}, &[signer.jwk("k1")]);
    for aud in [json!("api://other"), json!(["api://other"]), json!(null), json!(""), json!("api://llm ")] {
        assert_eq!(shown(&gate, &signer.token("k1", &with(json!({"aud": aud})))), Err(Reason::InvalidToken));
    }
    let several = with(json!({"aud": ["api://other", "api://llm"]}));
    assert!(shown(&gate, &signer.token("k1", &several)).is_ok());
}

#[test]
fn a_token_with_the_wrong_role_or_scope_is_refused_by_its_name() {
    let signer = Signer::p256();
    let gate = believing(|policy| policy.issuers[0].scopes = vec!["llm.use".to_owned()], &[signer.jwk("k1")]);
    for claim in ["scp", "scope", "roles"] {
        for value in [json!("x llm.use"), json!(["llm.use"])] {
            let good = claim != "roles" || value.is_array();
            let token = signer.token("k1", &with(json!({claim: value})));
            assert_eq!(shown(&gate, &token).is_ok(), good, "{claim} {value}");
        }
    }
    for changes in [json!({}), json!({"scp": "llm.user"}), json!({"roles": ["LLM.use"]})] {
        let refusal = Caller::chat().with_key(&signer.token("k1", &with(changes))).refused(&gate, NOW);
        assert_eq!(refusal.reason, Reason::InsufficientScope);
        assert!(refusal.message.contains("llm.use"));
    }
}

#[test]
fn a_tampered_payload_or_signature_is_refused() {
    let signer = Signer::rsa();
    let gate = believing(|_| {}, &[signer.jwk("k1")]);
    let token = signer.token("k1", &claims());
    let parts: Vec<&str> = token.split('.').collect();
    let root = encoded(with(json!({"sub": "root"})).to_string());
    let mut signature = parts[2].to_owned().into_bytes();
    signature[10] = if signature[10] == b'A' { b'B' } else { b'A' };
    let signature = String::from_utf8(signature).unwrap();
    for forged in [
        format!("{}.{root}.{}", parts[0], parts[2]),
        format!("{}.{}.{signature}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], &parts[2][..100]),
        format!("{}.{}.{}=", parts[0], parts[1], parts[2]),
    ] {
        assert_eq!(shown(&gate, &forged), Err(Reason::InvalidToken));
    }
}

/// The classic: the public key, which anyone can have, as the secret of a keyed hash.
#[test]
fn algorithm_confusion_with_hs256_none_or_another_alg_ends_at_the_issuers_own_list() {
    let signer = Signer::rsa();
    let gate = believing(|_| {}, &[signer.jwk("k1")]);
    let jwk = signer.jwk("k1");
    // Every form in which the public key goes around.
    let forms = [
        jwk["n"].as_str().unwrap().as_bytes().to_vec(),
        jwk.to_string().into_bytes(),
        key_set(std::slice::from_ref(&jwk)),
        signer.public_der(),
        signer.public_pem().into_bytes(),
        Vec::new(),
    ];
    for algorithm in ["HS256", "HS384", "HS512", "none", "None", "", "rs256", "RS384", "PS256", "EdDSA"] {
        let header = json!({"alg": algorithm, "kid": "k1", "typ": "JWT"});
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims().to_string()));
        let hash = match algorithm {
            "HS384" => ring::hmac::HMAC_SHA384,
            "HS512" => ring::hmac::HMAC_SHA512,
            _ => ring::hmac::HMAC_SHA256,
        };
        let keyed = forms
            .iter()
            .map(|form| encoded(ring::hmac::sign(&ring::hmac::Key::new(hash, form), signed.as_bytes())));
        for signature in keyed.chain([String::new()]) {
            assert_eq!(
                shown(&gate, &format!("{signed}.{signature}")),
                Err(Reason::InvalidToken),
                "{algorithm}"
            );
        }
        assert_eq!(shown(&gate, &signer.token_with(&header, &claims())), Err(Reason::InvalidToken));
    }
    let secret = json!({"kty": "oct", "kid": "k1", "k": encoded("secret"), "alg": "HS256"});
    assert!(PublicKeys::parse(&key_set(&[secret])).is_err(), "a secret is no public key");
}

#[test]
fn an_algorithm_of_another_kind_of_key_is_refused_though_the_issuer_uses_both() {
    let (rsa, p256) = (Signer::rsa(), Signer::p256());
    let gate = believing(|_| {}, &[rsa.jwk("r"), p256.jwk("e")]);
    for (signer, kid, algorithm) in [(&rsa, "r", "ES256"), (&p256, "e", "RS256"), (&rsa, "e", "RS256")] {
        let header = json!({"alg": algorithm, "kid": kid});
        assert_eq!(shown(&gate, &signer.token_with(&header, &claims())), Err(Reason::InvalidToken));
    }
    assert!(shown(&gate, &rsa.token("r", &claims())).is_ok());
}

#[test]
fn keys_that_a_token_brings_or_points_at_are_not_looked_at_and_extensions_refused() {
    let (ours, theirs) = (Signer::p256(), Signer::p256());
    let gate = believing(|_| {}, &[ours.jwk("k1")]);
    for extra in [
        json!({"jwk": theirs.jwk("k1")}),
        json!({"jku": "https://evil.example/keys"}),
        json!({"x5u": "https://evil.example/chain"}),
        json!({"x5c": ["AAAA"]}),
    ] {
        let mut header = json!({"alg": "ES256", "kid": "k1"});
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        assert_eq!(shown(&gate, &theirs.token_with(&header, &claims())), Err(Reason::InvalidToken));
        assert!(shown(&gate, &ours.token_with(&header, &claims())).is_ok(), "ignored: {header}");
    }
    for crit in [json!(["exp"]), json!([]), json!(null)] {
        let header = json!({"alg": "ES256", "kid": "k1", "crit": crit});
        assert_eq!(shown(&gate, &ours.token_with(&header, &claims())), Err(Reason::InvalidToken));
    }
    let header = json!({"alg": "ES256", "kid": "k1", "typ": "dpop+jwt"});
    assert_eq!(shown(&gate, &ours.token_with(&header, &claims())), Err(Reason::InvalidToken));
}

#[test]
fn a_token_of_another_issuer_with_the_same_kid_is_refused() {
    let (ours, theirs) = (Signer::p256(), Signer::p256());
    let gate =
        believing(|policy| policy.issuers.push(issuer("other", "https://other.example")), &[ours.jwk("k")]);
    gate.issuer_keys(1).unwrap().replace(PublicKeys::parse(&key_set(&[theirs.jwk("k")])).unwrap());
    assert_eq!(shown(&gate, &theirs.token("k", &claims())), Err(Reason::InvalidToken));
    let other = with(json!({"iss": "https://other.example"}));
    assert_eq!(shown(&gate, &theirs.token("k", &other)), Ok(Some("other/ada".to_owned())));
    let unknown = with(json!({"iss": "https://evil.example"}));
    assert_eq!(shown(&gate, &theirs.token("k", &unknown)), Err(Reason::InvalidToken));
    let nearly = with(json!({"iss": format!("{ISSUER}/")}));
    assert_eq!(shown(&gate, &ours.token("k", &nearly)), Err(Reason::InvalidToken));
}

/// A bearer token is good for whoever has it, until it expires: replay is not prevented, and cannot be
/// without proof of possession (RFC 9449). What is prevented is that it outlives its end, its issuer's key,
/// or its issuer's place in the manifest.
#[test]
fn a_replayed_token_is_good_until_it_ends_and_no_longer_than_its_issuers_key() {
    let signer = Signer::p256();
    let gate = believing(|_| {}, &[signer.jwk("k1")]);
    let token = signer.token("k1", &claims());
    assert!(shown(&gate, &token).is_ok() && shown(&gate, &token).is_ok(), "by anyone who has it");
    has_keys(&gate, &[Signer::p256().jwk("k2")]);
    assert_eq!(shown(&gate, &token), Err(Reason::InvalidToken), "its key was withdrawn");
}

#[test]
fn a_key_nobody_has_seen_and_an_issuer_without_keys_ask_for_them() {
    let signer = Signer::p256();
    let gate = believing(|_| {}, &[signer.jwk("k1")]);
    let wants = |gate: &Arc<Gate>, token: &str| {
        let (exchange, refused) = Caller::chat().with_key(token).identify(gate);
        (exchange.wants_keys_of(), refused.err().map(|refusal| refusal.reason))
    };
    assert_eq!(wants(&gate, &signer.token("k2", &claims())), (Some(0), Some(Reason::InvalidToken)));
    assert_eq!(wants(&gate, &signer.token("k1", &with(json!({"exp": 1})))).0, None, "nothing to gain");
    let fresh =
        Draft::chat(&["east/gpt-4o"]).with_policy(|policy| policy.issuers.push(issuer("corp", ISSUER)));
    let token = signer.token("k1", &claims());
    let gate = fresh.gate();
    assert_eq!(wants(&gate, &token), (Some(0), Some(Reason::IssuerUnavailable)));
    has_keys(&gate, &[signer.jwk("k1")]);
    assert_eq!(wants(&gate, &token), (None, None));
    let next = fresh.replacing(&gate, NOW);
    assert_eq!(wants(&next, &token), (None, None), "a reload keeps an issuer's keys");
}

#[test]
fn groups_become_teams_and_too_many_of_them_are_said_to_be_too_many() {
    let signer = Signer::p256();
    let team = |name: &str| rule_table::Team {
        name: name.to_owned(),
        limits: Vec::new(),
        each: Vec::new(),
        residency: None,
        data_class: None,
        priority: None,
    };
    let gate = believing(
        |policy| {
            policy.teams = vec![team("claims"), team("legal")];
            policy.issuers[0].team_claim = Some("groups".to_owned());
            policy.issuers[0].teams = vec![("g-1".to_owned(), 1), ("g-2".to_owned(), 0)];
        },
        &[signer.jwk("k1")],
    );
    let passed =
        |changes: Value| Caller::chat().with_key(&signer.token("k1", &with(changes))).stages(&gate, NOW);
    let team = |changes: Value| passed(changes).0.team;
    assert_eq!(team(json!({"groups": ["g-2"]})), Some(0));
    assert_eq!(team(json!({"groups": ["g-0", "g-2", "g-1"]})), Some(1), "the first in the manifest's order");
    let refused = |changes: Value| passed(changes).1.unwrap_err();
    let nobody = refused(json!({"groups": ["g-9"]}));
    assert_eq!(nobody.reason, Reason::InsufficientScope);
    for overage in [
        json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x"}}}),
        json!({"hasgroups": true}),
    ] {
        let many = refused(overage);
        assert_eq!(many.reason, Reason::InsufficientScope);
        assert!(many.message.contains("too many groups"), "{many}");
    }
}

/// A listener may take some ways in only; what it does not take is no better than unknown there.
#[test]
fn a_listener_takes_the_ways_in_it_names_and_no_others() {
    let signer = Signer::p256();
    let taking = |authn: Option<(bool, bool, Vec<u32>)>| {
        let authn = authn.map(|(keys, certificates, issuers)| Authn { keys, certificates, issuers });
        believing(
            |policy| {
                policy.listeners = vec![listener(authn)];
                policy.consumers[0].credentials.push(Credentials::Certificate("agent.example".to_owned()));
            },
            &[signer.jwk("k1")],
        )
    };
    let token = signer.token("k1", &claims());
    let certificate = |gate: &Arc<Gate>| {
        let caller = Caller::chat();
        let mut exchange = caller.arrives(gate, NOW);
        let names = vec!["agent.example".to_owned()];
        exchange.peer.certificate = Some(Arc::new(decision::ClientCertificate { names, sha256: [0; 32] }));
        exchange.identify(&caller.head()).err().map(|refusal| refusal.reason)
    };
    let ways = |gate: &Arc<Gate>| {
        let reason = |caller: Caller| caller.stages(gate, NOW).1.err().map(|refusal| refusal.reason);
        [
            reason(Caller::chat().with_key("sk-robots")),
            reason(Caller::chat().with_key(&token)),
            // Again, now that it is remembered.
            reason(Caller::chat().with_key(&token)),
            certificate(gate),
        ]
    };
    let (key, bad) = (Some(Reason::InvalidKey), Some(Reason::InvalidToken));
    let none = Some(Reason::MissingKey);
    for (authn, expected) in [
        (None, [None, None, None, None]),
        (Some((true, true, vec![0])), [None, None, None, None]),
        (Some((true, false, vec![])), [None, bad, bad, none]),
        (Some((false, false, vec![0])), [key, None, None, none]),
        (Some((false, true, vec![])), [key, bad, bad, None]),
    ] {
        assert_eq!(ways(&taking(authn.clone())), expected, "{authn:?}");
    }
}

fn listener(authn: Option<Authn>) -> rule_table::Listener {
    rule_table::Listener {
        name: "main".to_owned(),
        address: "127.0.0.1:0".to_owned(),
        tls: None,
        http2: true,
        max_body: 1 << 20,
        head_timeout: std::time::Duration::from_secs(1),
        body_timeout: std::time::Duration::from_secs(1),
        private: false,
        proxy_protocol: Vec::new(),
        forwarded: None,
        max_connections: None,
        access: Vec::new(),
        authn,
        waf: None,
    }
}

#[test]
fn a_key_that_looks_like_a_token_is_a_key_and_other_text_is_no_token() {
    let signer = Signer::p256();
    let key = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.x";
    let draft = Draft::chat(&["east/gpt-4o"])
        .consumer("odd", key)
        .with_policy(|policy| policy.issuers.push(issuer("corp", ISSUER)));
    let gate = draft.gate();
    has_keys(&gate, &[signer.jwk("k1")]);
    assert_eq!(Caller::chat().with_key(key).admitted(&gate, NOW).consumer, Some(0));
    for text in ["sk-whatever", "eyJ", "eyJ.a", "a.b.c", "eyJ.a.b.c"] {
        assert_eq!(shown(&gate, text), Err(Reason::InvalidKey), "{text}");
    }
    for text in ["eyJ.a.b", "eyJ..", "eyJh.eyJh.eyJh", "eyJ!.a.b"] {
        assert_eq!(shown(&gate, text), Err(Reason::InvalidToken), "{text}");
    }
    assert_eq!(shown(&gate, &format!("eyJ.{}.x", "a".repeat(20_000))), Err(Reason::InvalidToken));
}

#[test]
fn the_counter_of_a_token_caller_is_shown_under_its_team_and_without_its_subject() {
    let signer = Signer::p256();
    let draft = Draft::chat(&["east/gpt-4o"])
        .consumer("robots", "sk-robots")
        .in_team("robots", "claims")
        .limit("few", Mode::Enforce, &["10 requests/day"])
        .with_team("claims", |team| team.each = vec![0])
        .with_policy(|policy| {
            policy.issuers.push(issuer("corp", ISSUER));
            policy.issuers[0].team_claim = Some("groups".to_owned());
            policy.issuers[0].teams = vec![("g-1".to_owned(), 0)];
        });
    let gate = draft.gate();
    has_keys(&gate, &[signer.jwk("k1")]);
    let token = signer.token("k1", &with(json!({"groups": ["g-1"], "sub": "ada"})));
    let held = Caller::chat().with_key(&token).admitted(&gate, NOW);
    let standings = gate.limit_standings(NOW, 10);
    let [ada, robots] = standings.counters.as_slice() else { panic!("{standings:?}") };
    assert_eq!(
        (ada.limit.as_str(), ada.scope.as_str(), ada.team.as_deref()),
        ("few", "each", Some("claims"))
    );
    assert_eq!((ada.used, ada.reserved, ada.remaining), (0, 1, 9));
    assert!(ada.subject.len() == 8 && ada.subject.chars().all(|c| c.is_ascii_hexdigit()), "{}", ada.subject);
    assert_eq!((robots.subject.as_str(), robots.reserved), ("robots", 0));
    assert_eq!(standings.unknown, 0);
    drop(held);
    assert_eq!(gate.limit_standings(NOW, 10).held, 0);
}
