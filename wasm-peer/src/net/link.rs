//! One RTCPeerConnection to one remote peer, with its two data channels, and a third where the remote has it.
//!
//! The closures given to JS belong to the link. [`Link::close`] takes them off every `on*` before it closes
//! the connection and hands them back, to be dropped once no JS event can be on the stack any more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{ArrayBuffer, JsString, Uint8Array};
use ppspp::neighbourhood::Bucket;
use ppspp::{LinkId, PeerId, SwarmId};
use tracker_protocol::MAX_AUX_FRAME;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    MessageEvent, RtcConfiguration, RtcDataChannel, RtcDataChannelInit, RtcDataChannelState,
    RtcDataChannelType, RtcIceCandidateInit, RtcPeerConnection, RtcPeerConnectionIceEvent,
    RtcPeerConnectionState, RtcSdpType, RtcSessionDescriptionInit,
};

use super::Lane;
use crate::js::{JsClosure, get};

/// Bytes that may wait in the bulk channel (peer-protocol §12.3).
pub(super) const HIGH_WATER: usize = 256 * 1024;
/// Below this many waiting bytes the bulk channel reports that it is writable again: less than a chunk, because the core
/// gives a live chunk to one peer after the other.
const LOW_WATER: u32 = 8 * 1024;
/// Largest datagram on a data channel (peer-protocol §12.4, rule 1).
pub(super) const MAX_DATAGRAM: usize = 65_535;
/// A remote that takes less cannot be sent a chunk of the default size with its hashes (§12.4, rule 2).
const MIN_REMOTE_LIMIT: usize = 17 * 1024;
/// Remote candidates kept while the remote description is awaited, and accepted over the life of a link.
const MAX_CANDIDATES: usize = 32;
/// Bytes of datagrams kept that arrive before the second of the two channels has reported that it is open.
const MAX_EARLY_BYTES: usize = 64 * 1024;

/// Bytes that may wait in the auxiliary channel.
const MAX_AUX_QUEUE: usize = 64 * 1024;
/// ID of the auxiliary channel (peer-protocol §12.2): used where the remote's profile lists it.
pub(super) const AUX_CHANNEL: u16 = 3;

/// What happened on a connection.
pub(super) enum LinkEvent {
    /// A local ICE candidate to be signalled; `None` when gathering has ended.
    Candidate(Option<String>),
    /// The state of the connection or of a channel has changed: see [`Link::health`].
    State,
    Datagram(Vec<u8>),
    /// The remote sent what no peer may send.
    Malformed(&'static str),
    Writable,
    /// The auxiliary channel is open.
    AuxOpen,
    /// A text frame of the auxiliary channel; `None`: binary, or too long.
    Aux(Option<String>),
}

/// Receives the events of all links.
pub(super) type LinkSink = Rc<dyn Fn(LinkId, LinkEvent)>;

/// The closures of what has been closed: to be dropped on a later turn of the event loop.
pub(super) struct Remains {
    _closures: Vec<JsClosure>,
}

impl Remains {
    pub(super) fn new(closures: Vec<JsClosure>) -> Remains {
        Remains { _closures: closures }
    }
}

/// How far a link has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Offer or answer made; not both channels are open.
    Connecting,
    Up,
    Closed,
}

/// What a connection says of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Connecting,
    Open,
    /// The path is gone, perhaps for a moment only.
    Disconnected,
    Dead(&'static str),
}

pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) peer: PeerId,
    /// Swarm that the connection was made for: signalling goes by (swarm, peer).
    pub(super) swarm: SwarmId,
    /// The neighbour that relays its signals; else the tracker does.
    pub(super) via: Option<PeerId>,
    /// Offer ID: the same in all signals of this connection.
    pub(super) offer_id: String,
    /// Did we make the offer?
    pub(super) outgoing: bool,
    pub(super) phase: Cell<Phase>,
    /// When an attempt that has not succeeded is given up.
    pub(super) expires: f64,
    /// When a path that is gone is given up.
    pub(super) disconnected_until: Cell<Option<f64>>,
    /// When the local description is sent with the candidates found by then; later ones trickle.
    pub(super) describe_at: Cell<Option<f64>>,
    pub(super) described: Cell<bool>,
    /// Has gathering ended?
    pub(super) gathered: Cell<bool>,
    /// Has an answer been taken? A second one is ignored.
    pub(super) answered: Cell<bool>,
    /// Signals sent for this link: the counter of the next one.
    pub(super) signals: Cell<u64>,
    /// Frames of the auxiliary channel that were malformed; what has been taken of the others, of which the status
    /// records.
    pub(super) bad_frames: Cell<u32>,
    pub(super) aux_frames: Cell<Bucket>,
    pub(super) statuses: Cell<Bucket>,
    /// When the own status is to be sent, and not before when.
    pub(super) status_due: Cell<Option<f64>>,
    pub(super) status_after: Cell<f64>,
    pub(super) pc: RtcPeerConnection,
    control: RtcDataChannel,
    bulk: RtcDataChannel,
    aux: RefCell<Option<RtcDataChannel>>,
    sink: LinkSink,
    max_datagram: Cell<usize>,
    remote_described: Cell<bool>,
    remote_candidates: RefCell<Vec<String>>,
    remote_candidate_count: Cell<usize>,
    early: RefCell<Vec<Vec<u8>>>,
    early_bytes: Cell<usize>,
    /// The first frame of the auxiliary channel, if it came before the link was up.
    pub(super) early_aux: RefCell<Option<String>>,
    closures: RefCell<Vec<JsClosure>>,
}

/// What a new link is for.
pub(super) struct LinkSpec {
    pub(super) id: LinkId,
    pub(super) peer: PeerId,
    pub(super) swarm: SwarmId,
    pub(super) via: Option<PeerId>,
    pub(super) offer_id: String,
    pub(super) outgoing: bool,
    pub(super) expires: f64,
}

impl Link {
    /// Makes the connection object and its channels; negotiation is started by [`Link::offer`] or
    /// [`Link::accept`].
    pub(super) fn new(
        spec: LinkSpec,
        configuration: &RtcConfiguration,
        sink: &LinkSink,
    ) -> Result<Link, JsValue> {
        let pc = RtcPeerConnection::new_with_configuration(configuration)?;
        let control = open_channel(&pc, "ppspp-ctl", 0, true);
        let bulk = open_channel(&pc, "ppspp-bulk", 1, false);
        bulk.set_buffered_amount_low_threshold(LOW_WATER);

        let closure = |make| listener(sink, spec.id, make);
        let candidate = closure(|event| {
            let candidate = event.unchecked_into::<RtcPeerConnectionIceEvent>().candidate();
            match candidate.map(|candidate| candidate.candidate()) {
                // Firefox marks the end of one generation with an empty candidate: nothing to signal.
                Some(text) if text.is_empty() => None,
                other => Some(LinkEvent::Candidate(other)),
            }
        });
        let state = closure(|_| Some(LinkEvent::State));
        let message = closure(|event| {
            Some(
                match event
                    .unchecked_into::<MessageEvent>()
                    .data()
                    .dyn_into::<ArrayBuffer>()
                {
                    Err(_) => LinkEvent::Malformed("text-message"),
                    Ok(buffer) => match buffer.byte_length() as usize {
                        1..=MAX_DATAGRAM => LinkEvent::Datagram(Uint8Array::new(&buffer).to_vec()),
                        _ => LinkEvent::Malformed("datagram-size"),
                    },
                },
            )
        });
        let writable = closure(|_| Some(LinkEvent::Writable));

        pc.set_onicecandidate(Some(candidate.as_ref().unchecked_ref()));
        pc.set_onconnectionstatechange(Some(state.as_ref().unchecked_ref()));
        for channel in [&control, &bulk] {
            channel.set_onopen(Some(state.as_ref().unchecked_ref()));
            channel.set_onclose(Some(state.as_ref().unchecked_ref()));
            channel.set_onmessage(Some(message.as_ref().unchecked_ref()));
        }
        bulk.set_onbufferedamountlow(Some(writable.as_ref().unchecked_ref()));

        Ok(Link {
            id: spec.id,
            peer: spec.peer,
            swarm: spec.swarm,
            via: spec.via,
            offer_id: spec.offer_id,
            outgoing: spec.outgoing,
            phase: Cell::new(Phase::Connecting),
            expires: spec.expires,
            disconnected_until: Cell::new(None),
            describe_at: Cell::new(None),
            described: Cell::new(false),
            gathered: Cell::new(false),
            answered: Cell::new(false),
            signals: Cell::new(0),
            bad_frames: Cell::new(0),
            aux_frames: Cell::default(),
            statuses: Cell::default(),
            status_due: Cell::new(None),
            status_after: Cell::new(0.0),
            pc,
            control,
            bulk,
            aux: RefCell::default(),
            sink: Rc::clone(sink),
            max_datagram: Cell::new(0),
            remote_described: Cell::new(false),
            remote_candidates: RefCell::default(),
            remote_candidate_count: Cell::new(0),
            early: RefCell::default(),
            early_bytes: Cell::new(0),
            early_aux: RefCell::default(),
            closures: RefCell::new(vec![candidate, state, message, writable]),
        })
    }

