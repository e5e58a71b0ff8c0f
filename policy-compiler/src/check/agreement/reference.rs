//! What is true of a policy, found by trying: every caller, situation, size, day and way through the pools.

use std::collections::{BTreeMap, BTreeSet};

use rule_table::BackendKind;
use vocabulary::Operation;

use super::{Edits, Fallback, Limit, Policy, Pool, Served, Verdict, WHEN};

pub(super) fn verdicts(policy: &Policy) -> BTreeSet<Verdict> {
    let mut all = BTreeSet::new();
    for (at, pool) in policy.pools.iter().enumerate() {
        let name = format!("p{at}");
        if policy.out_of_reach(pool) {
            all.insert(("SG0421", vec![name.clone()]));
        }
        if policy.attempts_end_first(at) {
            all.insert(("SG0905", vec![name.clone()]));
        }
        if policy.is_oversubscribed(at) {
            all.insert(("SG1604", vec![name.clone()]));
        }
        for (index, fallback) in pool.fallbacks.iter().enumerate() {
            let to = format!("p{}", fallback.to);
            let verdicts = [
                ("SG0902", policy.never_fires(at, index), [&name, &to]),
                ("SG0903", policy.holds_less(pool, fallback), [&to, &name]),
                ("SG0904", policy.cannot_serve(at, fallback.to), [&to, &name]),
                ("SG0908", policy.can_do_less(pool, fallback), [&name, &to]),
                ("SG1505", policy.is_kept_out(at, fallback.to), [&name, &to]),
            ];
            let true_ones = verdicts.into_iter().filter(|(_, is_true, _)| *is_true);
            all.extend(true_ones.map(|(code, _, names)| (code, names.map(Clone::clone).to_vec())));
        }
    }
    for (at, _) in policy.teams.iter().enumerate().filter(|(at, _)| policy.has_nowhere_to_go(*at)) {
        all.insert(("SG1504", vec![format!("t{at}")]));
    }
    for (at, _) in policy.routes.iter().enumerate().filter(|(at, _)| policy.anyone_spends(*at)) {
        all.insert(("SG1601", vec![format!("r{at}")]));
    }
    all.extend(policy.unlimited());
    all.extend((0..policy.limits.len()).flat_map(|limit| policy.beyond_quotas(limit)));
    all.extend(policy.undone());
    all.extend(policy.served.iter().flat_map(price_gaps));
    all
}

impl Policy {
    fn members(&self, pool: usize) -> impl Iterator<Item = &Served> {
        self.pools[pool].members.iter().map(|at| &self.served[*at])
    }

    /// Every pool on some way from one, the first included, by those fallbacks that are let.
    fn reached(&self, from: usize, may: &dyn Fn(&Fallback) -> bool) -> BTreeSet<usize> {
        let further = self.pools[from].fallbacks.iter().filter(|fallback| may(fallback));
        let further = further.flat_map(|fallback| self.reached(fallback.to, may));
        further.chain([from]).collect()
    }

    fn is_public(&self, route: usize) -> bool {
        let route = &self.routes[route];
        route.public.unwrap_or(self.consumers.is_empty() && route.consumers.is_empty())
    }

    fn is_piped(&self, pool: usize) -> bool {
        self.members(pool).all(|served| served.model.is_none())
    }

    fn never_fires(&self, pool: usize, index: usize) -> bool {
        let led_to = self.pools.iter().any(|other| other.fallbacks.iter().any(|f| f.to == pool));
        let once = self.pools[pool].attempts == Some(1) && !led_to;
        let list = &self.pools[pool].fallbacks;
        let anonymous = (0..self.routes.len()).any(|route| self.is_public(route));
        let bound = list.iter().any(|f| !f.unless.is_empty() || f.unless_class.is_some());
        let mut callers: Vec<Option<usize>> = (0..self.consumers.len()).map(Some).collect();
        callers.extend((anonymous || !bound).then_some(None));
        // Of each request: what the last of its attempts, if there was any, ended with; and whether it is
        // longer than any window here.
        let ends =
            [None, Some("rate-limited"), Some("error"), Some("timeout"), Some("refused"), Some("filtered")];
        for caller in callers {
            for end in ends {
                for long in [false, true] {
                    for early in [false, true] {
                        let when = match end {
                            Some(_) if once => continue,
                            Some("refused" | "filtered") if self.is_piped(pool) => continue,
                            _ if long && self.is_piped(pool) => continue,
                            Some("refused") => vec!["context-window"],
                            Some("filtered") => vec!["content-filter"],
                            None if long && early => vec!["context-window"],
                            end => {
                                let long = long.then_some("context-window");
                                ["exhausted"].into_iter().chain(end).chain(long).collect()
                            }
                        };
                        if list.iter().position(|f| self.takes(f, caller, &when)) == Some(index) {
                            return false;
                        }
                    }
                }
            }
        }
        true
    }

