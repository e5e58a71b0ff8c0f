//! A compiled policy made ready to decide: matcher, callers, pools' state and ledger behind one value
//! that is swapped whole. It owns what survives a reload (what pools learned, what limits counted); it
//! refuses to load or verify policy.

use std::collections::HashMap;
use std::sync::Arc;

use feedback_loop::{Failure, HoldSpec, Ticket};
use ledger::Ledger;
use rule_table::{AclTable, Bundle, Deployment, IssuerId, Policy, Pool as PoolSection, PoolId, RouteTable};
use vocabulary::admin::{DecisionRecord, PoolStatus, ShareChange};
use vocabulary::{Moment, Usage};

use crate::access::AccessRules;
use crate::callers::Callers;
use crate::choose::{PoolView, SharedPool};
use crate::counters::Counters;
use crate::homes::ResponseHomes;
use crate::keys::IssuedKeys;
use crate::tokens::{IssuerKeys, TokenFault, Verified};
use crate::waf::Firewalls;

/// Counts accepted policies since the state directory was first used.
pub type Generation = u64;

/// A policy that decides.
#[derive(Debug)]
pub struct Gate {
    policy: Policy,
    digest: String,
    generation: Generation,
    table: RouteTable,
    acl: AclTable,
    acl_by_country: bool,
    callers: Callers,
    access: AccessRules,
    pools: Vec<PoolView>,
    ledger: Arc<Ledger>,
    counters: Counters,
    homes: Arc<ResponseHomes>,
    firewalls: Firewalls,
    public_route: bool,
    route_priority: bool,
    hard_limit: bool,
}

impl Gate {
    /// Builds the engines of `bundle`. Pools of the same name keep what they learned under `previous`,
    /// and limits keep what they counted; prices, quotas and members change at once.
    #[must_use]
    pub fn new(
        bundle: Bundle,
        generation: Generation,
        previous: Option<&Self>,
        seed: u64,
        now: Moment,
    ) -> Self {
        let digest = bundle.digest().to_string();
        let policy = bundle.into_policy();
        let known: HashMap<&str, &PoolView> = previous
            .map(|gate| gate.pools.iter().map(|view| (view.name(), view)).collect())
            .unwrap_or_default();
        let pools = (0_u64..)
            .zip(&policy.pools)
            .map(|(index, pool)| match known.get(pool.name.as_str()) {
                Some(view) => view.reconfigured(&policy, pool, now),
                None => PoolView::new(&policy, pool, seed ^ index, now),
            })
            .collect();
        Self {
            table: RouteTable::build(&policy),
            acl: AclTable::build(&policy),
            acl_by_country: policy
                .acl
                .iter()
                .any(|rule| !rule.when.countries.is_empty() || !rule.unless.countries.is_empty()),
            ledger: previous.map_or_else(Arc::default, |gate| Arc::clone(&gate.ledger)),
            counters: Counters::build(&policy),
            callers: Callers::build(&policy, previous.map(|gate| &gate.callers)),
            access: AccessRules::build(&policy),
            homes: previous.map_or_else(Arc::default, |gate| Arc::clone(&gate.homes)),
            firewalls: Firewalls::build(&policy, previous.map(|gate| &gate.firewalls)),
            public_route: policy.routes.iter().any(|route| route.public),
            route_priority: policy.routes.iter().any(|route| route.priority.is_some()),
            hard_limit: policy.limits.iter().any(|limit| limit.hard),
            pools,
            policy,
            digest,
            generation,
        }
    }

    /// A gate that stands beside another one and shares nothing with it that either could change: pools that
    /// have learned nothing, a ledger from zero. Only issued keys are the same.
    #[must_use]
    pub fn beside(&self, bundle: Bundle, seed: u64, now: Moment) -> Self {
        let callers = bundle.policy();
        let callers = Callers::build(callers, Some(&self.callers));
        Self { callers, ..Self::new(bundle, self.generation, None, seed, now) }
    }

