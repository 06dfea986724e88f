//! What a connection passes before anything is spoken on it: proxies, limits, TLS. And what it will be asked for then.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::access::Access;
use crate::config::{Config, Invalid};
use crate::fetch::Trust;
use crate::http;
use crate::key::TrackerKey;
use crate::limits::SocketPermit;
use crate::metrics::Refusal;
use crate::proxy::{Told, read_header};
use crate::server::Shared;
use crate::stream::Stream;
use crate::tls::{SharedTickets, Tickets, Tls};
use crate::token::{KeyServer, RemoteKeys};

/// What the files say that settings name; it is read again when the settings are.
#[derive(Debug)]
pub(crate) struct Front {
    tickets: Tickets,
    /// What the server has that has the keys of tokens.
    pub(crate) remote_keys: Arc<RemoteKeys>,
    shared_tickets: Option<Arc<SharedTickets>>,
    files: Mutex<Files>,
}

#[derive(Clone, Debug)]
pub(crate) struct Files {
    tls: Option<Tls>,
    access: Arc<Access>,
    trust: Trust,
    key_server: Option<KeyServer>,
}

impl Front {
    /// # Errors
    /// [`Invalid`]: a file is missing or wrong.
    pub(crate) fn new(config: &Config, key: &TrackerKey) -> Result<Self, Invalid> {
        // One that is alone draws keys that nobody else has.
        let shared_tickets = config
            .cluster
            .as_ref()
            .and_then(|_| SharedTickets::new(key.secret()));
        let shared_tickets = shared_tickets.map(Arc::new);
        let tickets = match &shared_tickets {
            Some(shared) => Tickets::shared(shared.clone()),
            None => Tickets::new()?,
        };
        let remote_keys = Arc::new(RemoteKeys::default());
        let files = Files::read(config, &tickets, &remote_keys)?;
        remote_keys.follow(files.key_server.clone());
        let files = Mutex::new(files);
        Ok(Self {
            tickets,
            shared_tickets,
            remote_keys,
            files,
        })
    }

    /// In a cluster, what seals tickets.
    pub(crate) fn shared_tickets(&self) -> Option<&SharedTickets> {
        self.shared_tickets.as_deref()
    }

    /// Reads the files that these settings name.
    ///
    /// # Errors
    /// [`Invalid`]: a file is missing or wrong.
    pub(crate) fn read(&self, config: &Config) -> Result<Files, Invalid> {
        Files::read(config, &self.tickets, &self.remote_keys)
    }

    /// From now on these count. Says what is in other files now, though the settings may name the same.
    pub(crate) fn replace(&self, files: Files) -> Vec<String> {
        let mut now = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Vec::new();
        if let (Some(one), Some(other)) = (&now.tls, &files.tls)
            && !one.shows_the_same(other)
        {
            changed.push("tls_certificate: another certificate".to_owned());
        }
        if !now.access.is_as(&files.access) {
            changed.push("swarm_policy: other swarms, keys or denied tokens".to_owned());
        }
        self.remote_keys.follow(files.key_server.clone());
        *now = files;
        changed
    }

    /// Whom to believe among servers that are asked over TLS.
    pub(crate) fn trust(&self) -> Trust {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.trust.clone()
    }

    pub(crate) fn access(&self) -> Arc<Access> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.access.clone()
    }

    fn tls(&self) -> Option<Tls> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.tls.clone()
    }

    /// Do connections begin with TLS?
    pub(crate) fn is_secure(&self) -> bool {
        self.tls().is_some()
    }
}

impl Files {
    fn read(config: &Config, tickets: &Tickets, remote_keys: &Arc<RemoteKeys>) -> Result<Self, Invalid> {
        let tls = match (&config.tls_certificate, &config.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls::read(certificate, key, tickets)?),
            _ => None,
        };
        Ok(Self {
            tls,
            access: Arc::new(Access::read(config, remote_keys)?),
            trust: Trust::of(config)?,
            key_server: KeyServer::of(config),
        })
    }
}

