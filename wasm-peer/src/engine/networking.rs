//! Between the network and the swarms.

use std::rc::Rc;

use ppspp::status::AccessLink;
use ppspp::swarm::Input;
use ppspp::{SwarmId, Timestamp};
use tracker_protocol::{LinkKind, Power, Role};

use super::counters::Neighbour;
use super::stream::Stream;
use super::{Inner, Networking, UPLOAD_TURN};
use crate::js::{Record, get, get_text};
use crate::net::{LinkId, NetConfig, NetEvent, Network, PeerStatus};

/// After the tracker answered, this long passes before a lack of connections means that there are no neighbours
/// (milliseconds): dialling starts a moment after the answer.
const DIALLING: f64 = 500.0;
/// An upload ceiling lets this many seconds of it go out at once.
const BURST_SECONDS: f64 = 0.5;
/// How often (milliseconds) it is looked whether there are enough neighbours.
const FIND_PAUSE: f64 = 5000.0;
/// Neighbours are asked for peers when there are fewer of them: with a tracker, and without one.
const FEW_NEIGHBOURS: usize = 3;
const ENOUGH_NEIGHBOURS: usize = 10;
/// Datagrams longer than this carry chunks, which ask for no upload.
const CONTROL_SIZE: usize = 4096;

impl Inner {
    /// Applies what `configure` may change.
    pub(super) fn configured(&self) {
        let (p2p, upload, max_peers) = {
            let config = self.config.borrow();
            (config.p2p, config.upload, config.max_peers)
        };
        if p2p {
            self.start_network();
        } else {
            self.stop_network();
        }
        if let Some(network) = self.network() {
            network.set_max_peers(max_peers);
            self.hand_over_token(&network);
        }
        for stream in self.streams() {
            self.input(&stream, Input::Upload(upload));
        }
        self.upload_turn();
    }

    /// Connects, once playback is wanted, P2P is allowed and the manifest is here.
    pub(super) fn start_network(&self) {
        let startable = self.wanted.get()
            && self.config.borrow().p2p
            && !self.streams.borrow().is_empty()
            && !self.closed.get()
            && matches!(&*self.networking.borrow(), Networking::Off);
        if !startable {
            return;
        }
        if self.trackers.borrow().is_empty() {
            self.fall_back(
                "tracker-missing",
                "neither the configuration nor shoal.json names a tracker",
            );
            return;
        }
        self.networking.replace(Networking::Starting);
        self.expect_until.set(f64::INFINITY);
        self.update_prospects();
        let config = {
            let config = self.config.borrow();
            NetConfig {
                trackers: self.trackers.borrow().clone(),
                ice_servers: config.ice_servers.clone(),
                max_peers: config.max_peers,
                relay_only: config.relay_only,
            }
        };
        let (this, for_events, page) = (self.this.clone(), self.this.clone(), self.page.clone());
        crate::js::spawn(async move {
            let on_event = Rc::new(move |event| {
                if let Some(inner) = for_events.upgrade() {
                    inner.net_event(event);
                }
            });
            let network = Network::new(config, page, on_event).await;
            let Some(inner) = this.upgrade() else { return };
            match network {
                Ok(network) => {
                    // It may have been switched off meanwhile.
                    if inner.closed.get() || !matches!(&*inner.networking.borrow(), Networking::Starting) {
                        return network.destroy();
                    }
                    network.set_status(own_status());
                    inner.hand_over_token(&network);
                    inner.next_find.set(inner.clock.now() + FIND_PAUSE);
                    inner.networking.replace(Networking::On(network));
                    for stream in inner.streams() {
                        inner.join(&stream);
                    }
                }
                Err(error) => {
                    inner.networking.replace(Networking::Off);
                    inner.config.borrow_mut().p2p = false;
                    inner.expect_until.set(0.0);
                    inner.update_prospects();
                    let reason = match get_text(&error, "name").as_deref() {
                        Some("crypto-missing") => "crypto-missing",
                        Some("token-failed") => "token-failed",
                        _ => "webrtc-missing",
                    };
                    inner.fall_back(reason, &get_text(&error, "message").unwrap_or_default());
                }
            }
        });
    }

    /// The token may be a new one.
    fn hand_over_token(&self, network: &Network) {
        let token = self.config.borrow().token.clone();
        if let Some(token) = token {
            network.set_token(token);
        }
    }

