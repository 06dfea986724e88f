//! Swarms, demands and origin fetches: carries out what the swarms of `ppspp` ask for and tells them what happened.
//!
//! One [`Stream`] for each playlist of the manifest, one [`Network`] for all. No `RefCell` borrow is held across a
//! call into JS, since event handlers of the page call back.

mod config;
mod counters;
mod loading;
mod location;
mod networking;
mod proving;
mod reporting;
mod stream;
mod view;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::{Function, Object};
use ppspp::swarm::{Event, Input, Output, Reason};
use ppspp::{Source, Timestamp};
use wasm_bindgen::JsValue;

use crate::js::{Record, error};
use crate::net::timer::{Clock, Timer};
use crate::net::{Lane, LinkId, Network};
use crate::page::Page;

pub(crate) use config::Config;
use counters::Counters;
pub(crate) use location::Location;
use reporting::PageFigures;
use stream::{Stream, join};

/// With an upload ceiling, how often its budget is handed out, in milliseconds.
const UPLOAD_TURN: f64 = 200.0;

/// A cheap handle: clones are the same engine.
#[derive(Clone)]
pub(crate) struct Engine(Rc<Inner>);

/// How far the network is.
enum Networking {
    Off,
    Starting,
    On(Network),
}

struct Inner {
    this: Weak<Inner>,
    on_event: Function,
    page: Page,
    config: RefCell<Config>,
    clock: Clock,
    time_origin: f64,
    created: f64,
    timer: Timer,
    manifest_chunk_size: Cell<u32>,
    manifest_url: RefCell<String>,
    trackers: RefCell<Vec<String>>,
    /// The key blob that membership certificates are signed with, by the manifest or else by the tracker itself.
    tracker_key: RefCell<Option<Vec<u8>>>,
    streams: RefCell<Vec<Rc<Stream>>>,
    networking: RefCell<Networking>,
    /// Playback is wanted: a segment has been asked for.
    wanted: Cell<bool>,
    tracker: RefCell<(String, &'static str)>,
    tracker_joined: Cell<bool>,
    /// Until when (page milliseconds) neighbours may be expected although none is being connected.
    expect_until: Cell<f64>,
    fallbacks: RefCell<Vec<&'static str>>,
    counters: RefCell<Counters>,
    /// Payload bytes that may be uploaded now, under a ceiling; and when that was last reckoned.
    upload_budget: Cell<(f64, f64)>,
    next_upload_turn: Cell<f64>,
    /// What of the page's figures is in the reports of swarms.
    reported: Cell<PageFigures>,
    /// When (page milliseconds) to look whether there are enough neighbours.
    next_find: Cell<f64>,
    turn: Cell<usize>,
    closed: Cell<bool>,
}

impl Engine {
    pub(crate) fn new(config: Config, on_event: Function, page: Page) -> Self {
        let clock = Clock::new();
        let created = clock.now();
        let performance = crate::js::get(&js_sys::global(), "performance");
        let time_origin = crate::js::get(&performance, "timeOrigin").as_f64().unwrap_or(0.0);
        Self(Rc::new_cyclic(|this: &Weak<Inner>| {
            let for_timer = this.clone();
            Inner {
                this: this.clone(),
                on_event,
                page,
                config: RefCell::new(config),
                clock,
                time_origin,
                created,
                timer: Timer::new(move || {
                    if let Some(inner) = for_timer.upgrade() {
                        inner.timer_fired();
                    }
                }),
                manifest_chunk_size: Cell::new(0),
                manifest_url: RefCell::default(),
                trackers: RefCell::default(),
                tracker_key: RefCell::default(),
                streams: RefCell::default(),
                networking: RefCell::new(Networking::Off),
                wanted: Cell::new(false),
                tracker: RefCell::new((String::new(), "off")),
                tracker_joined: Cell::new(false),
                expect_until: Cell::new(0.0),
                fallbacks: RefCell::default(),
                counters: RefCell::default(),
                upload_budget: Cell::new((0.0, created)),
                next_upload_turn: Cell::new(f64::INFINITY),
                reported: Cell::default(),
                next_find: Cell::new(f64::INFINITY),
                turn: Cell::new(0),
                closed: Cell::new(false),
            }
        }))
    }

