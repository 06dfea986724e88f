//! One playlist's swarm and the loads that wait for its segments.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use content::SwarmEntry;
use js_sys::{ArrayBuffer, Function, Promise, Uint8Array};
use ppspp::sorted_map::SortedMap;
use ppspp::swarm::ChunkState;
use ppspp::{FetchId, Source, Swarm, SwarmId};
use wasm_bindgen::JsValue;

use super::location::Location;
use super::reporting::PageFigures;
use crate::js::error;
use crate::page::Transfer;

/// What a chunk is for display (ARCHITECTURE.md, `chunkMap`).
pub(crate) mod shown {
    pub(crate) const HTTP: u8 = 1;
    pub(crate) const P2P: u8 = 2;
    pub(crate) const EVICTED: u8 = 3;
    pub(crate) const IN_FLIGHT: u8 = 4;
}

/// Segments of a live stream that are remembered for display.
const LIVE_SHOWN: u32 = 32;

/// A segment someone waits for.
pub(crate) struct Load {
    pub(crate) id: u32,
    pub(crate) segment: u32,
    pub(crate) location: Location,
    /// When the player needs it, in page milliseconds.
    pub(crate) deadline: Cell<f64>,
    resolve: Function,
    reject: Function,
}

impl Load {
    /// A load and the promise for its bytes.
    pub(crate) fn new(id: u32, segment: u32, location: Location, deadline: f64) -> (Self, Promise) {
        let mut functions = None;
        let promise = Promise::new(&mut |resolve, reject| functions = Some((resolve, reject)));
        let (resolve, reject) = functions.unwrap_or_else(|| (Function::default(), Function::default()));
        (
            Self {
                id,
                segment,
                location,
                deadline: Cell::new(deadline),
                resolve,
                reject,
            },
            promise,
        )
    }

    pub(crate) fn resolve(&self, buffer: &ArrayBuffer) {
        let _ = self.resolve.call1(&JsValue::UNDEFINED, buffer);
    }

    pub(crate) fn reject(&self, error: &JsValue) {
        let _ = self.reject.call1(&JsValue::UNDEFINED, error);
    }
}

/// The segment table's way into memory.
pub(crate) enum Table {
    /// Nobody has asked for a segment yet.
    Unknown,
    /// On its way.
    Loading,
    /// The swarm is there.
    Ready(Box<Swarm>),
    /// The playlist goes over plain HTTP, for good.
    Plain,
}

/// See the module. Borrows never outlast a call of its functions.
pub(crate) struct Stream {
    /// Absolute URL of the media playlist or plain file, as the manifest names it.
    pub(crate) playlist: Rc<str>,
    pub(crate) entry: SwarmEntry,
    pub(crate) table: RefCell<Table>,
    pub(crate) loads: RefCell<Vec<Load>>,
    pub(crate) fetches: RefCell<SortedMap<FetchId, Transfer>>,
    /// Where wanted segments are at the origin.
    pub(crate) locations: RefCell<SortedMap<u32, Location>>,
    /// Where each chunk came from, for display: segment → a byte a chunk.
    pub(crate) sources: RefCell<SortedMap<u32, Box<[u8]>>>,
    pub(crate) last_asked: Cell<u32>,
    /// When (page milliseconds) that was.
    pub(crate) asked_at: Cell<f64>,
    /// The part in the page's figures of the times when it was played.
    pub(crate) figures: Cell<PageFigures>,
    pub(crate) p2p_bytes: Cell<u64>,
    pub(crate) http_bytes: Cell<u64>,
    pub(crate) uploaded_bytes: Cell<u64>,
    /// Why a fetch from the origin failed last.
    pub(crate) last_failure: RefCell<JsValue>,
    pub(crate) seeding: Cell<bool>,
    /// What the swarm was last told of neighbours to come.
    pub(crate) prospects: Cell<bool>,
}

