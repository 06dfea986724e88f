//! The connection to the engine, and what is in it:
//!
//! | Key | |
//! |---|---|
//! | `shoal:nodes` | set: names of nodes |
//! | `shoal:node:<node>` | what a node says of itself; 3 s |
//! | `shoal:swarm:{<swarm>}` | set: nodes that have members of the swarm; 10 s after the last of them wrote |
//! | `shoal:swarm:{<swarm>}:<node>` | a sample; 3 s |
//! | channel `shoal:node.<node>` | letters for a node |
//! | `shoal:{bans}` | hash: who is banned, and a ban; a day |
//! | `shoal:{bans}:changes` | how often that has changed |
//! | channel `shoal:{bans}` | bans that are new |
//! | `shoal:tickets` | what keys of TLS tickets are made of; 6 h |
//!
//! A node that has died stays in the sets until another one sees that there is nothing behind its name, and takes it out:
//! one that lives is in again a second later. So no two clocks are ever compared.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, PushInfo, PushKind, RedisResult, Value};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::address::Address;
use super::connection::{Connection, Part};
use super::letter::MAX_LETTER;
use super::sample::MAX_SAMPLE;
use super::view::{Load, MAX_NODES};
use super::{ClusterMetrics, LIFETIME, Loss, NodeId, Outbound, is_node_id};
use crate::tls::TICKET_LIFETIME;

/// Sets of nodes are kept this long after the last of them wrote.
const SET_LIFETIME: Duration = Duration::from_secs(10);
/// Samples of a swarm that are read at a time: the others' come later, and no node reads more of a large swarm than of a
/// small one.
const SAMPLES_READ: usize = 8;
/// Longest URL of a node, bytes.
const MAX_URL: usize = 2048;
const NODES: &str = "shoal:nodes";
/// The hash, and the channel.
const BANS: &str = "shoal:{bans}";
const CHANGES: &str = "shoal:{bans}:changes";
/// Bans are kept this long after a node has read them.
const BANS_LIFETIME: Duration = Duration::from_secs(86_400);
const TICKETS: &str = "shoal:tickets";
/// About so many bans are read at a time.
const BANS_READ: usize = 256;

/// Where what the engine says unasked goes.
#[derive(Clone)]
pub(super) struct Inbox {
    pub(super) letters: mpsc::Sender<String>,
    /// New bans.
    pub(super) bans: mpsc::Sender<String>,
}

/// What a node says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Beat {
    /// How clients reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    load: Option<Load>,
}

/// Another node that is alive.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) id: NodeId,
    pub(super) url: Option<String>,
    pub(super) load: Option<Load>,
    pub(super) lives: Duration,
}

/// What others have of a swarm.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) swarm: String,
    /// Other nodes that have it.
    pub(super) nodes: usize,
    /// Some of their samples.
    pub(super) samples: Vec<(NodeId, Duration, String)>,
}

/// A connection.
pub(super) struct Engine {
    connection: Connection,
    node: NodeId,
    /// Is a letter told to those parts of the engine only that have a reader for it?
    sharded: bool,
}

impl Engine {
    /// Connects and listens for letters to this node, which go to `inbox`.
    pub(super) async fn connect(
        address: &Address,
        node: &NodeId,
        inbox: Inbox,
        metrics: ClusterMetrics,
    ) -> RedisResult<Self> {
        let pushes = move |push: PushInfo| deliver(push, &inbox, &metrics);
        let mut connection = Connection::open(address, &(Arc::new(pushes) as _)).await?;
        connection.subscribe(BANS).await?;
        Ok(Self {
            sharded: connection.subscribe(&channel_of(node)).await?,
            connection,
            node: node.clone(),
        })
    }