    pub(crate) fn configure(&self, partial: &JsValue) {
        self.0.config.borrow_mut().update(partial);
        self.0.configured();
    }

    /// Leaves everything. Loads that wait are rejected.
    pub(crate) fn close(&self) {
        let inner = &self.0;
        if inner.closed.replace(true) {
            return;
        }
        inner.stop_network();
        let gone = error("AbortError", "the peer was destroyed");
        for stream in inner.streams() {
            stream.abort_fetches();
            for load in stream.loads.take() {
                load.reject(&gone);
            }
        }
        inner.timer.stop();
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        Timestamp(((self.time_origin + self.clock.now()) * 1000.0) as u64)
    }

    fn streams(&self) -> Vec<Rc<Stream>> {
        self.streams.borrow().clone()
    }

    fn network(&self) -> Option<Network> {
        match &*self.networking.borrow() {
            Networking::On(network) => Some(network.clone()),
            _ => None,
        }
    }

    /// Hands an event to the page. What the page's handler throws is the page's.
    fn emit(&self, event: &str, detail: &Object) {
        if !self.closed.get() {
            let _ = self
                .on_event
                .call2(&JsValue::UNDEFINED, &JsValue::from_str(event), detail);
        }
    }

    /// Says once for each reason that playback goes on over plain HTTP.
    fn fall_back(&self, reason: &'static str, message: &str) {
        let mut fallbacks = self.fallbacks.borrow_mut();
        if fallbacks.contains(&reason) {
            return;
        }
        fallbacks.push(reason);
        drop(fallbacks);
        let detail = Record::new();
        detail.text("reason", reason);
        detail.text("message", message);
        self.emit("fallback", &detail);
    }

    // ---- swarms

    /// Tells a swarm what happened and does what it says.
    fn input(&self, stream: &Rc<Stream>, input: Input) {
        let now = self.now();
        let outputs = stream.with_swarm(|swarm| {
            swarm.handle(now, input);
            core::iter::from_fn(|| swarm.poll_output()).collect::<Vec<_>>()
        });
        for output in outputs.unwrap_or_default() {
            self.output(stream, output);
        }
        self.arm_timer();
    }

    fn output(&self, stream: &Rc<Stream>, output: Output) {
        match output {
            Output::Transmit { link, lane, datagram } => {
                if let Some(network) = self.network() {
                    let lane = match lane {
                        ppspp::Lane::Control => Lane::Control,
                        ppspp::Lane::Bulk => Lane::Bulk,
                    };
                    network.send(link, lane, &datagram);
                }
            }
            Output::FetchOrigin {
                fetch,
                segment,
                bytes,
            } => self.fetch_origin(stream, fetch, segment, bytes),
            Output::CancelOrigin { fetch } => {
                let transfer = stream.fetches.borrow_mut().remove(fetch);
                if let Some(transfer) = transfer {
                    transfer.abort();
                }
            }
            Output::FetchProof { segment } => self.fetch_proof(stream, segment),
            Output::CheckSignature {
                check,
                message,
                signature,
            } => self.check_signature(stream, check, message, signature),
            Output::CheckCertificate { check, certificate } => {
                self.check_certificate(stream, check, certificate);
            }
            Output::Candidate { peer, via, .. } => {
                if let Some(network) = self.network() {
                    network.candidate(peer, &stream.swarm_id(), via);
                }
            }
            Output::Disconnect { link, reason } => self.disconnect(link, reason),
            Output::Event(event) => self.swarm_event(stream, event),
        }
    }

