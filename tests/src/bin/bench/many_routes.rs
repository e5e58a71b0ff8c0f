//! What ten thousand routes cost a request that takes another one: the gateway beside nginx and Envoy, each beside
//! itself without them. It owns these routes; starting servers and measuring them is done as for any rung.

use serde_json::{Map, Value, json};

use crate::ladder::{Features, Kind, Rung};
use crate::peers::{Peer, Product};
use crate::report::Measured;
use crate::spread::Spread;
use crate::table::Table;

/// Routes; the gateway has as many access rules, too.
pub(crate) const MANY: u32 = 10_000;

/// Paths of tenants and their services, none of which is asked for.
pub(crate) fn paths(routes: u32) -> impl Iterator<Item = String> {
    (0..routes).map(|index| format!("/tenants/t{}/s{}", index / 20, index % 20))
}

/// Adds routes and access rules to a manifest.
pub(crate) fn add(sections: &mut Map<String, Value>, routes: u32) {
    if routes == 0 {
        return;
    }
    let mut acl = Map::new();
    for index in 0..routes {
        // Networks of 11.0.0.0/8, where no caller of the bench is.
        let network = format!("11.{}.{}.0/24", index / 256, index % 256);
        let rule = json!({"priority": index + 1, "when": {"address": network}, "action": "block"});
        acl.insert(format!("a{index}"), rule);
    }
    sections.insert("acl".to_owned(), Value::Object(acl));
    if let Some(Value::Object(all)) = sections.get_mut("routes") {
        for (index, path) in paths(routes).enumerate() {
            let route = json!({"match": {"path": format!("{path}/*")}, "pool": "chat", "passThrough": true});
            all.insert(format!("r{index}"), route);
        }
    }
}

/// Each server without and with them.
pub(crate) fn rungs(peers: &[Peer]) -> Vec<Rung> {
    let gateway = |name, routes| {
        let features = Features { routes, ..Features::default() };
        let what = "the gateway, with as many access rules".to_owned();
        Rung { name, what, server: Kind::Gateway(features), streams: false, one_in: 1 }
    };
    let mut rungs = vec![gateway("gateway", 0), gateway("gateway-many", MANY)];
    for peer in peers {
        let names = match peer.product {
            Product::Nginx => ("nginx", "nginx-many"),
            Product::Envoy => ("envoy", "envoy-many"),
            Product::Litellm => continue,
        };
        for (name, routes) in [(names.0, 0), (names.1, MANY)] {
            let server = Kind::Peer(peer.with_routes(routes));
            let what = peer.product.what().to_owned();
            rungs.push(Rung { name, what, server, streams: false, one_in: 1 });
        }
    }
    rungs
}

/// A line for each server.
pub(crate) fn table(measured: &[Measured]) -> Table {
    let mut table = Table::new(&["server", "µs without", "µs with", "adds µs", "min … max"]);
    for pair in measured.chunks(2) {
        let [without, with] = pair else { continue };
        let added = Spread::of_pairs(&with.us, &without.us, |with, without| with - without);
        let (Some(before), Some(after), Some(added)) = (without.median(), with.median(), added) else {
            continue;
        };
        let Spread { median, min, max } = added;
        table.push(vec![
            without.what.clone(),
            format!("{before:.1}"),
            format!("{after:.1}"),
            format!("{median:+.1}"),
            format!("{min:+.1} … {max:+.1}"),
        ]);
    }
    table
}
