//! The player: one look at everything, whenever something has changed.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::Poll;

use js_sys::Object;
use wasm_bindgen::JsValue;
use web_sys::{AbortController, HtmlMediaElement, HtmlVideoElement};

use super::abr::{Abr, Conditions};
use super::attachment::Attachment;
use super::error::FeederError;
use super::host::{Host, set};
use super::listener::{Interval, Listener, now};
use super::loaded::Loaded;
use super::presentation::{Presentation, Variant};
use super::rendition::resolve;
use super::source::SegmentSource;
use super::source_buffer::read_ranges;
use super::stalls::{Meter, PlaybackStats};
use super::track::{Switch, Track};

/// Gaps shorter than this (seconds) are jumped over when playback waits at them: media that starts a little late, or
/// segments that do not quite meet.
const SMALL_GAP: f64 = 0.5;
/// How far into the data after a gap a jump goes, in seconds: exactly its start may round to before it.
const JUMP_MARGIN: f64 = 0.001;

/// Playback that waits with less than this ahead (seconds) waits for data.
const STARVED: f64 = 0.5;

/// Everything of one attached presentation.
pub struct Player {
    host: Rc<Host>,
    variants: Vec<Variant>,
    /// The main track first.
    tracks: Vec<Rc<Track>>,
    abr: RefCell<Abr>,
    meter: RefCell<Meter>,
    /// The rendition last reported as playing.
    reported: Cell<Option<usize>>,
    woken: Cell<bool>,
    /// What a live presentation last offered to be sought: start and end, seconds.
    seekable: Cell<(f64, f64)>,
    attachment: RefCell<Option<Rc<Attachment>>>,
    listeners: RefCell<Vec<Listener>>,
    interval: RefCell<Option<Interval>>,
}

/// Ends transfers if attaching is given up half-way.
struct Attaching(Option<Rc<Host>>);

impl Drop for Attaching {
    fn drop(&mut self) {
        if let Some(host) = &self.0 {
            host.end();
        }
    }
}

impl Player {
    /// See [`super::Feeder::attach`].
    pub async fn attach(
        video: HtmlVideoElement,
        url: &str,
        source: Rc<dyn SegmentSource>,
    ) -> Result<Rc<Self>, FeederError> {
        let meter = RefCell::new(Meter::new(now()));
        let abort = AbortController::new().map_err(|_| FeederError::unsupported("no AbortController"))?;
        let base = video.base_uri().ok().flatten().unwrap_or_default();
        let url = resolve(url, &base)?;
        // The element opens the source while the playlists come.
        let attachment = Attachment::new(video.clone())?;
        let host = Rc::new(Host::new(video, source, abort));
        let mut attaching = Attaching(Some(host.clone()));

        let Presentation {
            variants,
            main,
            audio,
        } = Presentation::load(&host, &url, |mime| attachment.plays(mime)).await?;
        let bandwidths = variants.iter().map(|variant| variant.bandwidth).collect();
        let abr = Abr::new(bandwidths, bits(host.source.rate()));
        let (first, first_audio) = (abr.current(), variants[abr.current()].audio);
        let loading_audio = async {
            match first_audio {
                Some(index) => audio[index].load(&host).await.map(Some),
                None => Ok(None),
            }
        };
        let (loaded, loaded_audio) = both(main[first].load(&host), loading_audio).await;
        let (loaded, loaded_audio) = (loaded?, loaded_audio?);
        attachment.opened().await?;

        let live = host.live.get();
        let length = match &loaded_audio {
            _ if live => f64::INFINITY,
            Some(audio) => audio.list.edge().max(loaded.list.edge()),
            None => loaded.list.edge(),
        };
        let buffer = attachment.add(&loaded.mime)?;
        let mut tracks = vec![(main, first, buffer)];
        if let (Some(index), Some(loaded)) = (first_audio, loaded_audio) {
            let buffer = attachment.add(&loaded.mime)?;
            tracks.push((audio, index, buffer));
        }
        attachment.set_duration(length);
        host.streaming.set(attachment.streaming());
        let tracks: Vec<Rc<Track>> = tracks
            .into_iter()
            .map(|(renditions, index, buffer)| Track::new(host.clone(), renditions, index, buffer))
            .collect();
        attaching.0 = None;
        let player = Rc::new(Self {
            host,
            variants,
            tracks,
            abr: RefCell::new(abr),
            meter,
            reported: Cell::new(None),
            woken: Cell::new(false),
            seekable: Cell::default(),
            attachment: RefCell::new(Some(Rc::new(attachment))),
            listeners: RefCell::default(),
            interval: RefCell::new(None),
        });
        player.listen();
        if live {
            player.join(&loaded);
        }
        player.step();
        Ok(player)
    }

