//! The accept loop, and what all sessions share.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::{StdRng, SysError, SysRng};
use rand::{Rng, RngExt, SeedableRng};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracker_protocol::{IssuedCertificate, KEY_BLOB_LEN, Request, RequestBody, peer_id_of};

use crate::alto;
use crate::bans::Bans;
use crate::certificates::{Certificates, SERIAL_LEN, wanted_certificates};
use crate::clock::Clock;
use crate::cluster::{self, Cluster, Outbox};
use crate::config::{Config, Invalid};
use crate::cost_map::{AltoServer, CostMap, CostMapError, Source};
use crate::event_log::{EventLog, What};
use crate::front::{self, Arrival, Front};
use crate::http::{self, Dialect, Upgraded};
use crate::key::{KeyError, TrackerKey};
use crate::limits::{SocketPermit, Sockets};
use crate::management::Management;
use crate::metrics::{Counts, Metrics, ReadResult, Refusal};
use crate::nonces::Nonces;
use crate::phase::{Phase, Shutdown, reached};
use crate::registry::Registry;
use crate::reload::Reload;
use crate::session::Session;
use crate::socket::{self, Sessions};
use crate::token::{self, Grant};
use crate::websocket::WebSocket;
use crate::webtorrent::{Torrents, WebTorrent};
use crate::workers::Workers;

/// Expired peers are looked for at least this often.
const TICK: Duration = Duration::from_secs(1);
/// After an error of `accept` (usually too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Sessions get this long to say goodbye.
const GRACE: Duration = Duration::from_secs(5);