    /// Opens the auxiliary channel. To be called before the connection is up, as the remote does: what a channel
    /// receives that is not there yet is lost.
    pub(super) fn open_aux(&self) {
        let channel = open_channel(&self.pc, "ppsp-aux", AUX_CHANNEL, true);
        let open = listener(&self.sink, self.id, |_| Some(LinkEvent::AuxOpen));
        let message = listener(&self.sink, self.id, |event| {
            let data = event.unchecked_into::<MessageEvent>().data();
            let text = data.dyn_into::<JsString>().ok();
            let text = text.filter(|text| text.length() as usize <= MAX_AUX_FRAME);
            Some(LinkEvent::Aux(text.map(String::from)))
        });
        channel.set_onopen(Some(open.as_ref().unchecked_ref()));
        channel.set_onmessage(Some(message.as_ref().unchecked_ref()));
        self.closures.borrow_mut().extend([open, message]);
        self.aux.replace(Some(channel));
    }

    /// Queues a frame on the auxiliary channel. False when there is none, or no room.
    pub(super) fn send_aux(&self, frame: &str) -> bool {
        let channel = self.aux.borrow().clone();
        channel.is_some_and(|channel| {
            channel.ready_state() == RtcDataChannelState::Open
                && channel.buffered_amount() as usize + frame.len() <= MAX_AUX_QUEUE
                && channel.send_with_str(frame).is_ok()
        })
    }

    /// Makes the local offer; gathering starts.
    pub(super) async fn offer(&self) -> Result<(), JsValue> {
        let offer = JsFuture::from(self.pc.create_offer()).await?;
        JsFuture::from(self.pc.set_local_description(offer.unchecked_ref())).await?;
        Ok(())
    }

    /// Takes a remote offer and makes the local answer; gathering starts.
    pub(super) async fn accept(&self, offer: &str) -> Result<(), JsValue> {
        self.describe_remote(RtcSdpType::Offer, offer).await?;
        let answer = JsFuture::from(self.pc.create_answer()).await?;
        JsFuture::from(self.pc.set_local_description(answer.unchecked_ref())).await?;
        Ok(())
    }

    /// Takes the answer to our offer.
    pub(super) async fn take_answer(&self, answer: &str) -> Result<(), JsValue> {
        self.describe_remote(RtcSdpType::Answer, answer).await
    }

    async fn describe_remote(&self, kind: RtcSdpType, sdp: &str) -> Result<(), JsValue> {
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(sdp);
        JsFuture::from(self.pc.set_remote_description(&description)).await?;
        self.remote_described.set(true);
        for candidate in self.remote_candidates.take() {
            self.apply_candidate(&candidate);
        }
        Ok(())
    }

    /// The local description with all candidates found so far.
    pub(super) fn local_sdp(&self) -> Option<String> {
        self.pc.local_description().map(|description| description.sdp())
    }

    /// Takes a remote candidate, now or once the remote description is there. Those beyond the bound are
    /// dropped.
    pub(super) fn add_remote_candidate(&self, candidate: &str) {
        let count = self.remote_candidate_count.get() + 1;
        if count > MAX_CANDIDATES || self.phase.get() == Phase::Closed {
            return;
        }
        self.remote_candidate_count.set(count);
        if self.remote_described.get() {
            self.apply_candidate(candidate);
        } else {
            self.remote_candidates.borrow_mut().push(candidate.to_owned());
        }
    }

