//! Policies as values, small enough to read in a test. Names become ids in the order they are added.

use std::sync::Arc;
use std::time::Duration;

use decision::Gate;
use rule_table::{
    AccessLogTarget, Backend, BackendKind, Bundle, Consumer, Deployment, Ejection, HostMatch, Limit, Member,
    Mode, Objective, OnFailure, PathMatch, Policy, Pool, Retry, Rewrite, Route, RouteMatch, Strategy, Team,
    Telemetry, Timeouts, TlsOptions,
};
use sha2::{Digest, Sha256};
use vocabulary::{Moment, Prices, Share};

/// The model of every deployment that does not say otherwise.
pub(crate) const MODEL: &str = "gpt-4o";
pub(crate) const CHAT: &str = "/v1/chat/completions";

const SECOND: Duration = Duration::from_secs(1);

/// A policy being written.
#[derive(Clone, Debug)]
pub(crate) struct Draft(Policy);

/// The place of a name in a list, which is its id.
fn id(names: impl IntoIterator<Item = impl AsRef<str>>, wanted: &str) -> Option<u32> {
    (0..).zip(names).find(|(_, name)| name.as_ref() == wanted).map(|(id, _)| id)
}

impl Draft {
    /// A policy of nothing.
    pub(crate) fn new() -> Self {
        Self(Policy {
            listeners: Vec::new(),
            admin: None,
            backends: Vec::new(),
            deployments: Vec::new(),
            pools: Vec::new(),
            routes: Vec::new(),
            consumers: Vec::new(),
            teams: Vec::new(),
            models: Vec::new(),
            issuers: Vec::new(),
            limits: Vec::new(),
            acl: Vec::new(),
            access: Vec::new(),
            countries: None,
            hooks: Vec::new(),
            waf: Vec::new(),
            store: rule_table::Store::default(),
            overload: rule_table::Overload::default(),
            telemetry: Telemetry {
                otlp: None,
                service_name: "sluicegate".to_owned(),
                trace_sampling: Share { ppm: 0 },
                trust_trace_context: false,
                access_log: AccessLogTarget::Off,
            },
        })
    }

    /// A pool `chat` of these deployments, in turn, and a route `chat` to it that is open to all.
    pub(crate) fn chat(members: &[&str]) -> Self {
        Self::new().pool("chat", members).route("chat", CHAT, "chat")
    }

    /// Adds what is missing of these deployments and a pool of them.
    pub(crate) fn pool(mut self, name: &str, members: &[&str]) -> Self {
        let members =
            members.iter().map(|member| Member { deployment: self.deployment_id(member), weight: 1 });
        let members = members.collect();
        self.0.pools.push(Pool {
            name: name.to_owned(),
            members,
            strategy: Strategy::RoundRobin,
            objective: Objective {
                ttft: 2 * SECOND,
                attainment: Share { ppm: 950_000 },
                max_cost_per_miss: "0.02 USD".parse().unwrap(),
            },
            ejection: Ejection {
                consecutive_failures: 5,
                base: 30 * SECOND,
                max_share: Share { ppm: 500_000 },
                breaker: None,
                ramp: 8 * SECOND,
            },
            retry: Retry {
                max_attempts: 3,
                ambiguous: false,
                budget: Share { ppm: 200_000 },
                budget_floor: 10,
            },
            fallback: Vec::new(),
            piped: false,
        });
        self
    }

    /// A route to `pool` for any method but with the path as given; `/*` at its end takes all below.
    pub(crate) fn route(mut self, name: &str, path: &str, pool: &str) -> Self {
        let matched = match path.strip_suffix("/*") {
            Some(prefix) => PathMatch::Prefix(prefix.to_owned()),
            None => PathMatch::Exact(path.to_owned()),
        };
        self.0.routes.push(Route {
            name: name.to_owned(),
            matching: RouteMatch {
                host: HostMatch::Any,
                path: matched,
                methods: Vec::new(),
                headers: Vec::new(),
                query: Vec::new(),
                consumers: Vec::new(),
                time: None,
                model: None,
            },
            pool: id(self.0.pools.iter().map(|pool| &pool.name), pool).unwrap(),
            consumers: Vec::new(),
            public: false,
            limits: Vec::new(),
            access: Vec::new(),
            hook: None,
            waf: None,
            priority: None,
            deadline: 120 * SECOND,
            heartbeat: None,
            pass_through: false,
            rewrite: Rewrite::default().into(),
            path_template: path.to_owned(),
        });
        self
    }

    pub(crate) fn consumer(mut self, name: &str, key: &str) -> Self {
        let hash = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        let key = rule_table::Key { name: "one".to_owned(), sha256: hash, prefix: None, expires: None };
        self.0.consumers.push(Consumer {
            name: name.to_owned(),
            keys: vec![key],
            credentials: Vec::new(),
            team: None,
            limits: Vec::new(),
            priority: None,
        });
        self
    }

    /// Makes a consumer one of a team, which is added where it is missing.
    pub(crate) fn in_team(mut self, consumer: &str, team: &str) -> Self {
        if id(self.0.teams.iter().map(|known| &known.name), team).is_none() {
            self.0.teams.push(Team {
                name: team.to_owned(),
                limits: Vec::new(),
                each: Vec::new(),
                residency: None,
                data_class: None,
                priority: None,
            });
        }
        let team = id(self.0.teams.iter().map(|known| &known.name), team);
        self.0.consumers.iter_mut().find(|known| known.name == consumer).unwrap().team = team;
        self
    }

    pub(crate) fn with_consumer(mut self, name: &str, change: impl FnOnce(&mut Consumer)) -> Self {
        change(self.0.consumers.iter_mut().find(|consumer| consumer.name == name).unwrap());
        self
    }

