//! Manifest, segment tables, segments: what comes over HTTP, and whose it is.

use std::rc::Rc;

use bytes::Bytes;
use content::manifest::Manifest;
use core::ops::Range;
use core::time::Duration;
use js_sys::{Promise, Uint8Array};
use ppspp::segment_table::MAX_ENCODED_LENGTH;
use ppspp::swarm::{Config as SwarmConfig, Input};
use ppspp::{FetchId, Live, PeerId, SegmentTable, Swarm, SwarmMetadata, Timestamp};
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use wasm_bindgen_futures::JsFuture;
use web_sys::Url;

use super::location::Location;
use super::stream::{Load, Stream, Table};
use super::{Engine, Inner};
use crate::js::{JsClosure, error, get_text, spawn};

/// Segment tables together up to this size are fetched with the manifest, larger ones when they are needed.
const EAGER_TABLES: u64 = 64 << 10;
/// Bytes of a table's row.
const TABLE_ROW: u64 = 40;

/// What a player gets for a segment that no swarm has: it asks the origin as a page without Shoal would.
fn uncovered() -> JsValue {
    error("uncovered", "no swarm has this segment").into()
}

/// A URL without query and fragment: signed URLs differ in these from viewer to viewer.
fn bare(url: &str) -> &str {
    let end = url.bytes().position(|byte| matches!(byte, b'?' | b'#'));
    &url[..end.unwrap_or(url.len())]
}

/// Where the proof of a live segment lies: beside it, under the same query.
pub(super) fn proof_url(url: &str) -> String {
    let path = bare(url);
    [path, ppspp::proof::SUFFIX, &url[path.len()..]].concat()
}

fn resolve(url: &str, base: &str) -> Option<String> {
    Url::new_with_base(url, base).ok().map(|url| url.href())
}

impl Engine {
    /// Takes a manifest, whose URLs are relative to `base`.
    ///
    /// # Errors
    /// An `Error` named `manifest-invalid` that says what is wrong with it.
    pub(crate) fn open(&self, json: &str, base: String) -> Result<(), JsValue> {
        let inner = &self.0;
        let manifest = Manifest::parse(json).map_err(|invalid| {
            let message = [base.as_str(), ": ", &invalid.to_string()].concat();
            error("manifest-invalid", &message)
        })?;
        let streams: Vec<Rc<Stream>> = manifest
            .swarms
            .iter()
            .filter_map(|entry| {
                Some(Rc::new(Stream::new(
                    resolve(&entry.playlist, &base)?.into(),
                    entry.clone(),
                )))
            })
            .collect();
        let tables: u64 = streams
            .iter()
            .map(|stream| u64::from(stream.segments().unwrap_or(0)) * TABLE_ROW)
            .sum();
        {
            let configured = inner.config.borrow().trackers.clone();
            inner.trackers.replace(if configured.is_empty() {
                manifest.trackers
            } else {
                configured
            });
        }
        let key = manifest.tracker_key.map(|key| key.as_bytes().to_vec());
        inner.tracker_key.replace(key);
        inner.manifest_chunk_size.set(manifest.chunk_size);
        inner.manifest_url.replace(base);
        inner.streams.replace(streams.clone());
        if tables <= EAGER_TABLES {
            streams.iter().for_each(|stream| inner.load_table(stream));
        }
        if inner.config.borrow().p2p {
            inner.start_network();
        }
        Ok(())
    }

    /// Does the manifest cover this playlist or file?
    pub(crate) fn covers(&self, playlist: &str) -> bool {
        self.0
            .stream_of(playlist)
            .is_some_and(|stream| !matches!(&*stream.table.borrow(), Table::Plain))
    }

    /// Starts loading a segment.
    pub(crate) fn load_segment(
        &self,
        id: u32,
        playlist: &str,
        segment: u32,
        location: Location,
        deadline_ms: f64,
    ) -> Promise {
        let inner = &self.0;
        inner.wanted.set(true);
        inner.start_network();
        let deadline = inner.clock.now() + deadline_ms;
        let (load, promise) = Load::new(id, segment, location, deadline);
        match inner
            .stream_of(playlist)
            .filter(|stream| stream.segments().is_none_or(|count| segment < count))
        {
            Some(stream) => inner.load(&stream, load, deadline_ms),
            None => load.reject(&uncovered()),
        }
        promise
    }

    pub(crate) fn set_deadline(&self, id: u32, deadline_ms: f64) {
        for stream in self.0.streams() {
            let segment = stream
                .loads
                .borrow()
                .iter()
                .find(|load| load.id == id)
                .map(|load| {
                    load.deadline.set(self.0.clock.now() + deadline_ms);
                    load.segment
                });
            if let Some(segment) = segment {
                return self.0.demand(&stream, segment, deadline_ms);
            }
        }
    }

