//! The one task of a tracker that waits for the engine. Sessions never do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use redis::RedisResult;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::engine::{Engine, Found, Inbox};
use super::{Address, Letter, Loss, Outbox, Sample, shared_bans, shared_tickets};
use crate::clock::micros;
use crate::server::Shared;

/// Samples are written, and those of others read, this often: three times in their life.
const PERIOD: Duration = Duration::from_secs(1);
/// Most swarms in a period; the others have their turn in the next one.
const MAX_SWARMS: usize = 2000;
/// Most bytes in a period, and a sample.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Swarms whose members are drawn while the registry is locked, and whose samples go to the engine together.
const BATCH: usize = 16;
/// Letters from the engine that wait to be read.
const INBOX: usize = 1024;
/// New bans of others that wait to be read; with more, all are read again.
const BANS: usize = 256;
/// Letters that go to the engine together.
const LETTERS: usize = 64;
/// The first and the longest pause before a connection is tried again; each is half as long at least, and random.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// Keeps this node in its cluster, for ever. `node_url` is how clients reach this node.
pub(crate) async fn run(shared: Arc<Shared>, engine: Address, node_url: Option<String>, mut outbox: Outbox) {
    let Some((node, metrics)) = shared.registry().cluster_identity() else {
        return;
    };
    let name = engine.name.as_str();
    tracing::info!(node = &*node, engine = name, "one of a cluster");
    let mut pause = PAUSES.0;
    loop {
        let (letters_inbox, letters) = mpsc::channel(INBOX);
        let (bans_inbox, bans) = mpsc::channel(BANS);
        let inbox = Inbox {
            letters: letters_inbox,
            bans: bans_inbox,
        };
        let connecting = Engine::connect(&engine, &node, inbox, metrics.clone());
        let error = match meanwhile(&mut outbox, &metrics, connecting).await {
            Ok(engine) => {
                pause = PAUSES.0;
                metrics.connections.inc();
                metrics.connected.set(1);
                tracing::info!(engine = name, "connected to the cluster's engine");
                shared.registry().set_cluster_connected(true);
                let error = serve(&shared, engine, node_url.as_deref(), &mut outbox, letters, bans).await;
                shared.registry().set_cluster_connected(false);
                metrics.connected.set(0);
                error
            }
            Err(error) => error,
        };
        metrics.failures.inc();
        tracing::warn!(engine = name, %error, "without the cluster's engine, this node is an island");
        let jitter = shared.random(|rng| rng.random_range(0.5..=1.0));
        meanwhile(&mut outbox, &metrics, sleep(pause.mul_f64(jitter))).await;
        pause = (2 * pause).min(PAUSES.1);
        count(&shared);
        if let Some(tickets) = shared.front.shared_tickets() {
            tickets.renew(shared.clock.now());
        }
    }
}

/// Waits for something while there is no engine to take letters.
async fn meanwhile<F: Future>(outbox: &mut Outbox, metrics: &super::ClusterMetrics, waiting: F) -> F::Output {
    tokio::pin!(waiting);
    loop {
        tokio::select! {
            done = &mut waiting => return done,
            Some(_) = outbox.recv() => metrics.lost(Loss::Engine),
        }
    }
}

/// Goes on until the connection fails; says why.
async fn serve(
    shared: &Shared,
    engine: Engine,
    node_url: Option<&str>,
    outbox: &mut Outbox,
    letters: mpsc::Receiver<String>,
    bans: mpsc::Receiver<String>,
) -> redis::RedisError {
    let (swarms, posts, all_bans, tickets) = (engine.handle(), engine.handle(), engine.handle(), engine);
    tokio::select! {
        error = share(shared, swarms, node_url) => error,
        error = post(shared, posts, outbox) => error,
        error = shared_bans::share(shared, all_bans, bans) => error,
        error = shared_tickets::share(shared, tickets) => error,
        () = receive(shared, letters) => (redis::ErrorKind::Io, "the connection has ended").into(),
    }
}

/// Heartbeats and samples, once a period.
async fn share(shared: &Shared, mut engine: Engine, node_url: Option<&str>) -> redis::RedisError {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = VecDeque::new();
    loop {
        ticks.tick().await;
        if let Err(error) = period(shared, &mut engine, node_url, &mut turn).await {
            return error;
        }
        count(shared);
    }
}

