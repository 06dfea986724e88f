//! A connection to the engine, be it one server or a Redis Cluster.
//!
//! Commands go in parts, each of which concerns one key, or keys with the same hash tag. One server gets all parts at once; of
//! a Redis Cluster each part goes to the server that has the key, along redirections where that has just changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, Pipeline, ProtocolVersion,
    PushInfo, RedisError, RedisResult, TlsCertificates, Value,
};

use super::address::Address;

/// To connect, and for each answer: an engine that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a part is sent to a Redis Cluster that is busy with its slots, and the pauses between, ms.
const RETRIES: u32 = 6;
const RETRY_PAUSES: (u64, u64) = (50, 500);

/// What the engine says unasked goes there.
pub(super) type Pushes = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// Commands about one key, or keys with the same hash tag.
pub(super) type Part = Vec<Cmd>;

#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Connects to the first server that answers, and if it is one of a Redis Cluster, to that.
    pub(super) async fn open(address: &Address, pushes: &Pushes) -> RedisResult<Self> {
        let mut failed = RedisError::from((ErrorKind::InvalidClientConfig, "no server is named"));
        for seed in &address.seeds {
            match in_time(one(seed, address.certificates.as_ref(), pushes)).await {
                Ok((_, true)) => return in_time(cluster(address, pushes)).await,
                Ok((connection, false)) => return Ok(Self::One(connection)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Does what the parts say; the answers to the commands of each.
    pub(super) async fn run(&mut self, parts: Vec<Part>) -> RedisResult<Vec<Vec<Value>>> {
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::One(connection) => {
                let counts: Vec<usize> = parts.iter().map(Vec::len).collect();
                let answers = pipeline(parts.into_iter().flatten());
                let answers: Vec<Value> = answers.query_async(connection).await?;
                let mut answers = answers.into_iter();
                let parts = counts.iter().map(|count| answers.by_ref().take(*count).collect());
                Ok(parts.collect())
            }
            Self::Cluster(connection) => {
                let parts = parts.into_iter().map(|part| {
                    let mut connection = connection.clone();
                    async move { pipeline(part.into_iter()).query_async(&mut connection).await }
                });
                try_join_all(parts).await
            }
        }
    }

    /// Listens to a sharded channel, or to a plain one where there are no others: before version 7. Says which.
    pub(super) async fn subscribe(&mut self, channel: &str) -> RedisResult<bool> {
        let sharded = match self {
            Self::One(connection) => {
                let mut subscribe = redis::cmd("SSUBSCRIBE");
                subscribe.arg(channel).exec_async(connection).await
            }
            Self::Cluster(connection) => connection.ssubscribe(channel).await,
        };
        match sharded {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::Server(_)) => {
                match self {
                    Self::One(connection) => connection.subscribe(channel).await?,
                    Self::Cluster(connection) => connection.subscribe(channel).await?,
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// May a subscription end without the connection?
    pub(super) fn loses_subscriptions(&self) -> bool {
        // A slot that moves to another server leaves its listeners behind.
        matches!(self, Self::Cluster(_))
    }
}

fn pipeline(commands: impl Iterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

async fn in_time<T>(connecting: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let timed_out = |_| RedisError::from((ErrorKind::Io, "no answer to the greeting"));
    tokio::time::timeout(PATIENCE, connecting)
        .await
        .map_err(timed_out)?
}

/// Connects to one server; says whether it is one of a Redis Cluster.
async fn one(
    seed: &ConnectionInfo,
    certificates: Option<&TlsCertificates>,
    pushes: &Pushes,
) -> RedisResult<(MultiplexedConnection, bool)> {
    let pushes = pushes.clone();
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
        .set_push_sender(move |push: PushInfo| -> Result<(), ()> {
            pushes(push);
            Ok(())
        });
    let client = match certificates {
        Some(certificates) => Client::build_with_tls(seed.clone(), certificates.clone())?,
        None => Client::open(seed.clone())?,
    };
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let hello: HashMap<String, Value> = redis::cmd("HELLO").arg(3).query_async(&mut connection).await?;
    let mode = hello.get("mode").cloned().map(String::from_redis_value);
    Ok((connection, matches!(mode, Some(Ok(mode)) if mode == "cluster")))
}

async fn cluster(address: &Address, pushes: &Pushes) -> RedisResult<Connection> {
    if address.is_socket() {
        let why = "a Redis Cluster is not reached through a socket of one of its servers";
        return Err((ErrorKind::InvalidClientConfig, why).into());
    }
    let pushes = pushes.clone();
    let mut builder = ClusterClientBuilder::new(address.seeds.iter().cloned())
        .use_protocol(ProtocolVersion::RESP3)
        .connection_timeout(PATIENCE)
        .response_timeout(PATIENCE)
        .overall_response_timeout(Some(PATIENCE))
        .retries(RETRIES)
        .min_retry_wait(RETRY_PAUSES.0)
        .max_retry_wait(RETRY_PAUSES.1)
        .push_sender(move |push: PushInfo| -> Result<(), ()> {
            pushes(push);
            Ok(())
        });
    if let Some(certificates) = &address.certificates {
        builder = builder.certs(certificates.clone());
    }
    let connection = builder.build()?.get_async_connection().await?;
    Ok(Connection::Cluster(connection))
}