    pub(crate) fn cancel(&self, id: u32) {
        let inner = &self.0;
        let cancelled = error("AbortError", "the load was cancelled");
        for stream in inner.streams() {
            let Some(load) = stream.take_load(id) else {
                continue;
            };
            load.reject(&cancelled);
            if !stream.is_awaited(load.segment) {
                inner.input(
                    &stream,
                    Input::Withdraw {
                        segment: load.segment,
                    },
                );
                stream.locations.borrow_mut().remove(load.segment);
            }
            return;
        }
    }

    /// Measured download rate, bytes per second; 0 until it is known.
    pub(crate) fn rate(&self) -> f64 {
        let (mut origin, mut peers) = (0.0_f64, 0.0);
        for stream in self.0.streams() {
            if let Some((rate, links)) = stream.with_swarm(|swarm| (swarm.origin_rate(), swarm.peer_rate())) {
                origin = origin.max(rate.unwrap_or(0.0));
                peers += links;
            }
        }
        origin.max(peers)
    }

    /// The SHA-256 of the init section by manifest, if it has one (absolute playlist URL, absolute init URL).
    pub(crate) fn init_digest(&self, playlist: &str, init: &str) -> Option<[u8; 32]> {
        let stream = self.0.stream_of(playlist)?;
        let base = self.0.manifest_url.borrow().clone();
        stream
            .entry
            .inits
            .iter()
            .find(|known| resolve(&known.uri, &base).is_some_and(|url| bare(&url) == bare(init)))
            .map(|known| *known.sha256.as_bytes())
    }
}

impl Inner {
    pub(super) fn stream_of(&self, playlist: &str) -> Option<Rc<Stream>> {
        let wanted = bare(playlist);
        self.streams
            .borrow()
            .iter()
            .find(|stream| bare(&stream.playlist) == wanted)
            .cloned()
    }

    fn load(&self, stream: &Rc<Stream>, load: Load, deadline_ms: f64) {
        stream.last_asked.set(load.segment);
        stream.asked_at.set(self.clock.now());
        // Of a live stream nobody has told yet that it has what is new.
        if stream.entry.vod().is_some()
            && let Some(network) = self.network()
        {
            let chunk = u64::from(load.segment) << stream.entry.segment_bits;
            network.near(&stream.swarm_id(), chunk);
        }
        let plain = match &*stream.table.borrow() {
            Table::Plain => true,
            // The table is a round trip away: what is needed at once does not wait for it.
            Table::Unknown | Table::Loading => deadline_ms <= 0.0,
            Table::Ready(_) => false,
        };
        self.load_table(stream);
        if plain {
            return load.reject(&uncovered());
        }
        let segment = load.segment;
        stream
            .locations
            .borrow_mut()
            .insert(segment, load.location.clone());
        stream.loads.borrow_mut().push(load);
        self.demand(stream, segment, deadline_ms);
    }

    /// Tells the swarm when a segment is needed, if it is there already.
    fn demand(&self, stream: &Rc<Stream>, segment: u32, deadline_ms: f64) {
        let deadline = self.now() + ppspp::seconds(deadline_ms.clamp(0.0, 1e9) / 1000.0);
        self.input(stream, Input::Demand { segment, deadline });
    }

    /// Fetches a playlist's segment table, once.
    fn load_table(&self, stream: &Rc<Stream>) {
        if !matches!(&*stream.table.borrow(), Table::Unknown) {
            return;
        }
        let Some(vod) = stream.entry.vod() else {
            return self.live_swarm(stream);
        };
        stream.table.replace(Table::Loading);
        let (table, url) = (
            vod.table.clone(),
            resolve(&vod.table, &self.manifest_url.borrow()),
        );
        let (this, stream) = (self.this.clone(), Rc::clone(stream));
        spawn(async move {
            let found = match url.zip(this.upgrade()) {
                Some((url, inner)) => {
                    let done = inner.page.get(&url, MAX_ENCODED_LENGTH).done();
                    // Nothing is kept alive by a transfer.
                    drop(inner);
                    JsFuture::from(done).await
                }
                None => Err(error("HttpError", "not a URL").into()),
            };
            let Some(inner) = this.upgrade() else { return };
            match inner.swarm(&stream, found) {
                Ok(swarm) => {
                    stream.table.replace(Table::Ready(Box::new(swarm)));
                    inner.swarm_ready(&stream);
                }
                Err(why) => {
                    inner.go_plain(&stream);
                    let message = [&table, ": ", why.as_str()].concat();
                    inner.fall_back("table-invalid", &message);
                }
            }
        });
    }

