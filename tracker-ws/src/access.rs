//! Which swarms may be, and who may be in them.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracker_protocol::{Action, ErrorCode, Request, RequestBody, Response, is_swarm_id};

use crate::config::{Config, Invalid};
use crate::setting_file::{read_lines, wrong};
use crate::token::{Grant, KeyServer, RemoteKeys, TokenError, TokenKeys, TokenRules};

/// Most entries of a list that is read from a file.
const MAX_ENTRIES: usize = 1_000_000;

/// Which swarms there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SwarmPolicy {
    /// Any.
    #[default]
    Open,
    /// Those that are listed.
    AllowList,
    /// Those that a peer's token names, for that peer.
    Token,
}

/// A request that is refused, and the `ext.reason` of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) code: ErrorCode,
    pub(crate) reason: &'static str,
}

/// Whose keys are not there yet may ask again after so many seconds.
const KEYS_RETRY: u64 = 5;

impl Denied {
    /// The answer to a request with this ID.
    pub(crate) fn response(self, transaction_id: &str) -> Response {
        let mut response = Response::failed(transaction_id, self.code, self.reason);
        response.ext.retry_after = (self.code == ErrorCode::Unavailable).then_some(KEYS_RETRY);
        response
    }
}

impl From<TokenError> for Denied {
    fn from(error: TokenError) -> Self {
        Self {
            code: match error {
                TokenError::NoKeys => ErrorCode::Unavailable,
                _ => ErrorCode::AuthenticationRequired,
            },
            reason: error.reason(),
        }
    }
}

/// The policy with what it needs.
#[derive(Debug)]
pub(crate) enum Access {
    Open,
    AllowList(HashSet<Box<str>>),
    Token(TokenRules),
}

impl Access {
    /// Reads what these settings name. `remote` is where keys of a server are put.
    ///
    /// # Errors
    /// [`Invalid`]: a file cannot be read, or has something else in it.
    pub(crate) fn read(config: &Config, remote: &Arc<RemoteKeys>) -> Result<Self, Invalid> {
        match config.swarm_policy {
            SwarmPolicy::Open => Ok(Self::Open),
            SwarmPolicy::AllowList => {
                let file = config.allowed_swarms_file.as_deref();
                let is_swarm = |line: &str| match is_swarm_id(line) {
                    true => None,
                    false => Some("is not a swarm ID: 40 to 260 lower-case hex digits"),
                };
                list("allowed_swarms_file", &config.allowed_swarms, file, is_swarm).map(Self::AllowList)
            }
            SwarmPolicy::Token => {
                let file = config.denied_tokens_file.as_deref();
                Ok(Self::Token(TokenRules {
                    keys: TokenKeys::read(&config.token_keys)?,
                    remote: KeyServer::of(config).map(|server| (server.url, remote.clone())),
                    leeway: config.token_leeway.as_secs(),
                    issuers: config.token_issuers.clone(),
                    denied: list("denied_tokens_file", &config.denied_tokens, file, |_| None)?,
                }))
            }
        }
    }

    /// What a peer may do that has proven its ID and shown this token; `None` where that takes no token. `audiences` are the
    /// tracker's origins, `now` is in Unix seconds.
    ///
    /// # Errors
    /// 06 and why; 05 where no keys have come yet from the server that has them.
    pub(crate) fn grant(
        &self,
        token: Option<&str>,
        peer_id: &str,
        audiences: &[String],
        now: u64,
    ) -> Result<Option<Grant>, Denied> {
        match self {
            Self::Open | Self::AllowList(_) => Ok(None),
            Self::Token(rules) => Ok(Some(rules.verify(token, peer_id, audiences, now)?)),
        }
    }

    /// May a peer with this grant make this request at `now` (Unix seconds)? It may always leave.
    ///
    /// # Errors
    /// 03 where the swarm is not to be, or the swarm or mode not covered by the grant; 06 where there is no grant, or it has
    /// ended since.
    pub(crate) fn permits(&self, grant: Option<&Grant>, request: &Request, now: u64) -> Result<(), Denied> {
        if self.is_open() {
            return Ok(());
        }
        match &request.body {
            RequestBody::Connect(connect) => {
                let actions = &connect.swarm_action;
                let mut joins = actions.iter().filter(|action| action.action == Action::Join);
                if joins.clone().next().is_none() && !actions.is_empty() {
                    return Ok(());
                }
                self.lasts(grant, now)?;
                joins.try_for_each(|join| {
                    self.covers(grant, &join.swarm_id)?;
                    match grant.is_none_or(|grant| grant.covers_mode(join.peer_mode)) {
                        true => Ok(()),
                        false => Err(forbidden("mode-not-covered")),
                    }
                })
            }
            RequestBody::Find(find) => {
                self.lasts(grant, now)?;
                self.covers(grant, &find.swarm_id)
            }
            RequestBody::Signal(signal) => {
                self.lasts(grant, now)?;
                self.covers(grant, &signal.swarm)
            }
            RequestBody::Cert(swarm) => {
                self.lasts(grant, now)?;
                self.covers(grant, swarm)
            }
            // Who can no longer report is forgotten in time.
            RequestBody::StatReport(_) => self.lasts(grant, now),
        }
    }

    /// May every swarm be, for everybody?
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// May this swarm be, for peers that have no tokens?
    pub(crate) fn allows(&self, swarm: &str) -> bool {
        match self {
            Self::Open => true,
            Self::AllowList(swarms) => swarms.contains(swarm),
            Self::Token(_) => false,
        }
    }

    fn lasts(&self, grant: Option<&Grant>, now: u64) -> Result<(), Denied> {
        let Self::Token(rules) = self else { return Ok(()) };
        let grant = grant.ok_or(TokenError::Missing)?;
        Ok(rules.renew(grant, now)?)
    }

    fn covers(&self, grant: Option<&Grant>, swarm: &str) -> Result<(), Denied> {
        match self {
            Self::Token(_) if grant.is_some_and(|grant| grant.swarms.contains(swarm)) => Ok(()),
            Self::Token(_) => Err(forbidden("swarm-not-covered")),
            Self::Open | Self::AllowList(_) if self.allows(swarm) => Ok(()),
            Self::Open | Self::AllowList(_) => Err(forbidden("swarm-not-allowed")),
        }
    }

    /// Is it the same in effect, as far as files go?
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::AllowList(one), Self::AllowList(other)) => one == other,
            (Self::Token(one), Self::Token(other)) => one.keys == other.keys && one.denied == other.denied,
            // Another policy is another setting.
            _ => true,
        }
    }
}

fn forbidden(reason: &'static str) -> Denied {
    Denied {
        code: ErrorCode::Forbidden,
        reason,
    }
}

/// What a setting lists, and a file, line by line.
fn list(
    key: &str,
    listed: &[String],
    file: Option<&std::path::Path>,
    problem: impl Fn(&str) -> Option<&'static str>,
) -> Result<HashSet<Box<str>>, Invalid> {
    let mut all: HashSet<Box<str>> = listed.iter().map(|entry| entry.as_str().into()).collect();
    if let Some(path) = file {
        for (number, line) in read_lines(key, path)? {
            if let Some(problem) = problem(&line) {
                return Err(wrong(
                    key,
                    path,
                    format_args!("line {number}: {line:.100}: {problem}"),
                ));
            }
            all.insert(line.into());
        }
        if all.len() > MAX_ENTRIES {
            return Err(wrong(key, path, "more than 1000000 entries"));
        }
    }
    Ok(all)
}
