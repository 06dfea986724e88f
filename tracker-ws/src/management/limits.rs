//! Limits, read and changed.

use axum::response::Json;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::State;
use super::extract::{self, present};
use super::problem::{BadBody, Problem, Refused};
use crate::config::Config;
use crate::limits;

/// How much is allowed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rate {
    /// In the long run, per second.
    #[schema(minimum = 1, maximum = 1_000_000)]
    per_second: u32,
    /// At once, after a pause.
    #[schema(minimum = 1, maximum = 1_000_000)]
    burst: u32,
}

impl From<limits::Rate> for Rate {
    fn from(limits::Rate { per_second, burst }: limits::Rate) -> Self {
        Self { per_second, burst }
    }
}

impl From<Rate> for limits::Rate {
    fn from(Rate { per_second, burst }: Rate) -> Self {
        Self { per_second, burst }
    }
}

/// The settings that are limits, one line each: so that reading, changing and the document name the same.
macro_rules! limits {
    ($($(#[$about:meta])* $name:ident: $type:ty,)*) => {
        /// Limits, as the settings of the same names.
        #[derive(Clone, Debug, Serialize, ToSchema)]
        pub(super) struct Limits {
            $($(#[$about])* $name: $type,)*
        }

        impl From<&Config> for Limits {
            fn from(config: &Config) -> Self {
                Self { $($name: config.$name.into(),)* }
            }
        }

        /// Limits to change; those that are absent stay.
        #[derive(Clone, Debug, Default, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct LimitChanges {
            $(
                $(#[$about])*
                #[serde(default, deserialize_with = "present")]
                #[schema(nullable = false)]
                $name: Option<$type>,
            )*
        }

        impl LimitChanges {
            fn make(self, config: &mut Config) {
                $(if let Some(value) = self.$name {
                    config.$name = value.into();
                })*
            }
        }
    };
}

limits! {
    /// Sockets.
    #[schema(minimum = 1, maximum = 1_000_000)]
    max_sockets: usize,
    /// Sockets of one address.
    #[schema(minimum = 1, maximum = 1_000_000)]
    sockets_per_address: usize,
    /// New sockets of one address.
    new_sockets: Rate,
    /// Registered peers.
    #[schema(minimum = 1, maximum = 1_000_000)]
    max_peers: usize,
    /// Swarms of a peer.
    #[schema(minimum = 1, maximum = 64)]
    max_swarms: usize,
    /// Requests of a peer, other than SIGNAL.
    requests: Rate,
    /// SIGNAL requests and batch offers of a peer.
    signals: Rate,
    /// Peers that a peer makes directed offers to, in a minute.
    #[schema(minimum = 1, maximum = 10_000)]
    receivers_per_minute: usize,
    /// Batch offers in one request.
    #[schema(minimum = 0, maximum = 5)]
    max_offers: usize,
    /// Offers in one announce of a WebTorrent client.
    #[schema(minimum = 0, maximum = 10)]
    max_announce_offers: usize,
    /// Longest session description, bytes.
    #[schema(minimum = 256, maximum = 8192)]
    max_sdp: usize,
    /// Requests of all peers that concern one swarm.
    swarm_requests: Rate,
    /// Requests posted on one connection.
    posts: Rate,
}

/// Limits
///
/// In effect now.
#[utoipa::path(get, path = "/v1/limits", operation_id = "read_limits", tag = "limits", responses((status = 200, body = Limits), Refused))]
pub(super) async fn read(operator: State) -> Json<Limits> {
    Json((&*operator.shared.config()).into())
}

/// Change limits
///
/// For this run, and until the settings are read again (SIGHUP). They apply to open sockets at once; nobody is sent away for a
/// limit that is lower now. All are changed or, where one is wrong, none.
#[utoipa::path(
    patch,
    path = "/v1/limits", operation_id = "change_limits",
    tag = "limits",
    request_body = LimitChanges,
    responses((status = 200, body = Limits), Refused, BadBody)
)]
pub(super) async fn change(
    operator: State,
    extract::Json(changes): extract::Json<LimitChanges>,
) -> Result<Json<Limits>, Problem> {
    let done = operator.reload.change(|config| changes.make(config));
    done.map_err(|invalid| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, invalid.to_string()))?;
    Ok(read(operator).await)
}