    /// See [`super::Feeder::detach`].
    pub fn detach(&self) {
        self.host.end();
        Listener::retire(self.listeners.take());
        drop(self.interval.take());
        for track in &self.tracks {
            track.close();
        }
        drop(self.attachment.take());
    }

    /// What can be chosen.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// See [`super::Feeder::select`].
    pub fn select(self: &Rc<Self>, choice: Option<usize>) {
        let changed = self.abr.borrow_mut().pin(choice);
        if changed {
            self.change(Switch::Replace);
        }
    }

    /// See [`super::Feeder::current`].
    pub fn current(&self) -> usize {
        self.tracks[0]
            .rendition_at(self.host.playhead())
            .unwrap_or_else(|| self.abr.borrow().current())
    }

    /// See [`super::Feeder::playback`].
    pub fn playback(&self) -> PlaybackStats {
        self.meter.borrow().stats(now())
    }

    /// See [`super::Feeder::live_latency`].
    pub fn live_latency(&self) -> Option<f64> {
        let edge = self.live_edge()?.list.edge();
        Some((edge - self.host.playhead()).max(0.0) * 1_000.0)
    }

    /// The main playlist of a live presentation that has not ended.
    fn live_edge(&self) -> Option<Rc<Loaded>> {
        self.tracks[0].target().filter(|loaded| !loaded.ended())
    }

    /// See [`super::Feeder::window`].
    pub fn window(&self) -> Vec<(Rc<str>, u32)> {
        let playhead = self.host.playhead();
        self.tracks
            .iter()
            .flat_map(|track| track.window(playhead))
            .collect()
    }