    fn apply_candidate(&self, candidate: &str) {
        let init = RtcIceCandidateInit::new(candidate);
        // A description of data channels has one section only.
        init.set_sdp_m_line_index(Some(0));
        let added = self
            .pc
            .add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&init));
        crate::js::spawn(async move {
            // A candidate that this browser cannot use (a foreign address family, say) is no loss.
            let _ = JsFuture::from(added).await;
        });
    }

    pub(super) fn health(&self) -> Health {
        match self.pc.connection_state() {
            RtcPeerConnectionState::Failed => return Health::Dead("ice-failed"),
            RtcPeerConnectionState::Closed => return Health::Dead("closed"),
            RtcPeerConnectionState::Disconnected => return Health::Disconnected,
            _ => {}
        }
        use RtcDataChannelState::{Connecting, Open};
        match (self.control.ready_state(), self.bulk.ready_state()) {
            (Open, Open) => Health::Open,
            (Open | Connecting, Open | Connecting) => Health::Connecting,
            _ => Health::Dead("channel-closed"),
        }
    }

    /// To be called when both channels are open: reads what the remote takes, and returns the datagrams that were
    /// early. `None` when the remote takes too little to be of use.
    pub(super) fn set_up(&self) -> Option<Vec<Vec<u8>>> {
        let limit = remote_limit(&self.pc).min(MAX_DATAGRAM);
        if limit < MIN_REMOTE_LIMIT {
            return None;
        }
        self.max_datagram.set(limit);
        self.phase.set(Phase::Up);
        Some(self.early.take())
    }

    /// Keeps a datagram that came before the link was up; one that does not fit is dropped: it will be asked
    /// for again.
    pub(super) fn keep_early(&self, datagram: Vec<u8>) {
        let bytes = self.early_bytes.get() + datagram.len();
        if bytes <= MAX_EARLY_BYTES {
            self.early_bytes.set(bytes);
            self.early.borrow_mut().push(datagram);
        }
    }

    /// Bytes that the bulk channel takes now.
    pub(super) fn free(&self) -> usize {
        match self.phase.get() {
            Phase::Up => HIGH_WATER.saturating_sub(self.bulk.buffered_amount() as usize),
            _ => 0,
        }
    }

    /// Queues one datagram. `Ok(false)` when there is no room or the datagram is too large for the remote; an
    /// error when the channel is broken.
    pub(super) fn send(&self, lane: Lane, datagram: &[u8]) -> Result<bool, JsValue> {
        if self.phase.get() != Phase::Up || datagram.is_empty() || datagram.len() > self.max_datagram.get() {
            return Ok(false);
        }
        let channel = match lane {
            Lane::Control => &self.control,
            Lane::Bulk => &self.bulk,
        };
        if channel.ready_state() != RtcDataChannelState::Open
            || channel.buffered_amount() as usize + datagram.len() > HIGH_WATER
        {
            return Ok(false);
        }
        channel.send_with_u8_array(datagram)?;
        Ok(true)
    }

    /// Ends the connection. Events stop at once; the closures are the caller's to drop later.
    pub(super) fn close(&self) -> Remains {
        self.phase.set(Phase::Closed);
        self.pc.set_onicecandidate(None);
        self.pc.set_onconnectionstatechange(None);
        let aux = self.aux.take();
        for channel in [&self.control, &self.bulk].into_iter().chain(&aux) {
            channel.set_onopen(None);
            channel.set_onclose(None);
            channel.set_onmessage(None);
            channel.set_onbufferedamountlow(None);
            channel.close();
        }
        self.pc.close();
        self.remote_candidates.take();
        self.early.take();
        Remains::new(self.closures.take())
    }
}

/// A listener that makes an event of a link of what JS says.
fn listener(sink: &LinkSink, id: LinkId, make: fn(JsValue) -> Option<LinkEvent>) -> JsClosure {
    let sink = Rc::clone(sink);
    Closure::new(move |event| {
        if let Some(event) = make(event) {
            sink(id, event);
        }
    })
}

fn open_channel(pc: &RtcPeerConnection, label: &str, id: u16, ordered: bool) -> RtcDataChannel {
    let init = RtcDataChannelInit::new();
    init.set_negotiated(true);
    init.set_id(id);
    init.set_ordered(ordered);
    init.set_protocol("ppspp/1");
    let channel = pc.create_data_channel_with_data_channel_dict(label, &init);
    channel.set_binary_type(RtcDataChannelType::Arraybuffer);
    channel
}

/// The remote's `max-message-size` (RFC 8841 through RTCSctpTransport); browsers without the member get the
/// limit that every browser takes.
fn remote_limit(pc: &RtcPeerConnection) -> usize {
    match get(&get(pc, "sctp"), "maxMessageSize").as_f64() {
        Some(limit) if limit >= 1.0 => limit.min(MAX_DATAGRAM as f64) as usize,
        _ => MAX_DATAGRAM,
    }
}
