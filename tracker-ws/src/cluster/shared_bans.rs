//! Bans, shared: a ban that one node's operator makes or lifts holds on all, and every node writes again what the engine has
//! lost.
//!
//! What is new goes to all nodes at once, and into the engine. There, a counter goes up with each change: a node that sees
//! another count reads all, merges it with its own, and writes what is older in the engine or not there.

use std::collections::HashSet;
use std::time::Duration;

use redis::RedisResult;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::engine::Engine;
use super::{Loss, entry};
use crate::bans::{Effect, MAX_BANS, Subject};
use crate::event_log::What;
use crate::server::Shared;

/// The count is looked at as often.
const PERIOD: Duration = Duration::from_secs(1);
/// All are read at most once in so many periods.
const PAUSE: u32 = 5;
/// All are read at least once in so many, so that the engine keeps them and forgets those that are over.
const LONGEST: u32 = 600;
/// Bans that go to the engine together.
const BATCH: usize = 64;

/// Goes on until the connection fails; says why. `entries` are those that other nodes tell.
pub(super) async fn share(
    shared: &Shared,
    mut engine: Engine,
    mut entries: mpsc::Receiver<String>,
) -> redis::RedisError {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The count when all were read, and the periods since.
    let (mut read, mut age) = (None, 0);
    loop {
        let step = tokio::select! {
            () = shared.bans.news.notified() => tell(shared, &mut engine).await,
            Some(text) = entries.recv() => {
                hear(shared, &[text]).await;
                Ok(())
            }
            _ = ticks.tick() => {
                age += 1;
                look(shared, &mut engine, &mut read, &mut age).await
            }
        };
        if let Err(error) = step {
            return error;
        }
    }
}

/// Has the count changed since all were read?
async fn look(
    shared: &Shared,
    engine: &mut Engine,
    read: &mut Option<Option<u64>>,
    age: &mut u32,
) -> RedisResult<()> {
    let is_due = match read {
        None => true,
        Some(_) if *age >= LONGEST => true,
        Some(_) if *age < PAUSE => false,
        Some(read) => engine.ban_count().await? != *read,
    };
    if is_due {
        // Before: what comes meanwhile is read again.
        let count = engine.ban_count().await?;
        read_all(shared, engine).await?;
        *read = Some(count);
        *age = 0;
    }
    Ok(())
}

async fn read_all(shared: &Shared, engine: &mut Engine) -> RedisResult<()> {
    let (mut known, mut over) = (HashSet::new(), Vec::new());
    let mut cursor = 0;
    let mut left = 2 * MAX_BANS;
    loop {
        let (next, texts) = engine.some_bans(cursor).await?;
        left = left.saturating_sub(texts.len());
        let (subjects, ended) = hear(shared, &texts).await;
        known.extend(subjects);
        over.extend(ended);
        if next == 0 {
            break;
        }
        if left == 0 {
            tracing::warn!("more bans than nodes write: the others are not read");
            return Ok(());
        }
        cursor = next;
    }
    for some in over.chunks(BATCH) {
        engine.forget_bans(some).await?;
    }
    shared.bans.tell_all_but(shared.clock.now(), &known);
    tell(shared, engine).await
}

/// Takes over what other nodes say. Returns who it is about, and of whom it is of no use any more.
async fn hear(shared: &Shared, texts: &[String]) -> (HashSet<Subject>, Vec<String>) {
    let (mut known, mut over, mut stale) = (HashSet::new(), Vec::new(), Vec::new());
    let mut bans_hosts = false;
    let now = shared.clock.now();
    for text in texts {
        let ban = match entry::read(now, text) {
            Ok(ban) => ban,
            Err(error) => {
                tracing::warn!(%error, "ban of another node refused");
                shared.metrics.cluster.lost(Loss::Malformed);
                continue;
            }
        };
        if ban.is_useless(now) {
            over.push(ban.subject.to_string());
            continue;
        }
        let subject = ban.subject.clone();
        let Some(merged) = shared.bans.merge(now, ban) else {
            shared.metrics.cluster.lost(Loss::NoRoom);
            continue;
        };
        if merged.is_stale {
            stale.push(subject.clone());
        }
        match merged.effect {
            Effect::None => {}
            Effect::Banned(ban) => {
                shared.log.publish(What::BanAdded {
                    id: ban.id,
                    subject: subject.to_string(),
                });
                match &subject {
                    Subject::Peer(id) => shared.send_peer_away(id),
                    Subject::Prefix(_) => bans_hosts = true,
                }
            }
            Effect::Lifted(ban) => shared.log.publish(What::BanRemoved {
                id: ban.id,
                subject: subject.to_string(),
            }),
        }
        known.insert(subject);
    }
    if bans_hosts {
        let is_banned = |address| shared.bans.bans_address(now, address);
        shared.send_hosts_away(is_banned).await;
    }
    if !stale.is_empty() {
        shared.bans.tell_again(stale);
        shared.bans.news.notify_one();
    }
    (known, over)
}

/// Writes what others do not know.
async fn tell(shared: &Shared, engine: &mut Engine) -> RedisResult<()> {
    loop {
        let bans = shared.bans.take_untold(BATCH);
        if bans.is_empty() {
            return Ok(());
        }
        let now = shared.clock.now();
        let texts: Vec<_> = bans
            .iter()
            .map(|ban| (ban.subject.to_string(), entry::write(now, ban)))
            .collect();
        if let Err(error) = engine.write_bans(&texts).await {
            shared.bans.tell_again(bans.into_iter().map(|ban| ban.subject));
            return Err(error);
        }
    }
}