    pub(super) fn stop_network(&self) {
        let old = self.networking.replace(Networking::Off);
        self.expect_until.set(0.0);
        if let Networking::On(network) = old {
            for stream in self.streams() {
                for (link, _) in network.links() {
                    self.input(&stream, Input::LinkDown { link });
                }
            }
            let neighbours = core::mem::take(&mut self.counters.borrow_mut().peers);
            network.destroy();
            for neighbour in neighbours.values() {
                self.peer_event(&neighbour.peer.to_string(), "left", Some("p2p-off"));
            }
            self.set_tracker("", "off");
        }
        self.update_prospects();
    }

    /// Takes part in a swarm whose metadata are here: tracker, and every connection there is.
    pub(super) fn join(&self, stream: &Rc<Stream>) {
        let Some(network) = self.network() else { return };
        if stream
            .with_swarm(|swarm| swarm.set_peer_id(network.peer_id()))
            .is_none()
        {
            return;
        }
        network.join(&stream.swarm_id(), false);
        for (link, peer) in network.links() {
            self.input(stream, Input::LinkUp { link, peer });
            self.input(
                stream,
                Input::Writable {
                    link,
                    free: self.free(&network, link),
                },
            );
        }
        self.update_prospects();
    }

    fn net_event(&self, event: NetEvent) {
        if self.closed.get() {
            return;
        }
        match event {
            NetEvent::LinkUp { link, peer } => {
                let neighbour = Neighbour {
                    peer,
                    since: self.clock.now(),
                    downloaded: 0,
                    uploaded: 0,
                };
                {
                    let mut counters = self.counters.borrow_mut();
                    counters.connections += 1;
                    counters.peers.insert(link, neighbour);
                }
                self.peer_event(&peer.to_string(), "joined", None);
                let Some(network) = self.network() else { return };
                for stream in self.streams() {
                    self.input(&stream, Input::LinkUp { link, peer });
                    self.input(
                        &stream,
                        Input::Writable {
                            link,
                            free: self.free(&network, link),
                        },
                    );
                }
            }
            NetEvent::LinkDown { link, peer, reason } => {
                let known = self.counters.borrow_mut().peers.remove(link);
                for stream in self.streams() {
                    self.input(&stream, Input::LinkDown { link });
                }
                if known.is_some() {
                    self.peer_event(&peer.to_string(), "left", Some(reason));
                }
            }
            NetEvent::Datagram { link, data } => {
                let stream = self.streams().into_iter().find(|stream| {
                    stream
                        .with_swarm(|swarm| swarm.claims(link, &data))
                        .unwrap_or(false)
                });
                let (Some(stream), Some(network)) = (stream, self.network()) else {
                    return;
                };
                if data.len() <= CONTROL_SIZE {
                    // It may be a REQUEST: the swarms of a connection share its room, so tell what is left now.
                    self.input(
                        &stream,
                        Input::Writable {
                            link,
                            free: self.free(&network, link),
                        },
                    );
                }
                self.input(&stream, Input::Datagram { link, data });
            }
            NetEvent::Writable { link } => self.writable(link),
            NetEvent::Tracker { url, state, reason } => {
                self.set_tracker(&url, state);
                match state {
                    "joined" => {
                        self.tracker_joined.set(true);
                        self.tell_time();
                        self.expect_until.set(self.clock.now() + DIALLING);
                    }
                    "lost" => {
                        self.expect_until.set(0.0);
                        if !self.tracker_joined.get() {
                            let why = reason.as_deref().unwrap_or("no connection");
                            let message = ["tracker ", url.as_str(), ": ", why].concat();
                            self.fall_back("tracker-unreachable", &message);
                        }
                    }
                    _ => {}
                }
                let detail = Record::new();
                detail.text("url", &url);
                detail.text("state", state);
                if let Some(reason) = reason {
                    detail.text("reason", &reason);
                }
                self.emit("tracker", &detail);
                self.update_prospects();
            }
            NetEvent::Connecting => self.update_prospects(),
            NetEvent::PeerStatus { link, status } => {
                let status = ppspp::PeerStatus {
                    link: match status.link {
                        Some(LinkKind::Ethernet) => AccessLink::Ethernet,
                        Some(LinkKind::Wifi) => AccessLink::Wifi,
                        Some(LinkKind::Cellular) => AccessLink::Cellular,
                        _ => AccessLink::Unknown,
                    },
                    battery: status.power == Some(Power::Battery),
                    saver: status.saver == Some(true),
                };
                for stream in self.streams() {
                    self.input(&stream, Input::PeerStatus { link, status });
                }
            }
            NetEvent::TrackerKey(key) => {
                self.tracker_key.borrow_mut().get_or_insert(key);
            }
            NetEvent::Certificate {
                swarm,
                certificate,
                expires,
            } => {
                let expires = Timestamp(expires.saturating_mul(1_000_000));
                self.input_to(&swarm, Input::Certificate { certificate, expires });
            }
            NetEvent::ReportDue => self.report(),
            NetEvent::SwarmSize { swarm, members } => self.input_to(&swarm, Input::SwarmSize(members)),
        }
    }

