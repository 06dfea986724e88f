//! A split brain: nodes that neither hear the engine nor each other, for long, and meet again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use tracker_protocol::*;
use tracker_ws::Config;

use crate::cluster::{connects, node, refused, until};
use crate::engine::Redis;
use crate::peer::*;

#[expect(clippy::disallowed_methods, reason = "tests have a clock")]
fn now() -> Instant {
    Instant::now()
}

/// Members of each node.
const MEMBERS: u8 = 3;

/// A way to the engine on which nothing moves while it is closed, though connections stay and come up: as where a network loses
/// all packets.
async fn way_to(socket: String, open: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = UnixStream::connect(&socket).await.unwrap();
            let (near_out, near_in) = near.into_split();
            let (far_out, far_in) = far.into_split();
            tokio::spawn(carry(near_out, far_in, open.clone()));
            tokio::spawn(carry(far_out, near_in, open.clone()));
        }
    });
    url
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut open: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut bytes).await else {
            return;
        };
        if open.wait_for(|open| *open).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// Members of one node.
struct Island {
    url: String,
    members: Vec<TestPeer>,
}

impl Island {
    /// A node with members of these numbers. Who is silent for 15 s is forgotten.
    async fn new(engine: &str, first: u8) -> Self {
        let config = Config {
            interval: Duration::from_secs(10),
            track_timeout: Some(Duration::from_secs(15)),
            ..node(engine)
        };
        let url = start(config).await;
        let mut members = Vec::new();
        for number in first..first + MEMBERS {
            members.push(TestPeer::joined(&url, number).await);
        }
        Self { url, members }
    }

    fn ids(&self) -> BTreeSet<String> {
        self.members.iter().map(|peer| peer.id().to_owned()).collect()
    }

    /// Until each of them sees all of these but itself, and nobody else.
    async fn see(&mut self, all: &BTreeSet<String>) {
        for peer in &mut self.members {
            let mut others = all.clone();
            others.remove(peer.id());
            let is_all =
                |list: &[&str]| list.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>() == others;
            until("all others", peer, is_all).await;
        }
    }

    /// They go on among themselves.
    async fn exchange(&mut self, oid: &str) {
        let [first, second, ..] = &mut self.members[..] else {
            panic!("too few")
        };
        connects(first, second, oid).await;
        self.members.rotate_left(1);
    }
}

/// Two nodes are cut off for this long, each by itself; a third one is not.
async fn heals_after(split: Duration) {
    let redis = Redis::start().await;
    let (way, is_open) = watch::channel(true);
    let mut islands = Vec::new();
    for number in 0..3 {
        let engine = match number {
            0 => redis.url(),
            _ => way_to(redis.path(), is_open.clone()).await,
        };
        islands.push(Island::new(&engine, 1 + number * MEMBERS).await);
    }
    let everybody = |islands: &[Island]| islands.iter().flat_map(Island::ids).collect::<BTreeSet<_>>();
    let all = everybody(&islands);
    for island in &mut islands {
        island.see(&all).await;
    }

    way.send(false).unwrap();
    let began = now();
    for island in &mut islands {
        let own = island.ids();
        island.see(&own).await;
    }
    let alone = began.elapsed();
    // Nobody of another is found by what was known before, either.
    let [first, second, _] = &mut islands[..] else {
        panic!()
    };
    let offer = first.members[0].signal(Kind::Offer, second.members[0].id(), "split");
    refused(first.members[0].relay(offer).await, "no-such-peer").await;
    // One comes, and one goes, on islands.
    let gone = islands[1].members.pop().unwrap();
    let gone_id = gone.id().to_owned();
    gone.close().await;
    let joined = TestPeer::joined(&islands[2].url, 100).await;
    islands[2].members.push(joined);
    let mut rounds = 0;
    while began.elapsed() < split {
        for island in &mut islands {
            let own = island.ids();
            island.see(&own).await;
            island.exchange(&format!("round-{rounds}")).await;
        }
        rounds += 1;
        // Not to keep the machine busy.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    way.send(true).unwrap();
    let healed = now();
    let all = everybody(&islands);
    assert!(all.len() == 3 * usize::from(MEMBERS) && !all.contains(&gone_id));
    for island in &mut islands {
        island.see(&all).await;
    }
    println!(
        "split for {split:?}: islands after {alone:?}, {rounds} rounds on each, all {} met {:?} after it was over",
        all.len(),
        healed.elapsed()
    );
    for (from, to) in [(0, 1), (1, 2), (0, 2)] {
        let (left, right) = islands.split_at_mut(to);
        connects(&mut left[from].members[0], &mut right[0].members[0], "healed").await;
        connects(&mut right[0].members[0], &mut left[from].members[0], "healed-too").await;
    }
}

/// Twice as long as what nodes know of each other lives.
#[tokio::test]
async fn a_split_brain_heals() {
    heals_after(Duration::from_secs(6)).await;
}

/// The same for a minute: `cargo test -p tracker-ws --test tracker a_split_brain_of_a_minute -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "takes more than a minute"]
async fn a_split_brain_of_a_minute_heals() {
    heals_after(Duration::from_secs(60)).await;
}
