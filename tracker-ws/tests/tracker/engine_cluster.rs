//! A Redis Cluster as the engine.

use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tracker_protocol::{ErrorCode, Kind};

use crate::cluster::{connects, node, pair, until, until_listed};
use crate::engine::{ask, launch};
use crate::engine_tls::free_ports;
use crate::manager;
use crate::peer::*;

const MASTERS: usize = 3;
const SLOTS: u16 = 16_384;

struct Member {
    port: u16,
    child: Child,
    connection: MultiplexedConnection,
    id: String,
}

/// Three masters, the slots in equal parts among them, and a replica of the first.
struct RedisCluster {
    _folder: TempDir,
    members: Vec<Member>,
}

impl RedisCluster {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports: [u16; 2 * (MASTERS + 1)] = free_ports();
        let mut members = Vec::new();
        for (number, ports) in ports.chunks_exact(2).enumerate() {
            let home = folder.path().join(number.to_string());
            std::fs::create_dir(&home).unwrap();
            let mut command = Command::new("redis-server");
            command
                .args(["--bind", "127.0.0.1", "--port", &ports[0].to_string()])
                .args([
                    "--cluster-enabled",
                    "yes",
                    "--cluster-port",
                    &ports[1].to_string(),
                ])
                .args(["--cluster-node-timeout", "1000"])
                .arg("--dir")
                .arg(&home);
            let child = launch(command).await;
            let client = redis::Client::open(format!("redis://127.0.0.1:{}", ports[0])).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let id = ask(&mut connection, &["CLUSTER", "MYID"]).await;
            members.push(Member {
                port: ports[0],
                child,
                connection,
                id,
            });
        }
        let part = SLOTS.div_ceil(MASTERS as u16);
        for (number, member) in members.iter_mut().take(MASTERS).enumerate() {
            let first = number as u16 * part;
            let last = (first + part).min(SLOTS) - 1;
            let range = [&first.to_string(), &last.to_string()];
            say(
                &mut member.connection,
                &["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]],
            )
            .await;
            let epoch = (number + 1).to_string();
            say(&mut member.connection, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        }
        for ports in ports.chunks_exact(2).skip(1) {
            let to = [&ports[0].to_string(), &ports[1].to_string()];
            say(
                &mut members[0].connection,
                &["CLUSTER", "MEET", "127.0.0.1", to[0], to[1]],
            )
            .await;
        }
        let first = members[0].id.clone();
        for member in &mut members {
            until_said(&mut member.connection, &["CLUSTER", "INFO"], |info| {
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:4")
            })
            .await;
        }
        say(
            &mut members[MASTERS].connection,
            &["CLUSTER", "REPLICATE", &first],
        )
        .await;
        until_said(
            &mut members[MASTERS].connection,
            &["INFO", "replication"],
            |info| info.contains("master_link_status:up"),
        )
        .await;
        Self {
            _folder: folder,
            members,
        }
    }

    /// Its members from this one on.
    fn url(&self, from: usize) -> String {
        let members = self.members[from..].iter();
        let hosts: Vec<_> = members
            .map(|member| format!("127.0.0.1:{}", member.port))
            .collect();
        format!("redis://{}", hosts.join(","))
    }

    /// Moves a key's slot, with all that is in it, to another master, as `redis-cli --cluster reshard` does. Returns the two.
    async fn move_slot(&mut self, key: &str) -> (usize, usize) {
        let slot: u16 = redis::cmd("CLUSTER")
            .arg("KEYSLOT")
            .arg(key)
            .query_async(&mut self.members[0].connection)
            .await
            .unwrap();
        let from = usize::from(slot / SLOTS.div_ceil(MASTERS as u16));
        let to = (from + 1) % MASTERS;
        let slot = slot.to_string();
        let (source, target) = (self.members[from].id.clone(), self.members[to].id.clone());
        let set = ["CLUSTER", "SETSLOT", &slot];
        let importing = [&set[..], &["IMPORTING", &source]].concat();
        say(&mut self.members[to].connection, &importing).await;
        let migrating = [&set[..], &["MIGRATING", &target]].concat();
        say(&mut self.members[from].connection, &migrating).await;
        loop {
            let keys: Vec<String> = redis::cmd("CLUSTER")
                .arg("GETKEYSINSLOT")
                .arg(&slot)
                .arg(100)
                .query_async(&mut self.members[from].connection)
                .await
                .unwrap();
            if keys.is_empty() {
                break;
            }
            redis::cmd("MIGRATE")
                .arg("127.0.0.1")
                .arg(self.members[to].port)
                .arg("")
                .arg(0)
                .arg(5000)
                .arg("REPLACE")
                .arg("KEYS")
                .arg(&keys)
                .exec_async(&mut self.members[from].connection)
                .await
                .unwrap();
        }
        let moved = [&set[..], &["NODE", &target]].concat();
        for member in [to, from] {
            say(&mut self.members[member].connection, &moved).await;
        }
        (from, to)
    }
}

async fn say(connection: &mut MultiplexedConnection, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).exec_async(connection).await.unwrap();
}