    fn input_to(&self, swarm: &SwarmId, input: Input) {
        let stream = self
            .streams()
            .into_iter()
            .find(|stream| stream.entry.swarm_id == *swarm);
        if let Some(stream) = stream {
            self.input(&stream, input);
        }
    }

    /// Asks the neighbours for peers, as long as the tracker cannot give enough.
    pub(super) fn find_peers(&self) {
        let Some(network) = self.network() else {
            return self.next_find.set(f64::INFINITY);
        };
        self.next_find.set(self.clock.now() + FIND_PAUSE);
        let joined = self.tracker.borrow().1 == "joined";
        let enough = if joined { FEW_NEIGHBOURS } else { ENOUGH_NEIGHBOURS };
        if network.links().len() < enough {
            for stream in self.streams() {
                self.input(&stream, Input::FindPeers);
            }
        }
    }

    fn set_tracker(&self, url: &str, state: &'static str) {
        self.tracker.replace((url.to_owned(), state));
    }

    pub(super) fn peer_event(&self, peer: &str, state: &str, reason: Option<&str>) {
        let detail = Record::new();
        detail.text("peer", peer);
        detail.text("state", state);
        if let Some(reason) = reason {
            detail.text("reason", reason);
        }
        self.emit("peer", &detail);
    }

    /// Is it worth waiting for neighbours? Told to the swarms when it changes; asking again costs nothing.
    pub(super) fn update_prospects(&self) {
        let connecting = self.network().is_some_and(|network| network.connecting() > 0);
        let prospects = connecting || self.clock.now() < self.expect_until.get();
        for stream in self.streams() {
            let ready = stream.with_swarm(|_| ()).is_some();
            if ready && stream.prospects.replace(prospects) != prospects {
                self.input(&stream, Input::Prospects(prospects));
            }
        }
    }

    // ---- upload

    /// Room in a connection's bulk channel, under the upload ceiling.
    fn free(&self, network: &Network, link: LinkId) -> usize {
        let free = network.free(link);
        if self.config.borrow().max_upload_kbps > 0.0 {
            free.min(self.upload_budget.get().0.max(0.0) as usize)
        } else {
            free
        }
    }

    /// A connection drained: the swarms take turns in filling it.
    fn writable(&self, link: LinkId) {
        let Some(network) = self.network() else { return };
        let mut streams = self.streams();
        if streams.is_empty() {
            return;
        }
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        let count = streams.len();
        streams.rotate_left(turn % count);
        for stream in streams {
            self.input(
                &stream,
                Input::Writable {
                    link,
                    free: self.free(&network, link),
                },
            );
        }
    }

    /// Under a ceiling, hands out the budget of the time that has passed.
    pub(super) fn upload_turn(&self) {
        let bytes_per_ms = self.config.borrow().max_upload_kbps / 8.0;
        let now = self.clock.now();
        if bytes_per_ms <= 0.0 {
            return self.next_upload_turn.set(f64::INFINITY);
        }
        let (budget, since) = self.upload_budget.get();
        let most = bytes_per_ms * 1000.0 * BURST_SECONDS;
        self.upload_budget
            .set(((budget + (now - since) * bytes_per_ms).min(most), now));
        self.next_upload_turn.set(now + UPLOAD_TURN);
        if let Some(network) = self.network() {
            network
                .links()
                .into_iter()
                .for_each(|(link, _)| self.writable(link));
        }
        self.arm_timer();
    }
}

/// What the browser says of this page's connection (Network Information API, where it has it).
fn own_status() -> PeerStatus {
    let connection = get(&get(&js_sys::global(), "navigator"), "connection");
    let link = match get_text(&connection, "type").as_deref() {
        Some("ethernet") => Some(LinkKind::Ethernet),
        Some("wifi") => Some(LinkKind::Wifi),
        Some("cellular") => Some(LinkKind::Cellular),
        _ => None,
    };
    PeerStatus {
        role: Some(Role::Browser),
        link,
        saver: get(&connection, "saveData").as_bool(),
        ..PeerStatus::default()
    }
}