async fn period(
    shared: &Shared,
    engine: &mut Engine,
    node_url: Option<&str>,
    turn: &mut VecDeque<String>,
) -> RedisResult<()> {
    let neighbours = engine.beat(node_url, shared.counts().into()).await?;
    {
        let now = shared.clock.now();
        let mut registry = shared.registry();
        for neighbour in neighbours {
            let until = now + micros(neighbour.lives);
            registry.learn_node(until, neighbour.id, neighbour.url, neighbour.load);
        }
    }
    if turn.is_empty() {
        turn.extend(shared.registry().swarm_ids());
    }
    let (mut swarms, mut bytes) = (0, 0);
    while swarms < MAX_SWARMS && bytes < MAX_BYTES && !turn.is_empty() {
        let batch: Vec<String> = turn.drain(..turn.len().min(BATCH)).collect();
        swarms += batch.len();
        let drafts = shared.registry().drafts(shared.clock.now(), batch);
        let samples = drafts.into_iter().map(|(swarm, members, told)| {
            let sample = Sample::write(&swarm, members, told);
            (swarm, sample)
        });
        let samples: Vec<_> = samples.collect();
        let written: usize = samples.iter().map(|(_, sample)| sample.len()).sum();
        bytes += written;
        for found in engine.exchange(&samples).await? {
            learn(shared, found);
        }
        let metrics = &shared.metrics.cluster;
        metrics.samples_written.inc_by(samples.len() as u64);
        metrics.bytes_written.inc_by(written as u64);
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Takes over what others have of a swarm. It is read before the registry is locked.
fn learn(shared: &Shared, found: Found) {
    let now = shared.clock.now();
    let costs = shared.registry().costs();
    let mut samples = Vec::new();
    for (node, lives, text) in found.samples {
        match Sample::read(now, &found.swarm, &text, costs.as_deref()) {
            Ok(sample) => samples.push((now + micros(lives), node, sample)),
            Err(error) => {
                tracing::warn!(node = &*node, swarm = found.swarm, %error, "sample of another node refused");
                shared.metrics.cluster.lost(Loss::Malformed);
            }
        }
    }
    shared
        .registry()
        .learn_samples(&found.swarm, found.nodes, samples);
}

/// Forgets what has expired, and counts the rest.
fn count(shared: &Shared) {
    let (nodes, samples) = shared.registry().expire_cluster(shared.clock.now());
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    shared.metrics.cluster.nodes.set(number(nodes));
    shared.metrics.cluster.samples.set(number(samples));
}

/// Letters to other nodes.
async fn post(shared: &Shared, mut engine: Engine, outbox: &mut Outbox) -> redis::RedisError {
    let metrics = &shared.metrics.cluster;
    let mut letters = Vec::with_capacity(LETTERS);
    while outbox.recv_many(&mut letters, LETTERS).await > 0 {
        let listening = match engine.publish(&letters).await {
            Ok(listening) => listening,
            Err(error) => {
                metrics.lost_many(Loss::Engine, letters.len());
                return error;
            }
        };
        metrics.letters_sent.inc_by(letters.len() as u64);
        for (letter, _) in letters.iter().zip(listening).filter(|(_, count)| *count == 0) {
            metrics.lost(Loss::NobodyListens);
            shared.registry().lose_node(&letter.to);
        }
        letters.clear();
    }
    // Unreachable while the registry lives, which holds the other end.
    std::future::pending().await
}

/// Letters from other nodes.
async fn receive(shared: &Shared, mut letters: mpsc::Receiver<String>) {
    while let Some(text) = letters.recv().await {
        match Letter::read(&text) {
            Ok(letter) => {
                let mut out = Vec::new();
                shared.registry().receive(shared.clock.now(), letter, &mut out);
                shared.metrics.pushed(out.len() as u64);
                shared.sessions.deliver(out);
            }
            Err(error) => {
                tracing::warn!(%error, "letter of another node refused");
                shared.metrics.cluster.lost(Loss::Malformed);
            }
        }
    }
}