    /// Another handle of the same connection.
    pub(super) fn handle(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            node: self.node.clone(),
            sharded: self.sharded,
        }
    }

    /// Says that this node lives, and asks who else does.
    pub(super) async fn beat(&mut self, url: Option<&str>, load: Load) -> RedisResult<Vec<Neighbour>> {
        if self.connection.loses_subscriptions() {
            self.connection.subscribe(BANS).await?;
            self.sharded = self.connection.subscribe(&channel_of(&self.node)).await?;
        }
        let url = url.map(str::to_owned);
        let beat = serde_json::to_string(&Beat {
            url,
            load: Some(load),
        })
        .unwrap_or_default();
        let own = vec![set(&node_key(&self.node), &beat)];
        let [add, expire] = add(NODES, &self.node);
        let draw = command("SRANDMEMBER", NODES).arg(MAX_NODES).take();
        let mut answers = self.connection.run(vec![own, vec![add, expire, draw]]).await?;
        let names = answers.pop().and_then(|mut answers| answers.pop());
        let others = self.others(Vec::from_redis_value(names.unwrap_or(Value::Nil))?);
        let keys: Vec<_> = others.iter().map(|node| (NODES, node, node_key(node))).collect();
        let beats = self.read(&keys, MAX_URL + 256).await?;
        let neighbours = others.into_iter().zip(beats).filter_map(|(id, beat)| {
            let (lives, text) = beat?;
            let beat: Beat = serde_json::from_str(&text).ok()?;
            let url = beat.url.filter(|url| url.len() <= MAX_URL);
            let load = beat.load;
            Some(Neighbour { id, url, load, lives })
        });
        Ok(neighbours.collect())
    }

    /// Writes samples of swarms, and reads what others have of these.
    pub(super) async fn exchange(&mut self, samples: &[(String, String)]) -> RedisResult<Vec<Found>> {
        let parts = samples.iter().map(|(swarm, sample)| {
            let swarm = swarm_key(swarm);
            let [add, expire] = add(&swarm, &self.node);
            vec![
                set(&sample_key(&swarm, &self.node), sample),
                add,
                expire,
                command("SCARD", &swarm),
                // One more, for this node is among them.
                command("SRANDMEMBER", &swarm).arg(SAMPLES_READ + 1).take(),
            ]
        });
        let answers = self.connection.run(parts.collect()).await?;
        let mut found = Vec::new();
        for ((swarm, _), mut answers) in samples.iter().zip(answers) {
            let names = Vec::from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
            let nodes = usize::from_redis_value(answers.pop().unwrap_or(Value::Nil))?.saturating_sub(1);
            found.push((swarm, nodes, self.others(names)));
        }
        let sets: Vec<String> = found.iter().map(|(swarm, ..)| swarm_key(swarm)).collect();
        let mut keys = Vec::new();
        for ((_, _, others), set) in found.iter().zip(&sets) {
            keys.extend(
                others
                    .iter()
                    .map(|node| (set.as_str(), node, sample_key(set, node))),
            );
        }
        let mut read = self.read(&keys, MAX_SAMPLE + 1).await?.into_iter();
        let found = found.iter().map(|(swarm, nodes, others)| {
            let samples = others.iter().zip(read.by_ref());
            let samples = samples.filter_map(|(node, sample)| {
                let (lives, text) = sample?;
                Some((node.clone(), lives, text))
            });
            let samples: Vec<_> = samples.collect();
            let gone = others.len() - samples.len();
            Found {
                swarm: (*swarm).clone(),
                nodes: nodes.saturating_sub(gone),
                samples,
            }
        });
        Ok(found.collect())
    }

    /// Hands over letters; says of each how many nodes listen for it: one, if it is alive.
    pub(super) async fn publish(&mut self, letters: &[Outbound]) -> RedisResult<Vec<u64>> {
        let publish = self.publishes();
        let parts = letters.iter().map(|letter| {
            let channel = channel_of(&letter.to);
            vec![command(publish, &channel).arg(&letter.text).take()]
        });
        let answers = self.connection.run(parts.collect()).await?;
        let counts = answers.into_iter().flatten().map(u64::from_redis_value);
        Ok(counts.collect::<Result<_, _>>()?)
    }

    /// How often bans have been written since the engine had none.
    pub(super) async fn ban_count(&mut self) -> RedisResult<Option<u64>> {
        let expire = |key| {
            command("PEXPIRE", key)
                .arg(BANS_LIFETIME.as_millis() as u64)
                .take()
        };
        let part = vec![expire(BANS), expire(CHANGES), command("GET", CHANGES)];
        let mut answers = self.connection.run(vec![part]).await?;
        let count = answers.pop().and_then(|mut answers| answers.pop());
        Ok(Option::from_redis_value(count.unwrap_or(Value::Nil))?)
    }

    /// Some of the bans, and the cursor to go on with; 0 at the end.
    pub(super) async fn some_bans(&mut self, cursor: u64) -> RedisResult<(u64, Vec<String>)> {
        let scan = command("HSCAN", BANS)
            .arg(cursor)
            .arg("COUNT")
            .arg(BANS_READ)
            .take();
        let mut answers = self.connection.run(vec![vec![scan]]).await?;
        let answer = answers.pop().and_then(|mut answers| answers.pop());
        let (next, fields): (u64, Vec<Value>) =
            FromRedisValue::from_redis_value(answer.unwrap_or(Value::Nil))?;
        // What is not text was not written by a node.
        let texts = fields
            .into_iter()
            .skip(1)
            .step_by(2)
            .map(String::from_redis_value);
        Ok((next, texts.map(Result::unwrap_or_default).collect()))
    }

    /// Writes bans, each by who is banned, and tells all nodes.
    pub(super) async fn write_bans(&mut self, bans: &[(String, String)]) -> RedisResult<()> {
        let mut write = command("HSET", BANS);
        for (subject, text) in bans {
            write.arg(subject).arg(text);
        }
        let lifetime = BANS_LIFETIME.as_millis() as u64;
        let mut part = vec![
            write,
            command("PEXPIRE", BANS).arg(lifetime).take(),
            command("INCR", CHANGES),
            command("PEXPIRE", CHANGES).arg(lifetime).take(),
        ];
        let publish = self.publishes();
        part.extend(
            bans.iter()
                .map(|(_, text)| command(publish, BANS).arg(text).take()),
        );
        self.connection.run(vec![part]).await.map(drop)
    }

    /// Bans that are of no use any more.
    pub(super) async fn forget_bans(&mut self, subjects: &[String]) -> RedisResult<()> {
        let forget = command("HDEL", BANS).arg(subjects).take();
        self.connection.run(vec![vec![forget]]).await.map(drop)
    }

    /// What keys of TLS tickets are made of: this, where the engine has nothing yet.
    pub(super) async fn ticket_secret(&mut self, candidate: &str) -> RedisResult<String> {
        let lifetime = TICKET_LIFETIME.as_millis() as u64;
        let set = command("SET", TICKETS)
            .arg(candidate)
            .arg("NX")
            .arg("PX")
            .arg(lifetime)
            .take();
        let get = command("GETRANGE", TICKETS).arg(0).arg(candidate.len()).take();
        let mut answers = self.connection.run(vec![vec![set, get]]).await?;
        let secret = answers.pop().and_then(|mut answers| answers.pop());
        // What is not text was not written by a node.
        Ok(String::from_redis_value(secret.unwrap_or(Value::Nil)).unwrap_or_default())
    }

    fn publishes(&self) -> &'static str {
        match self.sharded {
            true => "SPUBLISH",
            false => "PUBLISH",
        }
    }

    /// Names of nodes, without this one and without what is none.
    fn others(&self, names: Vec<String>) -> Vec<NodeId> {
        let names = names
            .into_iter()
            .filter(|name| is_node_id(name) && **name != *self.node);
        names.map(NodeId::from).collect()
    }

    /// Reads what nodes have written, `most` bytes of each at most, and how long it is still true. Names of those that have
    /// written nothing are taken out of their set.
    async fn read(
        &mut self,
        keys: &[(&str, &NodeId, String)],
        most: usize,
    ) -> RedisResult<Vec<Option<(Duration, String)>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let parts: Vec<Part> = keys
            .iter()
            .map(|(_, _, key)| {
                let text = command("GETRANGE", key).arg(0).arg(most - 1).take();
                vec![command("PTTL", key), text]
            })
            .collect();
        let mut absent = Vec::new();
        let mut read = Vec::new();
        for ((set, node, _), answers) in keys.iter().zip(self.connection.run(parts).await?) {
            let [lives, text] = <[Value; 2]>::try_from(answers).unwrap_or([Value::Nil, Value::Nil]);
            // Negative where there is nothing, or no end.
            let lives = i64::from_redis_value(lives)?;
            let lives = u64::try_from(lives).ok().filter(|lives| *lives > 0);
            if lives.is_none() {
                absent.push(vec![command("SREM", set).arg(&***node).take()]);
            }
            // What is not text was not written by a node.
            let text = String::from_redis_value(text).ok();
            let lives = lives.map(|lives| Duration::from_millis(lives).min(LIFETIME));
            read.push(lives.zip(text.filter(|text| !text.is_empty())));
        }
        self.connection.run(absent).await?;
        Ok(read)
    }
}