impl Stream {
    pub(crate) fn new(playlist: Rc<str>, entry: SwarmEntry) -> Self {
        Self {
            playlist,
            entry,
            table: RefCell::new(Table::Unknown),
            loads: RefCell::default(),
            fetches: RefCell::default(),
            locations: RefCell::default(),
            sources: RefCell::default(),
            last_asked: Cell::new(0),
            asked_at: Cell::new(0.0),
            figures: Cell::default(),
            p2p_bytes: Cell::new(0),
            http_bytes: Cell::new(0),
            uploaded_bytes: Cell::new(0),
            last_failure: RefCell::new(error("HttpError", "the origin's answer is incomplete").into()),
            seeding: Cell::new(false),
            prospects: Cell::new(false),
        }
    }

    /// How many segments there are; `None` while it is live.
    pub(crate) fn segments(&self) -> Option<u32> {
        self.entry.vod().map(|vod| vod.segments)
    }

    /// The binary swarm ID.
    pub(crate) fn swarm_id(&self) -> SwarmId {
        self.entry.swarm_id.clone()
    }

    /// Looks at the swarm, if it is there.
    pub(crate) fn with_swarm<T>(&self, look: impl FnOnce(&mut Swarm) -> T) -> Option<T> {
        match &mut *self.table.borrow_mut() {
            Table::Ready(swarm) => Some(look(swarm)),
            _ => None,
        }
    }

    /// Takes the loads of a segment off the list.
    pub(crate) fn take_loads(&self, segment: u32) -> Vec<Load> {
        let mut loads = self.loads.borrow_mut();
        let (taken, rest) = loads.drain(..).partition(|load| load.segment == segment);
        *loads = rest;
        taken
    }

    /// Takes one load off the list.
    pub(crate) fn take_load(&self, id: u32) -> Option<Load> {
        let mut loads = self.loads.borrow_mut();
        let index = loads.iter().position(|load| load.id == id)?;
        Some(loads.remove(index))
    }

    /// Does anybody wait for this segment from the swarm?
    pub(crate) fn is_awaited(&self, segment: u32) -> bool {
        self.loads.borrow().iter().any(|load| load.segment == segment)
    }

    /// Ends all transfers from the origin.
    pub(crate) fn abort_fetches(&self) {
        self.fetches.take().values().for_each(Transfer::abort);
    }

    /// Remembers a chunk's source for display.
    pub(crate) fn note_source(&self, segment: u32, first: u32, chunk: u32, chunks: usize, source: Source) {
        let mut sources = self.sources.borrow_mut();
        if self.entry.live().is_some() {
            sources.drop_before(segment.saturating_sub(LIVE_SHOWN));
        }
        let shown = sources.get_or_insert_with(segment, || vec![0; chunks].into());
        if let Some(slot) = shown.get_mut((chunk - first) as usize) {
            *slot = if matches!(source, Source::Origin) {
                shown::HTTP
            } else {
                shown::P2P
            };
        }
    }

    /// A byte for each chunk of a segment: what it is and where it came from.
    pub(crate) fn shown_chunks(&self, segment: u32) -> Option<Vec<u8>> {
        let sources = self.sources.borrow();
        self.with_swarm(|swarm| {
            let chunks = swarm.segments().chunks_of(segment)?;
            let known = sources.get(segment);
            let shown = chunks.chunks().map(|chunk| {
                let source = known.map_or(0, |known| known[(chunk - chunks.start()) as usize]);
                match (swarm.chunk_state(chunk), source) {
                    (ChunkState::Held, source) => source,
                    (ChunkState::InFlight, _) => shown::IN_FLIGHT,
                    (ChunkState::Missing, 0) => 0,
                    (ChunkState::Missing, _) => shown::EVICTED,
                }
            });
            Some(shown.collect())
        })
        .flatten()
    }
}

/// A fresh ArrayBuffer of chunks in order: the receiver's, to keep or to transfer.
pub(crate) fn join(chunks: &[Bytes]) -> ArrayBuffer {
    let length: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let bytes = Uint8Array::new_with_length(length as u32);
    let mut at = 0;
    for chunk in chunks {
        let end = at + chunk.len() as u32;
        bytes.subarray(at, end).copy_from(chunk);
        at = end;
    }
    bytes.buffer()
}
