//! What compiling made of a policy: what its engines share and leave out, and what the bundle's sections take. It
//! owns how that is told; the engines count.

use std::fmt;

use rule_table::{AclStats, AclTable, Bundle, RouteStats, RouteTable, SectionSize};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct Stats {
    /// The file form, unsigned.
    bundle_bytes: usize,
    sections: Vec<SectionSize>,
    routes: RouteStats,
    acl: AclStats,
}

impl Stats {
    pub(super) fn of(bundle: &Bundle) -> Self {
        Self {
            bundle_bytes: bundle.to_bytes().len(),
            sections: bundle.section_sizes(),
            routes: RouteTable::build(bundle.policy()).stats(),
            acl: AclTable::build(bundle.policy()).stats(),
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<12}{:>12}", "section", "bytes")?;
        for SectionSize { section, bytes } in &self.sections {
            writeln!(f, "{section:<12}{bytes:>12}")?;
        }
        writeln!(f, "{:<12}{:>12}", "whole", self.bundle_bytes)?;
        let RouteStats { routes, paths, hosts, method_lists, index_bytes } = self.routes;
        writeln!(
            f,
            "\n{routes} routes: {paths} paths, {hosts} hosts and {method_lists} lists of methods differ"
        )?;
        writeln!(f, "  index of {index_bytes} bytes")?;
        let acl = self.acl;
        writeln!(f, "{} access rules: {} dropped, since they can change nothing", acl.rules, acl.dropped)?;
        let (written, kept) = (acl.predicates_written, acl.predicates_kept);
        writeln!(f, "  {written} conditions written, {kept} kept; the others are shared")?;
        writeln!(f, "  {} rules asked by every request; index of {} bytes", acl.asked_always, acl.index_bytes)
    }
}

#[cfg(test)]
mod tests {
    use policy_compiler::{Source, compile};

    use super::*;

    #[test]
    fn stats_tell_what_was_shared_and_dropped() {
        let manifest = "\
apiVersion: sluicegate/v1
listeners: {gateway: {address: 127.0.0.1:8080}}
backends: {local: {kind: vllm, url: \"http://127.0.0.1:8000\", models: {m: {}}}}
pools: {p: {members: [local]}}
routes:
  chat: {match: {host: a.example, path: /v1/*}, pool: p, public: true}
  more: {match: {host: b.example, path: /v1/*}, pool: p, public: true}
acl:
  one: {priority: 1, when: {path: /x/*, method: POST}, action: block}
  two: {priority: 2, when: {path: /x/*, method: GET}, action: block}
";
        let bundle = compile(&Source::new("gateway.yaml", manifest)).bundle.unwrap();
        let stats = Stats::of(&bundle);
        assert_eq!((stats.routes.routes, stats.routes.paths, stats.routes.hosts), (2, 1, 2));
        assert_eq!((stats.acl.rules, stats.acl.predicates_written, stats.acl.predicates_kept), (2, 4, 3));
        let sections: usize = stats.sections.iter().map(|section| section.bytes).sum();
        assert!(sections < stats.bundle_bytes && stats.bundle_bytes == bundle.to_bytes().len());
        let text = stats.to_string();
        assert!(text.contains("2 routes: 1 paths, 2 hosts and 1 lists of methods differ"), "{text}");
        assert!(text.contains("4 conditions written, 3 kept"), "{text}");
    }
}