/// What the engine says unasked.
fn deliver(push: PushInfo, inbox: &Inbox, metrics: &ClusterMetrics) {
    if !matches!(push.kind, PushKind::SMessage | PushKind::Message) {
        return;
    }
    let mut data = push.data.into_iter();
    let inbox = match data.next() {
        Some(Value::BulkString(channel)) if channel == BANS.as_bytes() => &inbox.bans,
        _ => {
            metrics.letters_received.inc();
            &inbox.letters
        }
    };
    let text = match data.next() {
        Some(Value::BulkString(bytes)) if bytes.len() <= MAX_LETTER => String::from_utf8(bytes).ok(),
        _ => None,
    };
    match text.map(|text| inbox.try_send(text)) {
        Some(Ok(())) => {}
        Some(Err(_)) => metrics.lost(Loss::InboxFull),
        None => metrics.lost(Loss::Malformed),
    }
}

/// A command about a key.
fn command(name: &str, key: &str) -> Cmd {
    redis::cmd(name).arg(key).take()
}

fn set(key: &str, text: &str) -> Cmd {
    let lifetime = LIFETIME.as_millis() as u64;
    command("SET", key).arg(text).arg("PX").arg(lifetime).take()
}

fn add(set: &str, node: &str) -> [Cmd; 2] {
    let lifetime = SET_LIFETIME.as_millis() as u64;
    [
        command("SADD", set).arg(node).take(),
        command("PEXPIRE", set).arg(lifetime).take(),
    ]
}

fn node_key(node: &str) -> String {
    format!("shoal:node:{node}")
}

/// The braces keep all of a swarm in one place of an engine that has several.
fn swarm_key(swarm: &str) -> String {
    format!("shoal:swarm:{{{swarm}}}")
}

fn sample_key(swarm_key: &str, node: &str) -> String {
    format!("{swarm_key}:{node}")
}

fn channel_of(node: &str) -> String {
    format!("shoal:node.{node}")
}
