//! Bans: made, listed and lifted. Who is banned is sent away at once.

use axum::response::{IntoResponse, Json, Response};
use hyper::StatusCode;
use hyper::header::LOCATION;
use serde::{Deserialize, Serialize};
use tracker_protocol::server::Timestamp;
use utoipa::{IntoParams, ToSchema};

use super::State;
use super::extract::{self, Named, Params, limit, ordinal, parsed, present};
use super::prefix_text::PrefixText;
use super::problem::{BadBody, Problem, Refused, Unknown};
use crate::bans::{self, Prefix, Subject};
use crate::clock::Clock;
use crate::event_log::What;

/// Longest ban that ends, seconds: ten years.
const MAX_SECONDS: u64 = 315_360_000;
/// Longest reason, characters.
const MAX_REASON: usize = 200;

/// A ban.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Ban {
    /// Its number.
    id: u64,
    /// The banned peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    peer_id: Option<String>,
    /// Or the banned addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    prefix: Option<String>,
    /// When it ends or did, Unix ms; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires: Option<u64>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

impl Ban {
    fn of(ban: bans::Ban, now: Timestamp) -> Self {
        let (peer_id, prefix) = match ban.subject {
            Subject::Peer(id) => (Some(id), None),
            Subject::Prefix(prefix) => (None, Some(prefix.to_string())),
        };
        Self {
            id: ban.id,
            peer_id,
            prefix,
            expires: ban
                .until
                .map(|until| (Clock::unix_ms() + until / 1000).saturating_sub(now / 1000)),
            reason: ban.reason,
        }
    }
}

/// Some bans.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Bans {
    /// The oldest first.
    items: Vec<Ban>,
    /// Where to go on (`after`); absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<u64>,
}

/// Which bans.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those with higher numbers than this: the `next` of the page before.
    #[param(maximum = 9_007_199_254_740_991_i64, nullable = false)]
    after: Option<u64>,
    /// Most items (50).
    #[param(minimum = 1, maximum = 200, nullable = false)]
    limit: Option<usize>,
}

/// A ban to make: of a peer or of addresses, one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBan {
    #[serde(default, deserialize_with = "present")]
    peer_id: Option<String>,
    #[serde(default, deserialize_with = "present")]
    prefix: Option<String>,
    #[serde(default, deserialize_with = "present")]
    seconds: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    reason: Option<String>,
}

/// The ban of a peer.
#[derive(ToSchema)]
#[schema(title = "PeerBan")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the document is made from it")]
pub(super) struct PeerBan {
    /// The peer, of either dialect: 64 hexadecimal digits, or the 40 of a WebTorrent peer ID.
    #[schema(pattern = "^([0-9a-f]{64}|[0-9a-f]{40})$")]
    peer_id: String,
    /// How long; for good where it is absent.
    #[schema(minimum = 1, maximum = 315_360_000, nullable = false)]
    seconds: Option<u64>,
    /// Why, for whoever reads the list.
    #[schema(max_length = 200, nullable = false)]
    reason: Option<String>,
}

/// The ban of addresses.
#[derive(ToSchema)]
#[schema(title = "PrefixBan")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the document is made from it")]
pub(super) struct PrefixBan {
    /// An address or prefix, such as 192.0.2.0/24.
    #[schema(value_type = PrefixText, inline)]
    prefix: String,
    /// How long; for good where it is absent.
    #[schema(minimum = 1, maximum = 315_360_000, nullable = false)]
    seconds: Option<u64>,
    /// Why, for whoever reads the list.
    #[schema(max_length = 200, nullable = false)]
    reason: Option<String>,
}

/// A ban to make.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the document is made from it")]
pub(super) enum BanRequest {
    Peer(PeerBan),
    Prefix(PrefixBan),
}

impl NewBan {
    fn subject(&self) -> Result<Subject, Problem> {
        let wrong = |detail: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        match (&self.peer_id, &self.prefix) {
            (Some(id), None) => {
                let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                let is_id = [40, 64].contains(&id.len()) && id.bytes().all(is_digit);
                is_id.then(|| Subject::Peer(id.clone())).ok_or_else(|| {
                    wrong("peer_id: not 64 hexadecimal digits, or the 40 of WebTorrent, in lower case")
                })
            }
            (None, Some(prefix)) => {
                let prefix: Result<Prefix, _> = prefix.parse();
                prefix
                    .map(Subject::Prefix)
                    .map_err(|error| wrong(&format!("prefix: {error}")))
            }
            _ => Err(wrong("want one of peer_id and prefix")),
        }
    }