    /// The same, counting in `ledger`: for the first gate, whose ledger may have been put back from disk.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Arc<Ledger>) -> Self {
        self.ledger = ledger;
        self
    }

    /// The policy's sections.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Digest of the bundle, `blake3:…`.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Which accepted policy this is.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// A deployment by its id in this policy.
    #[must_use]
    pub fn deployment(&self, id: rule_table::DeploymentId) -> Option<&Deployment> {
        self.policy.deployments.get(id as usize)
    }

    /// The state of a pool, shared by every gate that has a pool of that name.
    #[must_use]
    pub fn pool(&self, id: PoolId) -> Option<&PoolView> {
        self.pools.get(id as usize)
    }

    /// All pools.
    #[must_use]
    pub fn pools(&self) -> &[PoolView] {
        &self.pools
    }

    pub(crate) fn table(&self) -> &RouteTable {
        &self.table
    }

    pub(crate) fn acl(&self) -> &AclTable {
        &self.acl
    }

    /// Whether any rule of the access control list looks at countries.
    pub(crate) fn acl_by_country(&self) -> bool {
        self.acl_by_country
    }

    pub(crate) fn callers(&self) -> &Callers {
        &self.callers
    }

    /// Keys issued while the gateway runs, the same for every policy.
    #[must_use]
    pub fn issued_keys(&self) -> &Arc<IssuedKeys> {
        self.callers.issued()
    }

    /// The keys of an issuer, which whoever fetches them replaces.
    #[must_use]
    pub fn issuer_keys(&self, id: IssuerId) -> Option<&Arc<IssuerKeys>> {
        self.callers.issuers().keys(id)
    }

    /// Verifies a token of any issuer of this policy, for what is no request; `now` is in Unix seconds.
    ///
    /// # Errors
    /// See [`TokenFault`].
    pub fn verify_token(&self, token: &[u8], now: u64) -> Result<Verified, TokenFault> {
        self.callers.issuers().verify(token, now)
    }

    /// Whether callers have to show who they are: not where the manifest knows nobody.
    #[must_use]
    pub fn knows_callers(&self) -> bool {
        !self.policy.consumers.is_empty() || !self.policy.issuers.is_empty()
    }

    pub(crate) fn access(&self) -> &AccessRules {
        &self.access
    }

    pub(crate) fn homes(&self) -> &ResponseHomes {
        &self.homes
    }

    pub(crate) fn firewalls(&self) -> &Firewalls {
        &self.firewalls
    }

    pub(crate) fn has_public_route(&self) -> bool {
        self.public_route
    }

    pub(crate) fn has_route_priority(&self) -> bool {
        self.route_priority
    }

    /// What limits have counted, kept by every gate after this one.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The counters of all whom this policy names.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn has_hard_limit(&self) -> bool {
        self.hard_limit
    }

    pub(crate) fn pool_first_token(&self, id: PoolId, now: Moment, ticket: &Ticket) {
        if let Some(view) = self.pool(id) {
            view.shared().with(|pool| pool.first_token(now, ticket));
        }
    }

    pub(crate) fn pool_finished(&self, id: PoolId, now: Moment, ticket: Ticket, usage: Option<Usage>) {
        if let Some(view) = self.pool(id) {
            view.shared().with(|pool| pool.finished(now, ticket, usage));
        }
    }

    pub(crate) fn pool_failed(&self, id: PoolId, now: Moment, ticket: Ticket, failure: Failure) {
        if let Some(view) = self.pool(id) {
            view.shared().with(|pool| pool.failed(now, ticket, failure));
        }
    }

    pub(crate) fn pool_unanswered(&self, id: PoolId, now: Moment) {
        if let Some(view) = self.pool(id) {
            view.shared().with(|pool| pool.unanswered(now));
        }
    }

    pub(crate) fn pool_observed(
        &self,
        id: PoolId,
        now: Moment,
        ticket: &Ticket,
        tokens: Option<u64>,
        requests: Option<u64>,
    ) {
        if let Some(view) = self.pool(id) {
            view.shared().with(|pool| pool.observe_remaining(now, ticket, tokens, requests));
        }
    }

    /// Decisions made so far by all pools, kept or not.
    #[must_use]
    pub fn decisions_made(&self) -> u64 {
        self.adaptive().map(|shared| shared.with(|pool| pool.decisions_total())).sum()
    }

    /// The one-second loop: pools learn, counters whose windows have turned are forgotten. Returns how
    /// realised shares moved.
    pub fn tick(&self, now: Moment) -> Vec<ShareChange> {
        self.ledger.sweep(self.ledger.time().at(now));
        self.adaptive().flat_map(|shared| shared.with(|pool| pool.tick(now))).collect()
    }

    /// Every pool as it is now.
    #[must_use]
    pub fn pool_status(&self, now: Moment) -> Vec<PoolStatus> {
        self.adaptive().map(|shared| shared.with(|pool| pool.status(now))).collect()
    }

    /// Puts what operators hold into every pool, in place of what was held before.
    pub fn hold(&self, held: &dyn Fn(&PoolSection) -> HoldSpec) {
        for (section, view) in self.policy.pools.iter().zip(&self.pools) {
            view.shared().with(|pool| pool.hold(&held(section)));
        }
    }

    /// The kept decisions about one request, oldest first.
    #[must_use]
    pub fn decisions_of(&self, request_id: &str) -> Vec<DecisionRecord> {
        let mut all: Vec<DecisionRecord> =
            self.adaptive().flat_map(|shared| shared.with(|pool| pool.decisions_of(request_id))).collect();
        all.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        all
    }

    /// The latest decisions of all pools, newest first, at most `limit`.
    #[must_use]
    pub fn decisions(&self, limit: usize) -> Vec<DecisionRecord> {
        let mut all: Vec<DecisionRecord> =
            self.adaptive().flat_map(|shared| shared.with(|pool| pool.decisions(limit))).collect();
        all.sort_by(|a, b| b.at_s.total_cmp(&a.at_s));
        all.truncate(limit);
        all
    }

    /// The verdict of an active probe on every deployment of `backend`.
    pub fn probed(&self, backend: u32, healthy: bool, now: Moment) {
        for (section, view) in self.policy.pools.iter().zip(&self.pools).filter(|(section, _)| !section.piped)
        {
            for name in self.members_on(section, backend) {
                view.shared().probed(name, healthy, now);
            }
        }
    }

    fn members_on<'a>(&'a self, pool: &'a PoolSection, backend: u32) -> impl Iterator<Item = &'a str> {
        pool.members
            .iter()
            .filter_map(|member| self.deployment(member.deployment))
            .filter(move |deployment| deployment.backend == backend)
            .map(|deployment| deployment.name.as_str())
    }

    fn adaptive(&self) -> impl Iterator<Item = &SharedPool> {
        self.policy
            .pools
            .iter()
            .zip(&self.pools)
            .filter(|(section, _)| !section.piped)
            .map(|(_, view)| view.shared())
    }
}
