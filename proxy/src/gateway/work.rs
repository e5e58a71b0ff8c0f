//! What a running gateway does beside serving: ticks, ends what was ordered for a time, follows files. It owns
//! the rhythm; what is done is others' business.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::edge::Followed;
use crate::live::Live;
use crate::policy::{Cause, Keeper, ManifestFiles, Offer, Source, watch_file, watch_files};

/// How often it is looked whether a name, a secret, a certificate or a token is due.
const TEND_EVERY: Duration = Duration::from_millis(250);

pub(super) async fn tick_forever(keeper: Arc<Keeper>, live: Arc<Live>) {
    let mut beat = tokio::time::interval(live.clock.wall(Duration::from_secs(1)));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        beat.tick().await;
        keeper.tick();
    }
}

/// Ends what operators ordered for a time, and prices whose day is over.
pub(super) async fn end_forever(keeper: Arc<Keeper>) {
    let mut beat = tokio::time::interval(TEND_EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        beat.tick().await;
        keeper.end_what_is_over().await;
        keeper.follow_prices().await;
    }
}

/// Follows changes of names, secrets, certificates and tokens.
pub(super) async fn tend_upstreams(live: Arc<Live>) {
    let mut beat = tokio::time::interval(TEND_EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut work = JoinSet::new();
    loop {
        tokio::select! {
            _ = beat.tick() => live.in_force().upstreams.tend(&live.clock, &mut work),
            Some(done) = work.join_next() => {
                if done.is_ok_and(|addresses_changed| addresses_changed) {
                    live.in_force().pipes.update().await;
                }
            }
        }
    }
}

pub(super) async fn follow_certificate(certificate: Arc<dyn Followed>) {
    let watched: notify::Result<Vec<_>> = certificate.files().iter().map(|file| watch_file(file)).collect();
    let mut watched = match watched {
        Ok(watched) => watched,
        Err(error) => {
            tracing::warn!(%error, "a listener's certificate is not watched; send SIGHUP to read it again");
            return;
        }
    };
    loop {
        // Asked first: the files may have changed between being read at the start and being watched.
        certificate.reread();
        let changes = watched.iter_mut().map(|file| Box::pin(file.next()));
        futures_util::future::select_all(changes).await;
    }
}

pub(super) async fn follow_file(keeper: Arc<Keeper>, files: ManifestFiles) {
    let mut rules = files.rules_stamp();
    loop {
        // Watched anew each time, since a change may include another file.
        let places = files.places();
        let mut changes = match watch_files(&places) {
            Ok(changes) => changes,
            Err(error) => {
                tracing::warn!(file = ?places.first(), %error, "the manifest is not watched; send SIGHUP to reload it");
                return;
            }
        };
        // Asked first: a file may have changed between being read and being watched.
        let written = files.read_any().ok().and_then(|read| read.written().ok());
        let before = std::mem::replace(&mut rules, files.rules_stamp());
        if before != rules || !written.is_some_and(|written| keeper.file_is_known(&written)) {
            reload(&keeper, &files, "file").await;
        }
        changes.next().await;
    }
}

/// Reads the manifest's files again. Ones that have not changed since somebody put another policy before
/// them leave that policy in force; its secrets are read again all the same.
pub(super) async fn reload(keeper: &Keeper, files: &ManifestFiles, actor: &str) -> Offer {
    let cause = Cause::reload(actor);
    if keeper.source() != Source::File {
        let how = "the source of policy is `api`; publish with PUT /v1/manifest";
        return Offer::Rejected(vec![how.to_owned()]);
    }
    let reading = files.clone();
    let read = tokio::task::spawn_blocking(move || match reading.read_any() {
        Ok(read) => read.written(),
        Err((file, error)) => Err(vec![format!("the manifest {} cannot be read: {error}", file.display())]),
    });
    match read.await {
        Ok(Ok(written)) => {
            let known = keeper.file_is_known(&written);
            keeper.saw_file(&written);
            let manifest = if known { keeper.manifest().0 } else { written };
            keeper.offer(manifest, cause, &|_| true).await
        }
        Ok(Err(findings)) => keeper.reject(&cause, findings).await,
        Err(_) => keeper.reject(&cause, vec!["the manifest's files could not be read".to_owned()]).await,
    }
}