    fn check(&self) -> Result<(), Problem> {
        let wrong = |detail: String| Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        if let Some(seconds) = self.seconds
            && !(1..=MAX_SECONDS).contains(&seconds)
        {
            return wrong(format!("seconds: {seconds} is not in 1 to {MAX_SECONDS}"));
        }
        let reason = self.reason.as_ref().map_or(0, |reason| reason.chars().count());
        if reason > MAX_REASON {
            return wrong(format!("reason: longer than {MAX_REASON} characters"));
        }
        Ok(())
    }
}

/// List bans
#[utoipa::path(get, path = "/v1/bans", operation_id = "list_bans", tag = "bans", params(Which), responses((status = 200, body = Bans), Refused))]
pub(super) async fn list(operator: State, Params(which): Params<Which>) -> Result<Json<Bans>, Problem> {
    let (limit, now) = (limit(which.limit)?, operator.shared.clock.now());
    let after = ordinal("after", which.after)?.unwrap_or(0);
    let bans = operator.shared.bans.after(now, after, limit);
    let next = match bans.last() {
        Some(last) if bans.len() == limit => Some(last.id),
        _ => None,
    };
    let items = bans.into_iter().map(|ban| Ban::of(ban, now)).collect();
    Ok(Json(Bans { items, next }))
}

/// Ban a peer, or addresses
///
/// A new ban of the same changes the old, which keeps its number. Who is in is sent away. Bans are kept in memory: they end with the
/// tracker; in a cluster they hold on all nodes, and end a day after the last. Whoever is at the management listener is not banned from that.
#[utoipa::path(
    post,
    path = "/v1/bans", operation_id = "add_ban",
    tag = "bans",
    request_body = BanRequest,
    responses(
        (status = 201, body = Ban, description = "New", headers(("Location" = String, description = "Of the ban"))),
        (status = 200, body = Ban, description = "The ban of the same, changed", headers(("Location" = String, description = "Of the ban"))),
        Refused,
        (status = 409, body = Problem, content_type = "application/problem+json", description = "There are 65536 already"),
        BadBody
    )
)]
pub(super) async fn add(
    operator: State,
    extract::Json(new): extract::Json<NewBan>,
) -> Result<Response, Problem> {
    let subject = new.subject()?;
    new.check()?;
    let now = operator.shared.clock.now();
    let until = new.seconds.map(|seconds| now + seconds * 1_000_000);
    let ban = operator.shared.bans.add(now, subject.clone(), until, new.reason);
    let (ban, was_there) =
        ban.ok_or_else(|| Problem::new(StatusCode::CONFLICT, "there are 65536 bans already"))?;
    operator.shared.log.publish(What::BanAdded {
        id: ban.id,
        subject: subject.to_string(),
    });
    match &subject {
        Subject::Peer(id) => operator.shared.send_peer_away(id),
        Subject::Prefix(prefix) => {
            let is_meant = |address| prefix.contains(address);
            operator.shared.send_hosts_away(is_meant).await;
        }
    }
    let location = format!("/v1/bans/{}", ban.id);
    let status = if was_there {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, [(LOCATION, location)], Json(Ban::of(ban, now))).into_response())
}

/// The number in the path.
fn number(id: &str) -> Result<u64, Problem> {
    let number = parsed("ban_id", Some(id))?;
    Ok(ordinal("ban_id", number)?.unwrap_or_default())
}

fn unknown() -> Problem {
    Problem::not_found("ban_id: no such ban")
}

/// One ban
///
/// Also for an hour after its end.
#[utoipa::path(
    get,
    path = "/v1/bans/{ban_id}", operation_id = "read_ban",
    tag = "bans",
    params(("ban_id" = u64, Path, maximum = 9_007_199_254_740_991_i64)),
    responses((status = 200, body = Ban), Refused, Unknown)
)]
pub(super) async fn one(operator: State, Named(id): Named) -> Result<Json<Ban>, Problem> {
    let ban = operator.shared.bans.get(number(&id)?).ok_or_else(unknown)?;
    Ok(Json(Ban::of(ban, operator.shared.clock.now())))
}

/// Lift a ban
#[utoipa::path(
    delete,
    path = "/v1/bans/{ban_id}", operation_id = "lift_ban",
    tag = "bans",
    params(("ban_id" = u64, Path, maximum = 9_007_199_254_740_991_i64)),
    responses((status = 204, description = "Lifted"), Refused, Unknown)
)]
pub(super) async fn remove(operator: State, Named(id): Named) -> Result<StatusCode, Problem> {
    let ban = operator
        .shared
        .bans
        .remove(operator.shared.clock.now(), number(&id)?)
        .ok_or_else(unknown)?;
    operator.shared.log.publish(What::BanRemoved {
        id: ban.id,
        subject: ban.subject.to_string(),
    });
    Ok(StatusCode::NO_CONTENT)
}