    fn disconnect(&self, link: LinkId, reason: Reason) {
        let Some(network) = self.network() else { return };
        let peer = self
            .counters
            .borrow()
            .peers
            .get(link)
            .map(|neighbour| neighbour.peer);
        match (reason, peer) {
            (Reason::Forged, Some(peer)) => {
                network.ban(peer, "forged");
                self.peer_event(&peer.to_string(), "banned", Some("forged"));
            }
            (Reason::Dead, _) => network.disconnect(link, "dead"),
            _ => network.disconnect(link, "protocol"),
        }
    }

    fn peer_name(&self, link: LinkId) -> JsValue {
        let counters = self.counters.borrow();
        counters
            .peers
            .get(link)
            .map_or(JsValue::UNDEFINED, |neighbour| neighbour.peer.to_string().into())
    }

    fn swarm_event(&self, stream: &Rc<Stream>, event: Event) {
        match event {
            Event::Chunk { chunk, bytes, source } => self.chunk(stream, chunk, bytes, source),
            Event::Segment {
                segment,
                p2p_bytes,
                http_bytes,
                peers,
                elapsed,
            } => {
                let names: js_sys::Array = peers.iter().map(|link| self.peer_name(*link)).collect();
                let detail = Record::new();
                detail.text("playlist", &stream.playlist);
                detail.count("segment", segment.into());
                detail.count("p2pBytes", p2p_bytes);
                detail.count("httpBytes", http_bytes);
                detail.value("peers", &names);
                detail.number("ms", elapsed.as_secs_f64() * 1000.0);
                if p2p_bytes > 0
                    && http_bytes > 0
                    && let Some(network) = self.network()
                {
                    network.fell_short();
                }
                self.deliver(stream, segment);
                self.emit("segment", &detail);
                self.keep_to_budget();
                self.seed_if_complete(stream);
            }
            Event::SegmentFailed { segment } => {
                let failure = stream.last_failure.borrow().clone();
                stream
                    .take_loads(segment)
                    .iter()
                    .for_each(|load| load.reject(&failure));
            }
            Event::OriginMismatch { segment } => {
                // Play what the origin has, as without Shoal, and share nothing of this playlist any more.
                self.go_plain(stream);
                let message = ["segment ", &segment.to_string(), " of ", &stream.playlist].concat();
                let message = [&message, " is not what shoal.json promises: publish again"].concat();
                self.fall_back("content-mismatch", &message);
            }
            Event::Unproven { segment, chunks } => {
                let bytes: usize = chunks.iter().map(|chunk| chunk.len()).sum();
                self.counters.borrow_mut().http_bytes += bytes as u64;
                stream.http_bytes.set(stream.http_bytes.get() + bytes as u64);
                stream.locations.borrow_mut().remove(segment);
                let loads = stream.take_loads(segment);
                loads.iter().for_each(|load| load.resolve(&join(&chunks)));
                let message = ["segment ", &segment.to_string(), " of ", &stream.playlist].concat();
                let message = [&message, " has no good proof beside it: it is not shared"].concat();
                self.fall_back("proof-missing", &message);
            }
            Event::MunroRefused { .. } => self.counters.borrow_mut().refused_signatures += 1,
            Event::CertificateRefused { .. } => self.counters.borrow_mut().refused_certificates += 1,
            Event::Discarded { bytes, .. } => self.counters.borrow_mut().discarded_bytes += bytes as u64,
            Event::BadChunk { .. } => self.counters.borrow_mut().bad_chunks += 1,
            Event::Uploaded { link, bytes } => {
                let bytes = u64::from(bytes);
                stream.uploaded_bytes.set(stream.uploaded_bytes.get() + bytes);
                let mut counters = self.counters.borrow_mut();
                counters.uploaded_bytes += bytes;
                if let Some(neighbour) = counters.peers.get_mut(link) {
                    neighbour.uploaded += bytes;
                }
                let (budget, since) = self.upload_budget.get();
                self.upload_budget.set((budget - bytes as f64, since));
                drop(counters);
                if let Some(network) = self.network() {
                    network.exchanged(link, 0, bytes);
                }
            }
        }
    }