/// Where a connection came in: what peers may know the tracker by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    pub(crate) local: SocketAddr,
    /// Through TLS of our own.
    pub(crate) is_secure: bool,
}

/// A connection that may speak.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) stream: Stream,
    pub(crate) door: Door,
    /// Where it comes from. If that is a proxy that forwards, its requests are of others, and counted by their addresses.
    pub(crate) from: IpAddr,
    /// Counted until it ends.
    pub(crate) permits: Vec<SocketPermit>,
}

/// May a connection from this address be served? To be asked before anything of it is read.
pub(crate) fn admit(shared: &Shared, from: IpAddr) -> Result<SocketPermit, Refusal> {
    let (config, now) = (shared.config(), shared.clock.now());
    let proxies = config.proxies();
    match config.proxy_protocol {
        true if !proxies.trusts(from) => Err(Refusal::NotAProxy),
        true => shared.sockets.admit_proxy(config.sockets()),
        false if proxies.forwards(from) => shared.sockets.admit_proxy(config.sockets()),
        false => shared.sockets.admit(now, from, config.sockets()),
    }
}

/// Brings a connection from `from` as far as speaking. `None`: it was refused, and that was counted.
///
/// # Errors
/// When the connection fails.
pub(crate) async fn receive(
    shared: &Shared,
    mut stream: TcpStream,
    from: SocketAddr,
    permit: Result<SocketPermit, Refusal>,
) -> Result<Option<Arrival>, Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let tls = shared.front.tls();
    let refuse = |refusal, stream| refuse(shared, refusal, stream, tls.is_some());
    let permit = match permit {
        Ok(permit) => permit,
        Err(refusal) => return refuse(refusal, stream).await,
    };
    let config = shared.config();
    let (mut from, mut local) = (from.ip().to_canonical(), stream.local_addr()?);
    let mut permits = vec![permit];
    if config.proxy_protocol {
        match timeout(config.init_timeout, Box::pin(read_header(&mut stream))).await {
            Ok(Ok(Told::Addresses { from: client, to })) => (from, local) = (client.ip().to_canonical(), to),
            Ok(Ok(Told::Nothing)) => {}
            Ok(Err(error)) => {
                tracing::debug!(%from, %error, "refused");
                return refuse(Refusal::ProxyHeader, stream).await;
            }
            Err(_) => return refuse(Refusal::Handshake, stream).await,
        }
        if !config.proxies().forwards(from) {
            match shared
                .sockets
                .admit_behind(shared.clock.now(), from, config.sockets())
            {
                Ok(permit) => permits.push(permit),
                Err(refusal) => return refuse(refusal, stream).await,
            }
        }
    }
    let stream = match &tls {
        None => Stream::Plain(stream),
        // Apart from the task: a handshake needs more room than the socket that comes of it.
        Some(tls) => match timeout(config.init_timeout, Box::pin(tls.acceptor().accept(stream))).await {
            Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
            Ok(Err(error)) => {
                tracing::debug!(%from, %error, "TLS handshake failed");
                shared.metrics.refused(Refusal::Tls);
                return Ok(None);
            }
            Err(_) => {
                shared.metrics.refused(Refusal::Handshake);
                return Ok(None);
            }
        },
    };
    let door = Door {
        local,
        is_secure: tls.is_some(),
    };
    Ok(Some(Arrival {
        stream,
        door,
        from,
        permits,
    }))
}

async fn refuse(
    shared: &Shared,
    refusal: Refusal,
    mut stream: TcpStream,
    is_secure: bool,
) -> Result<Option<Arrival>, Box<dyn Error + Send + Sync>> {
    shared.metrics.refused(refusal);
    match refusal {
        // To whom HTTP can be said. A handshake of TLS costs more than whoever is too many is worth.
        Refusal::TooMany | Refusal::TooManyOfAddress | Refusal::TooFastOfAddress if !is_secure => {
            http::turn_away(stream).await?;
        }
        _ => stream.shutdown().await?,
    }
    Ok(None)
}
