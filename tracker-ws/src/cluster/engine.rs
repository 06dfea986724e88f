//! The connection to the engine, and what is in it:
//!
//! | Key | |
//! |---|---|
//! | `shoal:nodes` | set: names of nodes |
//! | `shoal:node:<node>` | what a node says of itself; 3 s |
//! | `shoal:swarm:{<swarm>}` | set: nodes that have members of the swarm; 10 s after the last of them wrote |
//! | `shoal:swarm:{<swarm>}:<node>` | a sample; 3 s |
//! | channel `shoal:node.<node>` | letters for a node |
//!
//! A node that has died stays in the sets until another one sees that there is nothing behind its name, and takes it out:
//! one that lives is in again a second later. So no two clocks are ever compared.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline,
    ProtocolVersion, PushInfo, PushKind, RedisError, RedisResult, Value,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::letter::MAX_LETTER;
use super::sample::MAX_SAMPLE;
use super::view::MAX_NODES;
use super::{ClusterMetrics, LIFETIME, Loss, NodeId, Outbound, is_node_id};

/// To connect, and for each answer: an engine that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);
/// Sets of nodes are kept this long after the last of them wrote.
const SET_LIFETIME: Duration = Duration::from_secs(10);
/// Samples of a swarm that are read at a time: the others' come later, and no node reads more of a large swarm than of a
/// small one.
const SAMPLES_READ: usize = 8;
/// Longest URL of a node, bytes.
const MAX_URL: usize = 2048;
const NODES: &str = "shoal:nodes";

/// Is it the URL of an engine?
///
/// # Errors
/// What is wrong with it, in words that do not repeat it, for it may have a password in it.
pub(crate) fn is_engine_url(url: &str) -> Result<(), String> {
    connection_info(url)
        .map(drop)
        .map_err(|error| match error.detail() {
            Some(detail) => format!("not a URL such as redis://127.0.0.1:6379: {detail}"),
            None => "not a URL such as redis://127.0.0.1:6379".to_owned(),
        })
}

/// The URL without what is secret in it.
pub(crate) fn public_url(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => url.to_owned(),
    }
}

fn connection_info(url: &str) -> RedisResult<ConnectionInfo> {
    let info = url.into_connection_info()?;
    // Letters come in between the answers to commands: version 3 of the protocol tells them apart.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings))
}

/// What a node says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Beat {
    /// How clients reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// Another node that is alive.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) id: NodeId,
    pub(super) url: Option<String>,
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
    connection: MultiplexedConnection,
    node: NodeId,
    /// Is a letter told to those parts of the engine only that have a reader for it?
    sharded: bool,
}