async fn until_said(connection: &mut MultiplexedConnection, words: &[&str], wanted: impl Fn(&str) -> bool) {
    within(&words.join(" "), async {
        while !wanted(&ask::<String>(connection, words).await) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn nodes_meet_through_a_redis_cluster_that_changes() {
    let mut engine = RedisCluster::start().await;
    // One knows a single server, the other all but that.
    let one = engine.url(MASTERS);
    let (first, second) = (
        manager::start(node(&one)).await,
        manager::start(node(&engine.url(0))).await,
    );
    let (mut a, mut b) = pair(&first.url, &second.url).await;
    connects(&mut a, &mut b, "one").await;

    // The slots of all that the two need go to other servers: their names, the swarm, their channels.
    let set = format!("shoal:swarm:{{{A}}}");
    let mut connection = redis::cluster::ClusterClient::new([engine.url(0).split(',').next().unwrap()])
        .unwrap()
        .get_async_connection()
        .await
        .unwrap();
    let names: Vec<String> = redis::cmd("SMEMBERS")
        .arg(&set)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(names.len(), 2);
    let prefix = "{\"prefix\": \"192.0.2.0/24\"}";
    let ban = first.manager.call("POST", "/v1/bans", prefix).await.json();
    let path = format!("/v1/bans/{}", ban["id"]);
    let is_there = |bans: &Value| bans["items"] == json!([ban]);
    second.manager.until("/v1/bans", is_there).await;
    let channels = names.iter().map(|name| format!("shoal:node.{name}"));
    let keys: Vec<String> = ["shoal:nodes", "shoal:{bans}", &set]
        .into_iter()
        .map(str::to_owned)
        .chain(channels)
        .collect();
    for key in &keys {
        let (from, to) = engine.move_slot(key).await;
        assert_ne!(from, to);
    }
    // A third knows only how it is now.
    let third = start(node(&one)).await;
    let mut peers = [a, b, TestPeer::joined(&third, 3).await];
    meet(&mut peers, "moved").await;
    assert_eq!(second.manager.call("DELETE", &path, "").await.status, 204);
    first
        .manager
        .until("/v1/bans", |bans| bans["items"] == json!([]))
        .await;

    // A master dies, and its replica takes its place.
    engine.members[0].child.kill().await.unwrap();
    let replica = &mut engine.members[MASTERS].connection;
    until_said(replica, &["INFO", "replication"], |info| {
        info.contains("role:master")
    })
    .await;
    meet(&mut peers, "dead").await;
}

/// Each sees the others, and reaches the next.
async fn meet(peers: &mut [TestPeer; 3], oid: &str) {
    for peer in peers.iter_mut() {
        until("both others", peer, |list| list.len() == 2).await;
    }
    for _ in 0..peers.len() {
        let [from, to, _] = peers;
        reaches(from, to, oid).await;
        peers.rotate_left(1);
    }
}

/// Offers until one is let through and arrives: a node listens again within a second after its channel's slot has moved.
async fn reaches(from: &mut TestPeer, to: &mut TestPeer, oid: &str) {
    let mut number = 0;
    within("an offer arrives", async {
        loop {
            until_listed(from, to.id()).await;
            let offer = from.signal(Kind::Offer, to.id(), &format!("{oid}-{number}"));
            number += 1;
            if from.relay(offer).await.code == ErrorCode::NoError {
                let arrived = tokio::time::timeout(std::time::Duration::from_millis(500), to.pushed());
                if arrived.await.is_ok() {
                    return;
                }
            }
        }
    })
    .await;
}