    fn takes(&self, fallback: &Fallback, caller: Option<usize>, when: &[&str]) -> bool {
        let team = caller.and_then(|caller| self.consumers[caller].team);
        let class = team.and_then(|team| self.teams[team].class);
        let kept = caller.is_some_and(|caller| fallback.unless.contains(&caller))
            || fallback.unless_class.is_some() && fallback.unless_class == class;
        !kept && fallback.when.iter().any(|one| when.contains(one))
    }

    fn window(&self, pool: &Pool) -> Option<u64> {
        let windows: Option<Vec<u64>> = pool.members.iter().map(|at| self.served[*at].window).collect();
        windows?.into_iter().max()
    }

    fn holds_less(&self, pool: &Pool, fallback: &Fallback) -> bool {
        let (Some(here), Some(there)) = (self.window(pool), self.window(&self.pools[fallback.to])) else {
            return false;
        };
        let mut sizes = [999, 1000, 1001, 1999, 2000, 2001, 2999, 3000, 3001].into_iter();
        if fallback.when.contains(&WHEN[4]) {
            !sizes.any(|size| size > here && size <= there)
        } else {
            sizes.any(|size| size <= here && size > there)
        }
    }

    fn serves(&self, pool: usize, operation: Operation) -> bool {
        let own = matches!(operation, Operation::ListModels | Operation::CountTokens);
        self.members(pool).any(|served| {
            let kind = match self.kinds[served.backend] {
                "vllm" => BackendKind::Vllm,
                "anthropic" => BackendKind::Anthropic,
                _ => return false,
            };
            own || kind.serves_as(operation).is_some()
        })
    }

    fn cannot_serve(&self, from: usize, to: usize) -> bool {
        let mut comes = false;
        for route in &self.routes {
            if !self.reached(route.pool, &|_| true).contains(&from) {
                continue;
            }
            if self.is_piped(route.pool) {
                comes = true;
                if self.is_piped(to) {
                    return false;
                }
                continue;
            }
            let prefix = route.path.trim_end_matches('*');
            for operation in Operation::ALL {
                let path = operation.path();
                if path == route.path || (route.path != prefix && path.starts_with(prefix)) {
                    comes = true;
                    if self.serves(to, operation) {
                        return false;
                    }
                }
            }
        }
        comes
    }

    /// The most members on a way from a pool to each other.
    fn tried(&self, pool: usize, before: usize, most: &mut BTreeMap<usize, usize>) {
        let tried = before + self.pools[pool].members.len();
        for fallback in &self.pools[pool].fallbacks {
            let known = most.entry(fallback.to).or_default();
            *known = tried.max(*known);
            self.tried(fallback.to, tried, most);
        }
    }

    fn attempts_end_first(&self, pool: usize) -> bool {
        let begins = self.routes.iter().any(|route| route.pool == pool);
        let mut most = BTreeMap::new();
        self.tried(pool, 0, &mut most);
        // Unstated, there are as many as a way needs, up to ten.
        let attempts = self.pools[pool].attempts.map_or(10, |attempts| attempts as usize);
        begins && most.values().any(|tried| *tried >= attempts)
    }

    fn can_do_less(&self, pool: &Pool, fallback: &Fallback) -> bool {
        ["tools", "vision", "jsonMode"].iter().any(|capability| {
            let can = |at: &usize| {
                self.served[*at].model.is_some() && self.served[*at].capabilities.contains(capability)
            };
            pool.members.iter().all(can)
                && self.members(fallback.to).any(|served| {
                    served.model.is_some()
                        && !served.capabilities.is_empty()
                        && !served.capabilities.contains(capability)
                })
        })
    }

    fn out_of_reach(&self, pool: &Pool) -> bool {
        let Some(objective) = pool.objective_ms else { return false };
        pool.members.iter().all(|at| self.served[*at].ttft_ms.is_some_and(|ttft| ttft > objective))
    }

    fn stays(&self, served: &Served, residency: &str) -> bool {
        served.place.is_some_and(|place| place == residency || (place, residency) == ("de", "eu"))
    }

    fn stays_in_pool(&self, pool: usize, residency: &str) -> bool {
        self.members(pool).any(|served| self.stays(served, residency))
    }