    fn chunk(&self, stream: &Rc<Stream>, chunk: u32, bytes: u32, source: Source) {
        let Some((segment, range)) = stream
            .with_swarm(|swarm| {
                let segment = swarm.segments().segment_of(chunk);
                Some((segment, swarm.segments().chunks_of(segment)?))
            })
            .flatten()
        else {
            return;
        };
        let count = u64::from(bytes);
        stream.note_source(segment, range.start(), chunk, range.count() as usize, source);
        let detail = Record::new();
        detail.count("bytes", count);
        detail.text("playlist", &stream.playlist);
        detail.count("segment", segment.into());
        detail.count("chunk", (chunk - range.start()).into());
        let mut counters = self.counters.borrow_mut();
        match source {
            Source::Origin => {
                counters.http_bytes += count;
                stream.http_bytes.set(stream.http_bytes.get() + count);
                detail.text("source", "http");
            }
            Source::Peer(link) => {
                counters.p2p_bytes += count;
                stream.p2p_bytes.set(stream.p2p_bytes.get() + count);
                let now = self.clock.now();
                counters.first_p2p_byte_ms.get_or_insert(now - self.created);
                if let Some(neighbour) = counters.peers.get_mut(link) {
                    neighbour.downloaded += count;
                }
                drop(counters);
                if let Some(network) = self.network() {
                    network.exchanged(link, count, 0);
                }
                detail.text("source", "p2p");
                detail.value("peer", &self.peer_name(link));
            }
        }
        self.emit("chunk", &detail);
    }

    /// Hands a complete segment to those who wait for it, each a copy of its own.
    fn deliver(&self, stream: &Rc<Stream>, segment: u32) {
        stream.locations.borrow_mut().remove(segment);
        let loads = stream.take_loads(segment);
        if loads.is_empty() {
            return;
        }
        let Some(chunks) = stream.with_swarm(|swarm| swarm.read_segment(segment)).flatten() else {
            return;
        };
        loads.iter().for_each(|load| load.resolve(&join(&chunks)));
    }

    /// The store is bounded: what was unused for longest goes first, from the stream that holds most.
    fn keep_to_budget(&self) {
        let limit = self.config.borrow().cache_bytes;
        let streams = self.streams();
        let stored = |stream: &Rc<Stream>| stream.with_swarm(|swarm| swarm.stored_bytes()).unwrap_or(0);
        let total: usize = streams.iter().map(stored).sum();
        if total > limit
            && let Some(largest) = streams.iter().max_by_key(|stream| stored(stream))
        {
            largest.with_swarm(|swarm| swarm.evict(total - limit));
        }
    }

    // ---- time

    fn arm_timer(&self) {
        let now = self.now();
        let due = self
            .streams
            .borrow()
            .iter()
            .filter_map(|stream| stream.with_swarm(|swarm| swarm.poll_timeout()).flatten())
            .min()
            .map_or(f64::INFINITY, |at| at.since(now).as_secs_f64() * 1000.0);
        let page_now = self.clock.now();
        let due = (page_now + due)
            .min(self.next_upload_turn.get())
            .min(self.next_find.get());
        self.timer.arm(page_now, due);
    }

    fn timer_fired(&self) {
        self.timer.fired();
        if self.closed.get() {
            return;
        }
        self.update_prospects();
        let now = self.now();
        for stream in self.streams() {
            let due = stream.with_swarm(|swarm| swarm.poll_timeout()).flatten();
            if due.is_some_and(|due| due <= now) {
                self.input(&stream, Input::Timeout);
            }
        }
        if self.next_upload_turn.get() <= self.clock.now() {
            self.upload_turn();
        }
        if self.next_find.get() <= self.clock.now() {
            self.find_peers();
        }
        self.arm_timer();
    }
}
