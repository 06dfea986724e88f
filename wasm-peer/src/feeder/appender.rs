//! Puts the segments of a track into its SourceBuffer, in order, and makes room for them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Uint8Array;

use super::boxes;
use super::listener::sleep;
use super::live::{MAX_DRIFT, TOLERANCE};
use super::loaded::Init;
use super::source_buffer::OperationError;
use super::track::{Job, Track};
use super::window::{BACK_BUFFER, BACK_BUFFER_SLACK, BUFFER_GOAL, QUOTA_BACK_BUFFER, SMALLEST_GOAL};

/// Bytes of a segment that are searched for its start time: `moof` comes first.
const SEGMENT_HEAD: u32 = 65_536;
/// How often an append that finds the browser's quota used up is tried again, once a second while playing, before
/// the segment is taken for one that never fits.
const MAX_QUOTA_RETRIES: u32 = 60;

/// What a track's appends leave behind for the next.
pub struct Appender {
    active: Cell<bool>,
    /// Seconds ahead of the playhead.
    goal: Cell<f64>,
    /// The init section that the SourceBuffer has seen last.
    init: RefCell<Option<Rc<Init>>>,
    /// Appends in a row that found the quota used up.
    over_quota: Cell<u32>,
}

impl Default for Appender {
    fn default() -> Self {
        Self {
            active: Cell::new(false),
            goal: Cell::new(BUFFER_GOAL),
            init: RefCell::default(),
            over_quota: Cell::new(0),
        }
    }
}

impl Appender {
    /// Is it at work?
    pub fn active(&self) -> bool {
        self.active.get()
    }

    /// How far ahead of the playhead to load, in seconds: less than usual where the quota is small.
    pub fn goal(&self) -> f64 {
        self.goal.get()
    }
}

impl Track {
    /// Appends, one after the other, what is ready. Does nothing if that is going on.
    pub(super) fn append_ready(self: &Rc<Self>) {
        if self.appender.active.get() || !self.host.alive() {
            return;
        }
        let Some(mut job) = self.next_job() else { return };
        self.appender.active.set(true);
        let track = self.clone();
        crate::js::spawn(async move {
            loop {
                match track.append(&job).await {
                    Ok(()) => {
                        track.appender.over_quota.set(0);
                        track.forget(job.key);
                        track.host.wake();
                    }
                    Err(OperationError::Closed) => break,
                    Err(OperationError::Quota) => {
                        // Playback makes room; a paused player may wait for ever.
                        let retries = track.appender.over_quota.get() + u32::from(!track.host.video.paused());
                        track.appender.over_quota.set(retries);
                        if retries > MAX_QUOTA_RETRIES {
                            track.refused(&job, "it does not fit into the browser's buffer");
                            break;
                        }
                        track.put_back(job);
                        sleep(1_000).await;
                        track.host.wake();
                    }
                    Err(OperationError::Refused(reason)) => {
                        track.refused(&job, &reason);
                        break;
                    }
                }
                match track.next_job().filter(|_| track.host.alive()) {
                    Some(next) => job = next,
                    None => break,
                }
            }
            track.appender.active.set(false);
            // What came while the last append ended, and the end of the stream, are seen to.
            track.host.wake();
        });
    }

    fn refused(&self, job: &Job, reason: &str) {
        let message = format!(
            "segment {} of {} cannot be appended: {reason}",
            job.loaded.number(job.segment),
            job.loaded.playlist
        );
        self.host.report(&message, true);
    }

    async fn append(&self, job: &Job) -> Result<(), OperationError> {
        self.trim().await?;
        let seen = self.appender.init.borrow().clone();
        if !seen.is_some_and(|seen| Rc::ptr_eq(&seen, &job.init)) {
            self.buffer.change_type(&job.loaded.mime)?;
            self.buffer.append_init(&job.init.data).await?;
            self.appender.init.replace(Some(job.init.clone()));
        }
        let head = Uint8Array::new_with_byte_offset_and_length(
            &job.data,
            0,
            job.data.byte_length().min(SEGMENT_HEAD),
        )
        .to_vec();
        let media_start = boxes::start_time(&head, &job.init.tracks);
        let offset = self.offset(job, media_start);
        self.buffer.set_timestamp_offset(offset)?;
        if self.buffer.append(&job.data).await == Err(OperationError::Quota) {
            self.make_room(job).await?;
            let again = self.buffer.append(&job.data).await;
            if again == Err(OperationError::Quota) {
                self.appender
                    .goal
                    .set((self.appender.goal.get() * 0.7).max(SMALLEST_GOAL));
            }
            again?;
        }
        let mut span = job.span;
        let mut drift = media_start.map_or(0.0, |start| start + offset - span.start);
        if drift.abs() > TOLERANCE && self.host.live.get() {
            self.shift(job.rendition, drift);
            span = span.later(drift);
            drift = 0.0;
        }
        let buffered = self.buffer.buffered();
        self.ledger
            .borrow_mut()
            .place(span, job.rendition, drift, &buffered);
        Ok(())
    }

    /// The timestamp offset (seconds) for a segment that begins at `media_start` by its own timestamps.
    fn offset(&self, job: &Job, media_start: Option<f64>) -> f64 {
        let discontinuity = job.loaded.discontinuity(job.segment);
        let mut timeline = self.host.timeline.borrow_mut();
        let start = job.span.start;
        let offset = timeline.offset(discontinuity, start, media_start);
        if self.host.live.get() && media_start.is_some_and(|media| (media + offset - start).abs() > MAX_DRIFT)
        {
            // The packager began anew and does not say so.
            timeline.forget(discontinuity);
            return timeline.offset(discontinuity, start, media_start);
        }
        offset
    }

    /// Removes what lies far behind the playhead.
    async fn trim(&self) -> Result<(), OperationError> {
        let keep = self.host.playhead() - BACK_BUFFER;
        let first = self
            .buffer
            .buffered()
            .0
            .first()
            .map_or(f64::INFINITY, |range| range.start);
        if first < keep - BACK_BUFFER_SLACK {
            self.remove(0.0, keep).await
        } else {
            Ok(())
        }
    }

    /// The quota is used up: removes what lies behind the playhead, and what lies ahead of both the window and the
    /// segment to be appended.
    async fn make_room(&self, job: &Job) -> Result<(), OperationError> {
        let playhead = self.host.playhead();
        let behind = playhead - QUOTA_BACK_BUFFER;
        let ahead = job.span.end.max(playhead + self.appender.goal.get());
        let ranges = self.buffer.buffered().0;
        if ranges.first().is_some_and(|range| range.start < behind) {
            self.remove(0.0, behind).await?;
        }
        if ranges.last().is_some_and(|range| range.end > ahead) {
            self.remove(ahead, f64::INFINITY).await?;
        }
        Ok(())
    }

    async fn remove(&self, start: f64, end: f64) -> Result<(), OperationError> {
        self.buffer.remove(start, end).await?;
        self.ledger.borrow_mut().forget_removed(start, end);
        Ok(())
    }
}