    fn is_kept_out(&self, from: usize, to: usize) -> bool {
        let mut callers = Vec::new();
        for (at, route) in self.routes.iter().enumerate().filter(|(_, route)| route.pool == from) {
            let named = !route.consumers.is_empty();
            if !named && (self.is_public(at) || self.consumers.is_empty()) {
                callers.push(None);
            }
            let own = self.consumers.iter().enumerate();
            let own = own.filter(|(at, _)| !named || route.consumers.contains(at));
            callers
                .extend(own.map(|(_, consumer)| consumer.team.and_then(|team| self.teams[team].residency)));
        }
        let kept = |residency: &Option<&str>| residency.is_some_and(|place| !self.stays_in_pool(to, place));
        !callers.is_empty() && callers.iter().all(kept)
    }

    fn has_nowhere_to_go(&self, team: usize) -> bool {
        let of = &self.teams[team];
        let Some(residency) = of.residency else { return false };
        let may = |route: &&super::Route| {
            let own = |caller: &usize| self.consumers[*caller].team == Some(team);
            route.consumers.is_empty() || route.consumers.iter().any(own)
        };
        let routes: Vec<_> = self.routes.iter().filter(may).collect();
        let goes = |fallback: &Fallback| fallback.unless_class.is_none() || fallback.unless_class != of.class;
        let stays = |pool: &usize| self.stays_in_pool(*pool, residency);
        !routes.is_empty() && !routes.iter().any(|route| self.reached(route.pool, &goes).iter().any(stays))
    }

    fn hold(&self, limits: &[usize]) -> bool {
        limits.iter().any(|limit| !self.limits[*limit].shadow)
    }

    /// Whether some request on a route is paid and counted by no limit but its caller's.
    fn spends(&self, route: usize) -> bool {
        let paid = |served: &Served| {
            let limited = served.model == Some("m") && self.hold(&self.model_limits);
            served.price.is_some() && !limited
        };
        let route = &self.routes[route];
        let reached = self.reached(route.pool, &|_| true);
        !self.hold(&route.limits) && reached.iter().any(|pool| self.members(*pool).any(paid))
    }

    fn anyone_spends(&self, route: usize) -> bool {
        self.far && self.routes[route].public == Some(true) && self.spends(route)
    }

    fn unlimited(&self) -> Option<Verdict> {
        let limited = |caller: usize| {
            let consumer = &self.consumers[caller];
            let team = consumer.team.map(|team| &self.teams[team]);
            self.hold(&consumer.limits)
                || team.is_some_and(|team| self.hold(&team.limits) || self.hold(&team.each))
        };
        let callers = 0..self.consumers.len();
        let may = |route: usize, caller: usize| {
            let named = &self.routes[route].consumers;
            named.is_empty() || named.contains(&caller)
        };
        let free = callers.clone().filter(|caller| {
            !limited(*caller) && (0..self.routes.len()).any(|route| may(route, *caller) && self.spends(route))
        });
        let free: Vec<String> = free.map(|caller| format!("c{caller}")).collect();
        (callers.into_iter().any(limited) && !free.is_empty()).then_some(("SG1602", free))
    }

    /// What requests that a limit counts can come to, whoever it is a limit of.
    fn under(&self, limit: usize) -> BTreeSet<usize> {
        let mut under = BTreeSet::new();
        let mut add = |may: &dyn Fn(&super::Route) -> bool, only: Option<&str>| {
            for route in self.routes.iter().filter(|route| may(route)) {
                for pool in self.reached(route.pool, &|_| true) {
                    let fits = |at: &&usize| only.is_none() || self.served[**at].model == only;
                    under.extend(self.pools[pool].members.iter().filter(fits));
                }
            }
        };
        for route in self.routes.iter().filter(|route| route.limits.contains(&limit)) {
            add(&|other| std::ptr::eq(other, route), None);
        }
        let open = |route: &super::Route, who: &dyn Fn(&usize) -> bool| {
            route.consumers.is_empty() || route.consumers.iter().any(who)
        };
        for (at, _) in self.consumers.iter().enumerate().filter(|(_, c)| c.limits.contains(&limit)) {
            add(&|route| open(route, &|caller| *caller == at), None);
        }
        for (at, team) in self.teams.iter().enumerate() {
            if team.limits.contains(&limit) || team.each.contains(&limit) {
                add(&|route| open(route, &|caller| self.consumers[*caller].team == Some(at)), None);
            }
        }
        if self.model_limits.contains(&limit) {
            add(&|_| true, Some("m"));
        }
        under
    }