    fn listen(self: &Rc<Self>) {
        let Some(attachment) = self.attachment() else {
            return;
        };
        let weak = Rc::downgrade(self);
        self.host.set_on_wake({
            let weak = weak.clone();
            Rc::new(move || Self::wake(&weak))
        });
        let video: &HtmlMediaElement = &self.host.video;
        let on = |event: &'static str, action: fn(&Rc<Self>)| {
            let weak = weak.clone();
            Listener::new(video, event, move || {
                if let Some(player) = weak.upgrade().filter(|player| player.host.alive()) {
                    action(&player);
                }
            })
        };
        let mut listeners = vec![
            on("seeking", |player| {
                player.resumed();
                player.host.wake();
                player.refresh_deadlines();
            }),
            on("seeked", |player| player.host.wake()),
            on("waiting", Self::waiting),
            on("loadeddata", |player| {
                if player.host.video.paused() {
                    player.meter.borrow_mut().started(now());
                }
                player.host.wake();
            }),
            on("playing", |player| {
                player.meter.borrow_mut().started(now());
                player.resumed();
            }),
            on("pause", Self::resumed),
            on("ended", Self::resumed),
            on("timeupdate", |player| player.host.wake()),
            on("ratechange", Self::refresh_deadlines),
            on("error", |player| {
                // An element that was given another source is no error of this one.
                if player
                    .attachment()
                    .is_some_and(|attachment| attachment.is_current())
                {
                    let reason = player
                        .host
                        .video
                        .error()
                        .map(|error| error.message())
                        .unwrap_or_default();
                    player
                        .host
                        .report(&(String::from("the browser cannot play it: ") + &reason), true);
                }
            }),
        ];
        for event in ["startstreaming", "endstreaming"] {
            let weak = weak.clone();
            listeners.push(Listener::new(attachment.media_source(), event, move || {
                if let Some(player) = weak.upgrade() {
                    player.host.streaming.set(event == "startstreaming");
                    player.host.wake();
                }
            }));
        }
        *self.listeners.borrow_mut() = listeners;
        *self.interval.borrow_mut() = Some(Interval::new(1_000, move || {
            if let Some(player) = weak.upgrade().filter(|player| player.host.alive()) {
                player.refresh_deadlines();
                player.host.wake();
            }
        }));
    }

    /// Steps on the next turn, once however often this is called before.
    fn wake(weak: &Weak<Self>) {
        let Some(player) = weak.upgrade().filter(|player| !player.woken.replace(true)) else {
            return;
        };
        let weak = Rc::downgrade(&player);
        crate::js::spawn(async move {
            if let Some(player) = weak.upgrade() {
                player.woken.set(false);
                player.step();
            }
        });
    }

    fn attachment(&self) -> Option<Rc<Attachment>> {
        self.attachment.borrow().clone()
    }

    /// Starts to play a live presentation.
    fn join(&self, loaded: &Loaded) {
        // Nothing can be sought before it is said what.
        self.offer(loaded);
        self.host
            .video
            .set_current_time(loaded.list.live_start(loaded.hold_back()));
        for track in &self.tracks {
            track.follow();
        }
    }

    /// Says what of a live presentation can be sought.
    fn offer(&self, loaded: &Loaded) {
        let range = (
            loaded.list.start().max(0.0),
            loaded.list.live_start(loaded.hold_back()).max(0.0),
        );
        if self.seekable.replace(range) != range
            && let Some(attachment) = self.attachment().filter(|attachment| attachment.is_open())
        {
            attachment.set_seekable(range.0, range.1);
        }
    }

    /// Keeps a live presentation's playback within what it offers. Returns the playhead.
    fn keep_up(&self) -> f64 {
        let (video, playhead) = (&self.host.video, self.host.playhead());
        let Some(loaded) = self.tracks[0].target().filter(|_| self.host.live.get()) else {
            return playhead;
        };
        if !loaded.ended() {
            self.offer(&loaded);
        }
        let list = &loaded.list;
        if !list.fallen_out(playhead, video.paused(), &read_ranges(&video.buffered())) {
            return playhead;
        }
        let start = if loaded.ended() {
            list.start() + JUMP_MARGIN
        } else {
            list.live_start(loaded.hold_back())
        };
        video.set_current_time(start);
        start
    }

    fn step(self: &Rc<Self>) {
        let playhead = self.keep_up();
        let starting = self.playback().startup_ms.is_none() && self.host.video.ready_state() < READY_TO_PLAY;
        let complete = self.tracks.iter().all(|track| track.complete(playhead));
        self.adapt(playhead, complete);
        for track in &self.tracks {
            if self.host.alive() {
                track.step(playhead, starting);
            }
        }
        if !self.host.alive() {
            return;
        }
        if complete
            && let Some(attachment) = self.attachment().filter(|attachment| attachment.is_open())
            && !self.tracks.iter().any(|track| track.busy())
        {
            attachment.end_of_stream();
        }
        self.jump_gap();
        self.report_rendition();
    }

    fn adapt(self: &Rc<Self>, playhead: f64, complete: bool) {
        let seeking = self.host.video.seeking();
        let conditions = Conditions {
            now: now(),
            rate: bits(self.host.source.rate()),
            buffer: read_ranges(&self.host.video.buffered()).ahead(playhead),
            reach: self
                .live_edge()
                .map_or(f64::INFINITY, |loaded| loaded.hold_back()),
            late: !seeking && self.tracks.iter().any(|track| track.late()),
            complete,
        };
        let before = self.abr.borrow().current();
        let chosen = self.abr.borrow_mut().decide(conditions);
        if let Some(chosen) = chosen {
            let up = self.variants[chosen].bandwidth > self.variants[before].bandwidth;
            self.change(if up { Switch::Calm } else { Switch::InDanger });
        }
    }

    /// Makes the tracks load the chosen rendition, as soon as its playlists are there.
    fn change(self: &Rc<Self>, how: Switch) {
        let chosen = self.abr.borrow().current();
        let (weak, host) = (Rc::downgrade(self), self.host.clone());
        let tracks = self.tracks.clone();
        let audio = self.variants[chosen].audio;
        crate::js::spawn(async move {
            let loading_audio = async {
                match (tracks.get(1), audio) {
                    (Some(track), Some(index)) => track.renditions()[index].load(&host).await.map(|_| ()),
                    _ => Ok(()),
                }
            };
            let (main, sound) = both(tracks[0].renditions()[chosen].load(&host), loading_audio).await;
            let Some(player) = weak.upgrade().filter(|player| player.host.alive()) else {
                return;
            };
            if let Err(error) = main.map(|_| ()).and(sound) {
                let playing = player.tracks[0].target_index();
                player.abr.borrow_mut().exclude(chosen, playing);
                return host.report(&error.to_string(), false);
            }
            // The choice may have changed again meanwhile.
            if player.abr.borrow().current() == chosen {
                let playhead = host.playhead();
                player.tracks[0].switch(chosen, how, playhead);
                if let (Some(track), Some(index)) = (player.tracks.get(1), audio) {
                    track.switch(index, how, playhead);
                }
                host.wake();
            }
        });
    }

    fn refresh_deadlines(self: &Rc<Self>) {
        for track in &self.tracks {
            track.refresh_deadlines();
        }
    }

    fn waiting(self: &Rc<Self>) {
        let video = &self.host.video;
        let playhead = video.current_time();
        let playing = !video.seeking() && !video.paused() && !video.ended();
        // A slow decoder makes the element wait as well: that is no want of data.
        let starved = || read_ranges(&video.buffered()).ahead(playhead) < STARVED;
        if playing && video.ready_state() < READY_TO_PLAY && starved() {
            self.meter.borrow_mut().waiting(now(), playhead);
        }
        self.host.wake();
    }

    fn resumed(self: &Rc<Self>) {
        let stall = self.meter.borrow_mut().resumed(now());
        if let Some(stall) = stall {
            let detail = Object::new();
            set(&detail, "at", &JsValue::from_f64(stall.at));
            set(&detail, "ms", &JsValue::from_f64(stall.ms));
            self.host.source.emit("stall", &detail);
        }
    }

    /// If playback waits at a small hole that nothing is on its way for, goes to its end.
    fn jump_gap(&self) {
        let video = &self.host.video;
        if video.ready_state() >= READY_TO_PLAY || video.ended() {
            return;
        }
        let playhead = video.current_time();
        let live = self.host.live.get();
        // In live a segment that cannot be had is left out.
        let reach = if live { f64::INFINITY } else { SMALL_GAP };
        let Some(end) = read_ranges(&video.buffered()).gap_end(playhead, reach) else {
            return;
        };
        let comes = |track: &Rc<Track>| track.awaits(playhead, end) || live && track.wants(playhead, end);
        if !self.tracks.iter().any(comes) {
            video.set_current_time(end + JUMP_MARGIN);
        }
    }

    fn report_rendition(&self) {
        let playing = self.tracks[0].rendition_at(self.host.playhead());
        if playing.is_some() && playing != self.reported.get() {
            self.reported.set(playing);
            let detail = Object::new();
            set(&detail, "index", &JsValue::from_f64(playing.unwrap_or(0) as f64));
            self.host.source.emit("rendition", &detail);
        }
    }
}

/// HAVE_FUTURE_DATA: playback can go on.
const READY_TO_PLAY: u16 = HtmlMediaElement::HAVE_FUTURE_DATA;

/// Bits per second.
fn bits(bytes: Option<f64>) -> Option<f64> {
    bytes.map(|bytes| bytes * 8.0)
}

/// Runs two futures at once.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(move |context| {
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