    /// Sets when requests are shed.
    pub(crate) fn overload(mut self, change: impl FnOnce(&mut rule_table::Overload)) -> Self {
        change(&mut self.0.overload);
        self
    }

    pub(crate) fn with_team(mut self, name: &str, change: impl FnOnce(&mut Team)) -> Self {
        change(self.0.teams.iter_mut().find(|team| team.name == name).unwrap());
        self
    }

    /// A limit with at least one rate, such as `10 requests/day` or `1k tokens/day`.
    pub(crate) fn limit(mut self, name: &str, mode: Mode, rates: &[&str]) -> Self {
        let rate =
            |unit: &str| rates.iter().find(|rate| rate.contains(unit)).map(|rate| rate.parse().unwrap());
        self.0.limits.push(Limit {
            name: name.to_owned(),
            requests: rate("request"),
            tokens: rate("token"),
            streams: None,
            budget: None,
            costs: rule_table::Costs::Marginal,
            hard: false,
            shared: false,
            mode,
            on_failure: OnFailure::Closed,
        });
        self
    }

    pub(crate) fn limit_consumer(mut self, consumer: &str, limit: &str) -> Self {
        let limit = id(self.0.limits.iter().map(|limit| &limit.name), limit);
        self.0.consumers.iter_mut().find(|known| known.name == consumer).unwrap().limits =
            limit.into_iter().collect();
        self
    }

    pub(crate) fn limit_route(self, route: &str, limit: &str) -> Self {
        let limit = id(self.0.limits.iter().map(|limit| &limit.name), limit);
        self.with_route(route, |route| route.limits = limit.into_iter().collect())
    }

    /// Reserves `route` for these consumers.
    pub(crate) fn only_for(self, route: &str, consumers: &[&str]) -> Self {
        let known: Vec<String> = self.0.consumers.iter().map(|consumer| consumer.name.clone()).collect();
        let allowed = consumers.iter().map(|name| id(&known, name).unwrap()).collect();
        self.with_route(route, |route| route.consumers = allowed)
    }

    pub(crate) fn with_route(mut self, name: &str, change: impl FnOnce(&mut Route)) -> Self {
        change(self.0.routes.iter_mut().find(|route| route.name == name).unwrap());
        self
    }

    pub(crate) fn with_policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.0);
        self
    }

    pub(crate) fn with_pool(mut self, name: &str, change: impl FnOnce(&mut Pool)) -> Self {
        change(self.0.pools.iter_mut().find(|pool| pool.name == name).unwrap());
        self
    }

    pub(crate) fn with_backend(mut self, name: &str, change: impl FnOnce(&mut Backend)) -> Self {
        change(self.0.backends.iter_mut().find(|backend| backend.name == name).unwrap());
        self
    }

    /// The kind of a backend.
    pub(crate) fn kind_of(&self, backend: &str) -> BackendKind {
        self.0.backends.iter().find(|known| known.name == backend).unwrap().kind
    }

    pub(crate) fn with_deployment(mut self, name: &str, change: impl FnOnce(&mut Deployment)) -> Self {
        change(self.0.deployments.iter_mut().find(|deployment| deployment.name == name).unwrap());
        self
    }

    /// Prices of a deployment in USD per million tokens: input, cached input, output.
    pub(crate) fn priced(self, name: &str, [input, cached, output]: [&str; 3]) -> Self {
        let price = |amount: &str| format!("{amount} USD/1M").parse().unwrap();
        let prices = Prices {
            input: price(input),
            cached_input: price(cached),
            cache_write: price(input),
            cache_write_1h: price(input),
            output: price(output),
        };
        self.with_deployment(name, |deployment| deployment.prices = Some(prices))
    }

    /// The policy in force from the start.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        self.0.check_references().unwrap();
        Arc::new(Gate::new(Bundle::new(self.0.clone()), 1, None, 0, Moment::ZERO))
    }

    /// The policy in force after another one.
    pub(crate) fn replacing(&self, before: &Gate, now: Moment) -> Arc<Gate> {
        self.0.check_references().unwrap();
        let generation = before.generation() + 1;
        Arc::new(Gate::new(Bundle::new(self.0.clone()), generation, Some(before), 0, now))
    }

    fn deployment_id(&mut self, name: &str) -> u32 {
        if let Some(known) = id(self.0.deployments.iter().map(|deployment| &deployment.name), name) {
            return known;
        }
        let backend = self.backend_id(name.split('/').next().unwrap());
        self.0.deployments.push(Deployment {
            name: name.to_owned(),
            backend,
            model: Some(MODEL.to_owned()),
            upstream_name: MODEL.to_owned(),
            context_window: None,
            max_output: None,
            prices: None,
            price_changes: Vec::new(),
            prices_until: None,
            hourly: None,
            quota: None,
            concurrency: None,
            expected_ttft: SECOND / 2,
            processing: None,
        });
        u32::try_from(self.0.deployments.len() - 1).unwrap()
    }

    fn backend_id(&mut self, name: &str) -> u32 {
        if let Some(known) = id(self.0.backends.iter().map(|backend| &backend.name), name) {
            return known;
        }
        self.0.backends.push(Backend {
            name: name.to_owned(),
            kind: BackendKind::Openai,
            tls: true,
            host: format!("{name}.example"),
            port: 443,
            base_path: String::new(),
            api_version: None,
            tls_options: TlsOptions::default(),
            egress: None,
            auth: None,
            forward_trace_context: false,
            http2: false,
            health: None,
            timeouts: Timeouts {
                connect: SECOND,
                first_byte: 30 * SECOND,
                first_token: 30 * SECOND,
                idle: 30 * SECOND,
            },
            idempotency_header: None,
            rewrite: Rewrite::default(),
        });
        u32::try_from(self.0.backends.len() - 1).unwrap()
    }
}
