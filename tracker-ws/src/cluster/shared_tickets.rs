//! The secret that keys of TLS tickets are made of, shared: who comes back at another node resumes there.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracker_protocol::to_hex;

use super::Loss;
use super::engine::Engine;
use crate::server::Shared;
use crate::tls::{SECRET_LEN, new_secret};

/// The secret is looked at as often.
const PERIOD: Duration = Duration::from_secs(10);

/// Goes on until the connection fails; says why. Where the engine has no secret, or none any more, it gets one.
pub(super) async fn share(shared: &Shared, mut engine: Engine) -> redis::RedisError {
    let Some(tickets) = shared.front.shared_tickets() else {
        return std::future::pending().await;
    };
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(candidate) = new_secret() else { continue };
        match engine
            .ticket_secret(&to_hex(&candidate))
            .await
            .map(|text| secret(&text))
        {
            Ok(Some(secret)) => tickets.learn(shared.clock.now(), &secret),
            Ok(None) => shared.metrics.cluster.lost(Loss::Malformed),
            Err(error) => return error,
        }
    }
}

fn secret(text: &str) -> Option<[u8; SECRET_LEN]> {
    let mut secret = [0; SECRET_LEN];
    if text.len() != 2 * SECRET_LEN || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in secret.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(secret)
}
