//! Ten thousand random doors, every answer compared with trying all requests that they tell apart.

use std::net::IpAddr;

use super::*;
use crate::manifest::{CountryCode, CountryRule, HeaderValues};

/// SplitMix64 (Steele, Lea and Flood 2014): the same doors on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn some(&mut self, of: &[&str], most: usize) -> Vec<String> {
        (0..self.below(most + 1)).map(|_| of[self.below(of.len())].to_owned()).collect()
    }
}

const NETWORKS: [&str; 8] = [
    "10.0.0.0/8",
    "10.0.0.0/9",
    "10.128.0.0/9",
    "192.168.0.0/16",
    "8.8.8.0/24",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/32",
];
const COUNTRIES: [&str; 3] = ["SE", "DE", "FR"];
const VALUES: [&str; 3] = ["a", "b", "c"];

fn rule(random: &mut Random) -> AccessRule {
    let codes = |texts: Vec<String>| texts.into_iter().map(CountryCode).collect();
    let countries = (random.below(3) == 0).then(|| CountryRule {
        allow: codes(random.some(&COUNTRIES, 2)),
        deny: codes(random.some(&COUNTRIES, 1)),
    });
    let mut headers = BTreeMap::new();
    if random.below(3) == 0 {
        let values = random.some(&VALUES, 2);
        let values =
            if values.is_empty() { HeaderValues::One("*".to_owned()) } else { HeaderValues::Several(values) };
        headers.insert(["x-site", "X-Site"][random.below(2)].to_owned(), values);
    }
    let addresses = random.below(2) == 0;
    AccessRule {
        allow: if addresses { random.some(&NETWORKS, 2) } else { Vec::new() },
        deny: if addresses { random.some(&NETWORKS, 2) } else { Vec::new() },
        countries,
        headers,
        mode: if random.below(8) == 0 { Mode::Shadow } else { Mode::Enforce },
        on_failure: [OnFailure::Open, OnFailure::Closed, OnFailure::Closed][random.below(3)],
    }
}

struct Comer {
    address: Option<IpAddr>,
    country: Option<&'static str>,
    header: Option<&'static str>,
}

fn comers() -> Vec<Comer> {
    let texts = [
        "10.1.1.1",
        "10.200.1.1",
        "192.168.1.1",
        "8.8.8.8",
        "9.9.9.9",
        "2001:db8::1",
        "2a00::1",
        "fd00::1",
        "172.16.0.1",
    ];
    let mut addresses: Vec<Option<IpAddr>> = texts.iter().map(|text| text.parse().ok()).collect();
    addresses.push(None);
    let mut all = Vec::new();
    for address in addresses {
        for country in [None, Some("SE"), Some("DE"), Some("FR"), Some("US")] {
            for header in [None, Some("a"), Some("b"), Some("c"), Some("d")] {
                all.push(Comer { address, country, header });
            }
        }
    }
    all
}

/// As `AccessRule` says of itself.
fn lets_in(rule: &AccessRule, comer: &Comer) -> bool {
    let within = |texts: &[String]| {
        texts.iter().any(|text| {
            let network: ipnet::IpNet = text.parse().expect("a network");
            comer.address.is_some_and(|address| network.contains(&address))
        })
    };
    let address = !within(&rule.deny) && (rule.allow.is_empty() || within(&rule.allow));
    let country = rule.countries.as_ref().is_none_or(|rule_of| {
        let has = |codes: &[CountryCode]| codes.iter().any(|code| Some(code.0.as_str()) == comer.country);
        match comer.country {
            _ if rule_of.allow.is_empty() && rule_of.deny.is_empty() => true,
            None => rule.on_failure == OnFailure::Open,
            Some(_) => !has(&rule_of.deny) && (rule_of.allow.is_empty() || has(&rule_of.allow)),
        }
    });
    let header = rule.headers.values().all(|values| {
        let wanted = values.wanted();
        comer.header.is_some_and(|value| wanted.is_empty() || wanted.iter().any(|one| one == value))
    });
    rule.mode == Mode::Shadow || (address && country && header)
}

#[test]
fn ten_thousand_doors_are_judged_as_by_trying_every_request() {
    let mut random = Random(11);
    let comers = comers();
    let (mut shut, mut opened) = (0, 0);
    for number in 0..10_000 {
        let rules: Vec<AccessRule> = (0..=random.below(4)).map(|_| rule(&mut random)).collect();
        let private = random.below(4) == 0;
        let mut admitted = Admitted::everybody();
        if private {
            admitted.addresses = Addresses::private();
        }
        let near = |comer: &&Comer| !private || comer.address.is_some_and(vocabulary::is_private);
        let passes = |comer: &Comer, rules: &[AccessRule]| rules.iter().all(|rule| lets_in(rule, comer));
        let anybody = comers.iter().filter(near).any(|comer| passes(comer, &rules));
        match admitted.by_all(rules.iter().enumerate()) {
            Ok(_) => {
                assert!(anybody, "{number}: {rules:?}");
                opened += 1;
            }
            Err(refused) => {
                assert!(!anybody, "{number}: {rules:?}");
                let before = &rules[..refused.index];
                let with = &rules[..=refused.index];
                assert!(comers.iter().filter(near).any(|comer| passes(comer, before)), "{number}: {rules:?}");
                assert!(!comers.iter().filter(near).any(|comer| passes(comer, with)), "{number}: {rules:?}");
                shut += 1;
            }
        }
    }
    assert!(shut > 1_000 && opened > 1_000, "{shut} {opened}");
}
