//! What there is to see at one moment. It owns windows and histories; it refuses to lay them out.

use std::collections::VecDeque;
use std::time::Duration;

use model_sim::Totals;
use vocabulary::admin::{PoolStatus, Status};

use super::story::LENGTH;
use crate::load::{Live, Recently};

/// What figures look back on, in policy time.
pub(super) const WINDOW: Duration = Duration::from_secs(20);
/// What money looks back on: dearer backends are rare enough that less would flicker.
const MONEY_WINDOW: Duration = Duration::from_secs(40);
/// Stretches of the story of which each keeps one share.
pub(super) const STRETCHES: usize = 120;

/// One backend now.
#[derive(Clone, Debug, Default)]
pub(super) struct BackendNow {
    pub(super) name: String,
    /// Part of the answers within the window.
    pub(super) share: f64,
    /// That part over the story so far, one for each of [`STRETCHES`].
    pub(super) history: Vec<Option<f64>>,
    pub(super) p50_s: Option<f64>,
    pub(super) p95_s: Option<f64>,
    /// Errors it has sent, most of which no caller saw.
    pub(super) errors: u64,
    /// 429s it has sent.
    pub(super) refusals: u64,
    pub(super) usd_per_million: Option<f64>,
    /// What the gateway makes of it.
    pub(super) standing: Option<String>,
}

/// Everything now.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    pub(super) elapsed: Duration,
    pub(super) backends: Vec<BackendNow>,
    pub(super) recent: Recently,
    pub(super) answered: u64,
    pub(super) lost: u64,
    pub(super) usd_per_million: Option<f64>,
    pub(super) pool: Option<PoolStatus>,
}

/// Keeps what is needed to tell now from before.
#[derive(Debug, Default)]
pub(super) struct Watch {
    money: VecDeque<(Duration, Vec<Totals>)>,
    histories: Vec<Vec<Option<f64>>>,
}

/// Dollars per million tokens between two accounts.
fn price_between(before: &Totals, now: &Totals) -> Option<f64> {
    let tokens =
        (now.prompt_tokens + now.output_tokens).checked_sub(before.prompt_tokens + before.output_tokens)?;
    let nanos = now.cost_nanos.checked_sub(before.cost_nanos)?;
    (tokens > 0).then(|| nanos as f64 / 1e9 / tokens as f64 * 1e6)
}

fn sum(totals: &[Totals]) -> Totals {
    let mut all = Totals::default();
    for one in totals {
        all.prompt_tokens += one.prompt_tokens;
        all.output_tokens += one.output_tokens;
        all.cost_nanos += one.cost_nanos;
    }
    all
}

impl Watch {
    /// Looks at callers, backends and the pool called `pool`.
    pub(super) fn look(
        &mut self,
        live: &Live,
        accounts: &[(String, Totals)],
        status: Option<&Status>,
        pool: &str,
    ) -> Scene {
        let totals: Vec<Totals> = accounts.iter().map(|(_, totals)| *totals).collect();
        let earlier = self.remember(live.elapsed, &totals);
        let pool = status.and_then(|status| status.pools.iter().find(|p| p.pool == pool)).cloned();
        let mut scene = Scene {
            elapsed: live.elapsed,
            recent: live.recent.clone(),
            lost: live.outcomes.failed(),
            answered: live.outcomes.total() - live.outcomes.failed(),
            usd_per_million: price_between(&sum(&earlier), &sum(&totals)),
            ..Scene::default()
        };
        self.histories.resize(accounts.len(), vec![None; STRETCHES]);
        for ((name, now), (before, history)) in accounts.iter().zip(earlier.iter().zip(&mut self.histories)) {
            let mut backend = BackendNow {
                name: name.clone(),
                errors: now.failed,
                refusals: now.refused,
                usd_per_million: price_between(before, now),
                standing: pool.as_ref().and_then(|pool| standing(pool, name)),
                ..BackendNow::default()
            };
            if let Some(recent) =
                live.backends.iter().find(|(member, _)| is_of(member, name)).map(|found| found.1)
            {
                backend.share = recent.requests as f64 / live.recent.requests.max(1) as f64;
                (backend.p50_s, backend.p95_s) = (recent.p50_s, recent.p95_s);
            }
            let stretch = live.elapsed.as_secs_f64() / LENGTH.as_secs_f64() * STRETCHES as f64;
            if let Some(slot) = history.get_mut(stretch as usize).filter(|_| live.recent.requests > 0) {
                *slot = Some(backend.share);
            }
            backend.history.clone_from(history);
            scene.backends.push(backend);
        }
        scene.pool = pool;
        scene
    }

    /// Keeps `totals`, and gives those of the beginning of the window.
    fn remember(&mut self, elapsed: Duration, totals: &[Totals]) -> Vec<Totals> {
        let since = elapsed.saturating_sub(MONEY_WINDOW);
        self.money.push_back((elapsed, totals.to_vec()));
        while self.money.get(1).is_some_and(|(at, _)| *at <= since) {
            self.money.pop_front();
        }
        self.money.front().map(|(_, totals)| totals.clone()).unwrap_or_default()
    }
}

/// Whether `member`, as `backend/deployment`, is of `backend`.
pub(super) fn is_of(member: &str, backend: &str) -> bool {
    member.split('/').next() == Some(backend)
}

fn standing(pool: &PoolStatus, backend: &str) -> Option<String> {
    let member = pool.members.iter().find(|member| is_of(&member.member, backend))?;
    Some(member.standing.replace('_', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(tokens: u64, cost_nanos: u64) -> Vec<(String, Totals)> {
        vec![("a".into(), Totals { prompt_tokens: tokens, cost_nanos, ..Totals::default() })]
    }

    fn live(seconds: u64) -> Live {
        let recent = Recently { requests: 4, ..Recently::default() };
        let mut live = Live { elapsed: Duration::from_secs(seconds), recent, ..Live::default() };
        live.backends.insert("a/m".into(), Recently { requests: 3, ..Recently::default() });
        live
    }

    #[test]
    fn money_is_of_the_window_and_not_of_the_whole_run() {
        let mut watch = Watch::default();
        assert_eq!(watch.look(&live(0), &account(0, 0), None, "p").usd_per_million, None);
        // A million tokens for a dollar, then a million for three.
        watch.look(&live(50), &account(1_000_000, 1_000_000_000), None, "p");
        let scene = watch.look(&live(90), &account(2_000_000, 4_000_000_000), None, "p");
        assert_eq!((scene.usd_per_million, scene.backends[0].usd_per_million), (Some(3.0), Some(3.0)));
    }

    #[test]
    fn shares_are_kept_where_they_belong_in_time() {
        let mut watch = Watch::default();
        watch.look(&live(0), &account(0, 0), None, "p");
        let scene = watch.look(&live(300), &account(0, 0), None, "p");
        let kept: Vec<usize> =
            (0..STRETCHES).filter(|i| scene.backends[0].history[*i] == Some(0.75)).collect();
        assert_eq!(kept, [0, STRETCHES / 2]);
    }
}