    /// The swarm, by the answer for its segment table.
    fn swarm(&self, stream: &Stream, answer: Result<JsValue, JsValue>) -> Result<Swarm, String> {
        let table = answer.map_err(|failure| get_text(&failure, "message").unwrap_or_default())?;
        let table =
            SegmentTable::decode(&Uint8Array::from(table).to_vec()).map_err(|invalid| invalid.to_string())?;
        let chunk_size = self.manifest_chunk_size.get();
        stream
            .entry
            .check_table(&table, chunk_size)
            .map_err(|mismatch| mismatch.to_string())?;
        let root = stream.entry.root().ok_or("not a Merkle root")?;
        let metadata = SwarmMetadata::new(root, chunk_size, stream.entry.segment_bits, table)
            .map_err(|mismatch| mismatch.to_string())?;
        Ok(self.new_swarm(metadata))
    }

    fn new_swarm(&self, metadata: SwarmMetadata) -> Swarm {
        // The ID is known once there is a network: without one there is nobody to be elected against.
        let seed = (js_sys::Math::random() * 9e15) as u64;
        let mut config = SwarmConfig::new(PeerId([0; 32]), seed);
        let window = self.config.borrow().urgent_window_sec.clamp(0.0, 3600.0);
        config.urgent_window = ppspp::seconds(window);
        Swarm::new(config, metadata)
    }

    /// A live stream's swarm needs nothing but the manifest.
    fn live_swarm(&self, stream: &Rc<Stream>) {
        let entry = &stream.entry;
        let metadata = match (entry.live_key(), entry.live()) {
            (Some(key), Some(live)) => SwarmMetadata::live(
                key,
                self.manifest_chunk_size.get(),
                entry.segment_bits,
                Live {
                    integrity: live.integrity.method(),
                    discard_window: live.discard_window,
                    segment_duration: Duration::from_millis(live.segment_ms.into()),
                },
            )
            .map_err(|mismatch| mismatch.to_string()),
            _ => Err(String::new()),
        };
        match metadata {
            Ok(metadata) => {
                let swarm = self.new_swarm(metadata);
                stream.table.replace(Table::Ready(Box::new(swarm)));
                self.swarm_ready(stream);
            }
            Err(why) => {
                self.go_plain(stream);
                self.fall_back("manifest-invalid", &why);
            }
        }
    }

    fn swarm_ready(&self, stream: &Rc<Stream>) {
        let upload = self.config.borrow().upload;
        self.input(stream, Input::Upload(upload));
        let unix = Timestamp(self.unix_ms() * 1000);
        self.input(stream, Input::Clock { unix });
        self.join(stream);
        self.update_prospects();
        // Those who asked before the table was here.
        let now = self.clock.now();
        let waiting: Vec<(u32, f64)> = stream
            .loads
            .borrow()
            .iter()
            .map(|load| (load.segment, load.deadline.get() - now))
            .collect();
        for (segment, deadline) in waiting {
            self.demand(stream, segment, deadline);
        }
    }

    /// This playlist goes over plain HTTP from now on.
    pub(super) fn go_plain(&self, stream: &Rc<Stream>) {
        stream.table.replace(Table::Plain);
        stream.abort_fetches();
        if let Some(network) = self.network() {
            network.leave(&stream.swarm_id());
        }
        let uncovered = uncovered();
        for load in stream.loads.take() {
            load.reject(&uncovered);
        }
    }

    /// Fetches bytes of a segment for a swarm.
    pub(super) fn fetch_origin(&self, stream: &Rc<Stream>, fetch: FetchId, segment: u32, bytes: Range<u64>) {
        let location = stream.locations.borrow().get(segment).cloned();
        let Some(location) = location else {
            return self.input(stream, Input::OriginFailed { fetch });
        };
        let size = stream
            .with_swarm(|swarm| swarm.segments().size(segment))
            .flatten();
        let (start, end) = location.part(&bytes, size);
        let (this, for_data) = (self.this.clone(), (self.this.clone(), Rc::clone(stream)));
        let on_data: JsClosure = Closure::new(move |piece: JsValue| {
            let (this, stream) = &for_data;
            if let Some(inner) = this.upgrade() {
                let data = Bytes::from(Uint8Array::from(piece).to_vec());
                inner.input(stream, Input::OriginData { fetch, data });
            }
        });
        let transfer = self
            .page
            .fetch(&location.url, start, end, f64::INFINITY, on_data.as_ref());
        let done = transfer.done();
        stream.fetches.borrow_mut().insert(fetch, transfer);
        let stream = Rc::clone(stream);
        spawn(async move {
            let result = JsFuture::from(done).await;
            drop(on_data);
            let Some(inner) = this.upgrade() else { return };
            // A fetch that was cancelled is off the list already: to its swarm the number means nothing any more.
            if stream.fetches.borrow_mut().remove(fetch).is_none() {
                return;
            }
            let input = match result {
                Ok(ignored) => Input::OriginEnd {
                    fetch,
                    range_ignored: ignored.as_bool(),
                },
                Err(failure) => {
                    stream.last_failure.replace(failure);
                    Input::OriginFailed { fetch }
                }
            };
            inner.input(&stream, input);
        });
    }
}