impl Engine {
    /// Connects and listens for letters to this node, which go to `inbox`.
    pub(super) async fn connect(
        url: &str,
        node: &NodeId,
        inbox: mpsc::Sender<String>,
        metrics: ClusterMetrics,
    ) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_push_sender(move |push: PushInfo| -> Result<(), ()> {
                deliver(push, &inbox, &metrics);
                Ok(())
            });
        let client = Client::open(connection_info(url)?)?;
        let connect = client.get_multiplexed_async_connection_with_config(&config);
        let timed_out = |_| RedisError::from((ErrorKind::Io, "no answer to the greeting"));
        let mut connection = tokio::time::timeout(PATIENCE, connect)
            .await
            .map_err(timed_out)??;
        let channel = channel_of(node);
        let sharded = redis::cmd("SSUBSCRIBE")
            .arg(&channel)
            .exec_async(&mut connection)
            .await;
        // Before version 7 there is no such command.
        let sharded = match sharded {
            Ok(()) => true,
            Err(error) if matches!(error.kind(), ErrorKind::Server(_)) => {
                connection.subscribe(&channel).await?;
                false
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            connection,
            node: node.clone(),
            sharded,
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
    pub(super) async fn beat(&mut self, url: Option<&str>) -> RedisResult<Vec<Neighbour>> {
        let url = url.map(str::to_owned);
        let beat = serde_json::to_string(&Beat { url }).unwrap_or_default();
        let mut pipe = Pipeline::new();
        set(&mut pipe, &node_key(&self.node), &beat);
        add(&mut pipe, NODES, &self.node);
        pipe.cmd("SRANDMEMBER").arg(NODES).arg(MAX_NODES);
        let (names,): (Vec<String>,) = pipe.query_async(&mut self.connection).await?;
        let others = self.others(names);
        let keys: Vec<_> = others.iter().map(|node| (NODES, node, node_key(node))).collect();
        let beats = self.read(&keys, MAX_URL + 64).await?;
        let neighbours = others.into_iter().zip(beats).filter_map(|(id, beat)| {
            let (lives, text) = beat?;
            let beat: Beat = serde_json::from_str(&text).ok()?;
            let url = beat.url.filter(|url| url.len() <= MAX_URL);
            Some(Neighbour { id, url, lives })
        });
        Ok(neighbours.collect())
    }

    /// Writes samples of swarms, and reads what others have of these.
    pub(super) async fn exchange(&mut self, samples: &[(String, String)]) -> RedisResult<Vec<Found>> {
        if samples.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = Pipeline::new();
        for (swarm, sample) in samples {
            let swarm = swarm_key(swarm);
            set(&mut pipe, &sample_key(&swarm, &self.node), sample);
            add(&mut pipe, &swarm, &self.node);
            pipe.cmd("SCARD").arg(&swarm);
            // One more, for this node is among them.
            pipe.cmd("SRANDMEMBER").arg(&swarm).arg(SAMPLES_READ + 1);
        }
        let answers: Vec<Value> = pipe.query_async(&mut self.connection).await?;
        let mut found = Vec::new();
        for ((swarm, _), answer) in samples.iter().zip(answers.chunks_exact(2)) {
            let nodes = usize::from_redis_value(answer[0].clone())?.saturating_sub(1);
            let names = Vec::from_redis_value(answer[1].clone())?;
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
        let command = if self.sharded { "SPUBLISH" } else { "PUBLISH" };
        let mut pipe = Pipeline::new();
        for letter in letters {
            pipe.cmd(command).arg(channel_of(&letter.to)).arg(&letter.text);
        }
        pipe.query_async(&mut self.connection).await
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
        let mut pipe = Pipeline::new();
        for (_, _, key) in keys {
            pipe.cmd("PTTL").arg(key);
            pipe.cmd("GETRANGE").arg(key).arg(0).arg(most - 1);
        }
        let answers: Vec<Value> = pipe.query_async(&mut self.connection).await?;
        let mut absent = Pipeline::new();
        let mut read = Vec::new();
        for ((set, node, _), answer) in keys.iter().zip(answers.chunks_exact(2)) {
            // Negative where there is nothing, or no end.
            let lives = i64::from_redis_value(answer[0].clone())?;
            let lives = u64::try_from(lives).ok().filter(|lives| *lives > 0);
            if lives.is_none() {
                absent.cmd("SREM").arg(*set).arg(&***node).ignore();
            }
            // What is not text was not written by a node.
            let text = String::from_redis_value(answer[1].clone()).ok();
            let lives = lives.map(|lives| Duration::from_millis(lives).min(LIFETIME));
            read.push(lives.zip(text.filter(|text| !text.is_empty())));
        }
        if !absent.is_empty() {
            absent.exec_async(&mut self.connection).await?;
        }
        Ok(read)
    }
}

/// What the engine says unasked.
fn deliver(push: PushInfo, inbox: &mpsc::Sender<String>, metrics: &ClusterMetrics) {
    if !matches!(push.kind, PushKind::SMessage | PushKind::Message) {
        return;
    }
    metrics.letters_received.inc();
    let text = match push.data.into_iter().nth(1) {
        Some(Value::BulkString(bytes)) if bytes.len() <= MAX_LETTER => String::from_utf8(bytes).ok(),
        _ => None,
    };
    match text.map(|text| inbox.try_send(text)) {
        Some(Ok(())) => {}
        Some(Err(_)) => metrics.lost(Loss::InboxFull),
        None => metrics.lost(Loss::Malformed),
    }
}

fn set(pipe: &mut Pipeline, key: &str, text: &str) {
    let lifetime = LIFETIME.as_millis() as u64;
    pipe.cmd("SET")
        .arg(key)
        .arg(text)
        .arg("PX")
        .arg(lifetime)
        .ignore();
}

fn add(pipe: &mut Pipeline, set: &str, node: &str) {
    let lifetime = SET_LIFETIME.as_millis() as u64;
    pipe.cmd("SADD").arg(set).arg(node).ignore();
    pipe.cmd("PEXPIRE").arg(set).arg(lifetime).ignore();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_engines() {
        for url in [
            "redis://127.0.0.1:6379",
            "redis://user:secret@engine.example/3",
            "valkey://engine.example",
            "redis+unix:///run/redis.sock",
        ] {
            assert_eq!(is_engine_url(url), Ok(()), "{url}");
        }
        for url in [
            "127.0.0.1:6379",
            "http://engine.example",
            "rediss://:secret@engine.example",
            "",
        ] {
            let error = is_engine_url(url).unwrap_err();
            assert!(
                error.starts_with("not a URL such as redis://127.0.0.1:6379"),
                "{error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(public_url("redis://user:p@ss@engine:1/2"), "redis://…@engine:1/2");
        assert_eq!(public_url("redis://engine:1/2"), "redis://engine:1/2");
    }
}