/// Why a tracker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// There is no key to sign certificates with.
    #[error("key: {source}{hint}", hint = if *create { "" } else { " (create_key makes one)" })]
    Key {
        /// Why.
        source: KeyError,
        /// Was it to be made?
        create: bool,
    },
    /// The token of management cannot be read.
    #[error("management.token_file: {path}: {source}", path = path.display())]
    Token {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The map of the network cannot be used.
    #[error(transparent)]
    CostMap(#[from] CostMapError),
    /// A setting, or a file that it names, is wrong.
    #[error(transparent)]
    Setting(#[from] Invalid),
    /// The system gives no threads, or no way to wait for sockets on them.
    #[error("no threads: {0}")]
    Threads(io::Error),
    /// The system gives no random numbers.
    #[error("no random numbers from the system: {0}")]
    Random(SysError),
}

pub(crate) struct Shared {
    config: Mutex<Arc<Config>>,
    pub(crate) clock: Clock,
    pub(crate) front: Front,
    pub(crate) sockets: Sockets,
    pub(crate) sessions: Sessions,
    pub(crate) metrics: Metrics,
    pub(crate) certificates: Certificates,
    pub(crate) phases: watch::Receiver<Phase>,
    pub(crate) nonces: Mutex<Nonces>,
    pub(crate) torrents: Mutex<Torrents>,
    /// Where the map of the network is from. Each new value has a server's map polled at once.
    pub(crate) map_source: watch::Sender<Option<Source>>,
    pub(crate) bans: Bans,
    pub(crate) log: Arc<EventLog>,
    registry: Mutex<Registry>,
    rng: Mutex<StdRng>,
    next_session: AtomicU64,
}

impl Shared {
    /// The settings of the moment.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these settings apply, as far as they can while it runs.
    pub(crate) fn configure(&self, config: Config) {
        self.registry().configure(config.registry());
        self.registry().set_cluster_receiver(config.signals);
        let mut torrents = self.torrents.lock().unwrap_or_else(PoisonError::into_inner);
        torrents.configure(config.torrents());
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// From now on this map is used; where it is polled, the old one until there is one.
    pub(crate) fn set_map(&self, source: Option<Source>, map: Option<CostMap>) {
        let is_polled = matches!(source, Some(Source::Alto(_)));
        // First, so that what is still under way does not come after it.
        self.map_source.send_replace(source);
        if !is_polled {
            // It is dropped when the registry is free again.
            let _former = self.registry().set_cost_map(map.map(Arc::new));
        }
    }

    /// A server's map, unless meanwhile another is to be used.
    pub(crate) fn set_polled_map(&self, server: &AltoServer, map: CostMap) {
        let map = Arc::new(map);
        let _former = {
            let mut registry = self.registry();
            match &*self.map_source.borrow() {
                Some(Source::Alto(now)) if now == server => registry.set_cost_map(Some(map)),
                _ => None,
            }
        };
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn random<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The certificates that a request of the peer with this key asks for, made before the registry is locked.
    pub(crate) fn certificates_for(
        &self,
        key_blob: &[u8; KEY_BLOB_LEN],
        grant: Option<&Grant>,
        request: &Request,
    ) -> Vec<IssuedCertificate> {
        // What others and strangers ask is refused, which needs no signature.
        if let RequestBody::Cert(swarm) = &request.body
            && !(peer_id_of(key_blob) == request.peer_id
                && self.registry().is_member(&request.peer_id, swarm))
        {
            return Vec::new();
        }
        let serial = || {
            let mut serial = [0; SERIAL_LEN];
            self.random(|rng| rng.fill_bytes(&mut serial));
            serial
        };
        let now = Clock::unix_ms() / 1000;
        // Who is a member for as long as its token lasts has no certificate that lasts longer.
        let until = grant.map_or(u64::MAX, |grant| grant.until);
        let mut certificates = Vec::new();
        for swarm in wanted_certificates(request) {
            if let Some((issued, source)) = self.certificates.get(key_blob, swarm, now, until, serial) {
                self.metrics.certified(source);
                certificates.push(issued);
            }
        }
        certificates
    }

    /// Numbers of the moment.
    pub(crate) fn counts(&self) -> Counts {
        let (peers, swarms) = {
            let registry = self.registry();
            (registry.peer_count(), registry.swarm_count())
        };
        let (members, torrents) = {
            let torrents = self.torrents.lock().unwrap_or_else(PoisonError::into_inner);
            (torrents.member_count(), torrents.torrent_count())
        };
        let sockets = self.sockets.open();
        Counts {
            sockets,
            peers,
            swarms,
            members,
            torrents,
        }
    }

    pub(crate) fn metrics_text(&self) -> String {
        self.metrics.text(self.counts())
    }
}

/// A tracker that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    shutdown: Shutdown,
    /// Where it is one node of a cluster.
    outbox: Option<(cluster::Address, Outbox)>,
    management: Option<Management>,
    workers: Workers,
}

impl Server {
    /// Starts to listen.
    ///
    /// # Errors
    /// [`ServerError`]: the address is not this machine's, the port is taken, …
    pub async fn bind(config: Config) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let rng = || StdRng::try_from_rng(&mut SysRng).map_err(ServerError::Random);
        let (shutdown, phases) = Shutdown::new();
        let create = config.create_key;
        let failed = |source| ServerError::Key { source, create };
        let key = match &config.key {
            Some(path) if create => TrackerKey::read_or_create(path, &mut rng()?).map_err(failed)?,
            Some(path) => TrackerKey::read(path).map_err(failed)?,
            None => {
                tracing::info!("no key named: certificates are signed with a new one, for this run only");
                TrackerKey::generate(&mut rng()?)
            }
        };
        tracing::info!(
            tracker_key = key.public_text(),
            "certificates can be checked with"
        );
        let mut registry = Registry::new(config.registry(), rng()?);
        let metrics = Metrics::new();
        let source = config.map_source();
        if let Some((source, map)) = source.as_ref().and_then(|source| Some((source, source.read()?))) {
            registry.set_cost_map(Some(Arc::new(map?)));
            metrics.map_read(source.name(), ReadResult::Loaded);
        }
        let (mut outbox, mut bans) = (None, Bans::default());
        if let Some(engine) = cluster::Address::read(&config)? {
            let (cluster, letters) = Cluster::new(&mut rng()?, config.signals, metrics.cluster.clone());
            bans = Bans::of_node(cluster.number());
            registry.set_cluster(cluster);
            outbox = Some((engine, letters));
        }
        let management = Management::bind(&config.management).await?;
        let log = Arc::new(EventLog::default());
        if management.is_some() {
            registry.set_log(log.clone());
        }
        let lifetime = config.certificate_lifetime.as_secs();
        let front = Front::new(&config, &key)?;
        let workers = Workers::start(config.threads).map_err(ServerError::Threads)?;
        let shared = Shared {
            certificates: Certificates::new(key, lifetime, config.max_peers),
            torrents: Mutex::new(Torrents::new(config.torrents(), rng()?)),
            bans,
            log,
            nonces: Mutex::new(Nonces::new(rng()?.random())),
            registry: Mutex::new(registry),
            rng: Mutex::new(rng()?),
            clock: Clock::start(),
            front,
            sessions: Sessions::default(),
            metrics,
            map_source: watch::Sender::new(source),
            phases,
            sockets: Sockets::default(),
            next_session: AtomicU64::new(1),
            config: Mutex::new(Arc::new(config)),
        };
        Ok(Self {
            listener,
            address,
            shared: Arc::new(shared),
            shutdown,
            outbox,
            management,
            workers,
        })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the dashboard, where operators are let in.
    pub fn management_url(&self) -> Option<String> {
        let management = self.management.as_ref()?;
        Some(format!("http://{}/", management.local_addr()))
    }

    /// The URL for peers on this machine; the one of WebTorrent's clients where those only are served.
    pub fn url(&self) -> String {
        let path = match self.shared.config().ppsp {
            true => http::PATH,
            false => http::WEBTORRENT_PATH,
        };
        let scheme = match self.shared.front.is_secure() {
            true => "wss",
            false => "ws",
        };
        format!("{scheme}://{}{path}", self.address)
    }

    /// To end it.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// To give it new settings while it runs.
    pub fn reload(&self) -> Reload {
        Reload::new(self.shared.clone())
    }

    /// Serves until [`Shutdown::drain`] or [`Shutdown::stop`], and what they say is done.
    pub async fn run(mut self) {
        let (shared, workers) = (&self.shared, &mut self.workers);
        let mut phases = shared.phases.clone();
        // Every connection holds a sender: when the last one is gone, `recv` ends.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        let timers = tokio::spawn(expire(shared.clone()));
        let config = shared.config();
        let clustered = self.outbox.map(|(engine, outbox)| {
            let node_url = config.node_url.clone();
            tokio::spawn(cluster::run(shared.clone(), engine, node_url, outbox))
        });
        let maps = tokio::spawn(alto::follow(shared.clone()));
        let keys = tokio::spawn(token::follow(shared.clone()));
        let management = self
            .management
            .map(|management| tokio::spawn(management.run(shared.clone(), self.shutdown.clone())));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = reached(&mut phases, Phase::Draining) => break,
            };
            match accepted {
                Ok((stream, from)) => {
                    let permit = front::admit(shared, from.ip());
                    let (shared, alive) = (shared.clone(), alive.clone());
                    let serve = move |stream| async move {
                        if let Err(error) = connection(&shared, stream, from, permit).await {
                            tracing::debug!(%from, %error, "connection failed");
                        }
                        drop(alive);
                    };
                    if let Err(error) = workers.serve(stream, serve).await {
                        tracing::warn!(%from, %error, "cannot serve");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // From now on the address is free for another tracker.
        drop((self.listener, alive));
        shared.log.publish(What::Draining);
        workers.close();
        let config = shared.config();
        let drained = config.drain_period + config.drain_notice + GRACE;
        let all_gone = tokio::select! {
            _ = all_gone.recv() => true,
            () = sleep(drained) => false,
            () = reached(&mut phases, Phase::Stopping) => timeout(GRACE, all_gone.recv()).await.is_ok(),
        };
        timers.abort();
        if let Some(clustered) = clustered {
            clustered.abort();
        }
        maps.abort();
        keys.abort();
        if let Some(management) = management {
            management.abort();
        }
        if !all_gone {
            tracing::warn!("some sockets did not close in time");
        }
    }
}

/// Ends registrations whose timers expire.
async fn expire(shared: Arc<Shared>) {
    loop {
        let (mut out, now) = (Vec::new(), shared.clock.now());
        let next = {
            let mut registry = shared.registry();
            registry.handle_timeout(now, &mut out);
            registry.poll_timeout()
        };
        shared.sessions.deliver(out);
        let wait = next.map_or(TICK, |at| Duration::from_micros(at.saturating_sub(now)).min(TICK));
        sleep(wait.max(Duration::from_millis(1))).await;
    }
}

/// One TCP connection, from its first byte to its last.
async fn connection(
    shared: &Arc<Shared>,
    stream: TcpStream,
    from: SocketAddr,
    permit: Result<SocketPermit, Refusal>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let arrival = front::receive(shared, stream, from, permit).await?;
    let Some(Arrival {
        stream,
        door,
        from,
        permits: _permits,
    }) = arrival
    else {
        return Ok(());
    };
    let Some(Upgraded {
        dialect,
        stream,
        rest,
        from,
        permit: _permit,
    }) = http::serve(shared, stream, door, from).await?
    else {
        return Ok(());
    };
    let socket = WebSocket::new(stream, rest);
    shared.metrics.accepted();
    let id = shared.next_session.fetch_add(1, Ordering::Relaxed);
    match dialect {
        Dialect::Ppsp => socket::run(shared, socket, id, from, Session::new(shared, id, door, from)).await,
        Dialect::WebTorrent => socket::run(shared, socket, id, from, WebTorrent::new(shared, id)).await,
    }
    Ok(())
}