    fn beyond_quotas(&self, at: usize) -> Vec<Verdict> {
        let Limit { tokens_a_day, dollars_a_day, .. } = self.limits[at];
        let under: Vec<&Served> = self.under(at).into_iter().map(|at| &self.served[at]).collect();
        let tokens: Option<u64> = under.iter().map(|served| served.tokens_a_day).sum();
        let dollars: Option<u64> =
            under.iter().map(|served| Some(served.price? * served.tokens_a_day? / 1_000_000)).sum();
        let below = |most: Option<u64>, limit: Option<u64>| {
            !under.is_empty() && most.zip(limit).is_some_and(|(most, limit)| most < limit)
        };
        let fields = [("tokens", below(tokens, tokens_a_day)), ("budget", below(dollars, dollars_a_day))];
        let fields = fields.into_iter().filter(|(_, is_true)| *is_true);
        fields.map(|(field, _)| ("SG1603", vec![format!("l{at}"), field.to_owned()])).collect()
    }

    fn most(&self, limits: &[usize]) -> u64 {
        let enforced = limits.iter().map(|limit| &self.limits[*limit]).filter(|limit| !limit.shadow);
        enforced.filter_map(|limit| limit.tokens_a_day).min().unwrap_or(u64::MAX)
    }

    fn is_oversubscribed(&self, pool: usize) -> bool {
        let mut callers: BTreeSet<usize> = BTreeSet::new();
        let mut any = false;
        for (at, route) in self.routes.iter().enumerate().filter(|(_, route)| route.pool == pool) {
            if self.is_public(at) {
                return false;
            }
            any = true;
            let all = 0..self.consumers.len();
            callers.extend(all.filter(|c| route.consumers.is_empty() || route.consumers.contains(c)));
        }
        let quota: Option<u64> = self.members(pool).map(|served| served.tokens_a_day).sum();
        let (Some(quota), true) = (quota, any && !self.consumers.is_empty()) else { return false };
        // All take as much as they may, one after the other.
        let mut taken = 0u64;
        let mut left: Vec<u64> = self.teams.iter().map(|team| self.most(&team.limits)).collect();
        for caller in callers {
            let consumer = &self.consumers[caller];
            let own = self.most(&consumer.limits);
            let takes = match consumer.team {
                None => own,
                Some(team) => {
                    let takes = own.min(self.most(&self.teams[team].each)).min(left[team]);
                    left[team] = if left[team] == u64::MAX { u64::MAX } else { left[team] - takes };
                    takes
                }
            };
            taken = taken.saturating_add(takes);
        }
        taken != u64::MAX && taken > quota
    }

    fn undone(&self) -> Vec<Verdict> {
        let mut all = Vec::new();
        let backends = |route: &super::Route| -> BTreeSet<usize> {
            let pools = self.reached(route.pool, &|_| true);
            pools.iter().flat_map(|pool| self.members(*pool)).map(|served| served.backend).collect()
        };
        let edits = |backend: usize| self.edits[backend].clone().unwrap_or_default();
        for (at, route) in self.routes.iter().enumerate() {
            let after: Vec<Edits> = backends(route).into_iter().map(|backend| edits(backend).0).collect();
            all.extend(without_effect(&format!("routes.r{at}"), &route.request, &after));
        }
        for backend in 0..3 {
            let routes = self.routes.iter().filter(|route| backends(route).contains(&backend));
            let after: Vec<Edits> = routes.map(|route| route.response.clone()).collect();
            all.extend(without_effect(&format!("backends.b{backend}"), &edits(backend).1, &after));
        }
        all
    }
}

/// What becomes of a header.
fn edited<'v>(value: Option<&'v str>, header: &str, edits: &[(&str, Option<&'v str>)]) -> Option<&'v str> {
    edits.iter().filter(|(name, _)| *name == header).fold(value, |_, (_, value)| *value)
}

/// Edits that make no difference to any message, whoever edits it next, other than by doing the same.
fn without_effect(place: &str, first: &Edits, after: &[Edits]) -> Vec<Verdict> {
    let undone = |header: &str| {
        let sent = [None, Some("0"), Some("1"), Some("2")];
        let mut ways = after.iter().flat_map(|after| sent.map(|sent| (sent, after)));
        let all_same = after.iter().all(|after| {
            let one = |edits: &Edits| edits.iter().find(|(name, _)| *name == header).copied();
            one(after) == one(first)
        });
        !after.is_empty()
            && !all_same
            && ways.all(|(sent, after)| {
                edited(edited(sent, header, first), header, after) == edited(sent, header, after)
            })
    };
    let headers = first.iter().map(|(header, _)| *header).filter(|header| undone(header));
    headers.map(|header| ("SG1007", vec![place.to_owned(), header.to_owned()])).collect()
}

fn price_gaps(served: &Served) -> Option<Verdict> {
    served.price?;
    let until = served.until?;
    // A day of which nobody says what it costs, with a price after it.
    let gap = (0..20).any(|day| day >= until && served.changes.iter().any(|from| *from > day));
    gap.then(|| ("SG1611", vec![served.name()]))
}
