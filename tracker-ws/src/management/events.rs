//! What happens, as it happens.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Json, Response};
use futures_util::stream;
use hyper::StatusCode;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::State;
use super::extract::{Params, limit, ordinal};
use super::problem::{Problem, Refused};
use crate::event_log::{Event, EventLog};

/// Events that are taken from the log at once.
const BATCH: usize = 64;
/// A reader is sent something at least as often, so that proxies do not take it for dead, nor it the tracker.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those after this one; 0, the default, for all that are kept.
    #[param(maximum = 9_007_199_254_740_991_i64, nullable = false)]
    after: Option<u64>,
    /// Most items (50); not of a stream.
    #[param(minimum = 1, maximum = 200, nullable = false)]
    limit: Option<usize>,
}

/// Some events.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Events {
    /// Events between `after` and the first item that are no longer kept.
    lost: u64,
    /// The oldest first.
    items: Vec<Event>,
    /// Where to go on (`after`), now or later.
    next: u64,
}

/// Events
///
/// The last 4096 are kept. With `Accept: text/event-stream` they come as they happen (server-sent events), after those that
/// are kept since `after` or the header Last-Event-ID. Who reads so slowly that events are gone before it gets them is told
/// how many (`event: lost`).
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    params(Which),
    responses(
        (status = 200, content((Events = "application/json"), (String = "text/event-stream"))),
        Refused,
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Too many follow already")
    )
)]
pub(super) async fn events(
    operator: State,
    headers: HeaderMap,
    Params(which): Params<Which>,
) -> Result<Response, Problem> {
    let limit = limit(which.limit)?;
    let log = operator.shared.log.clone();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let last = text("last-event-id").and_then(|id| id.parse().ok());
    let after = ordinal("after", which.after)?.or(last).unwrap_or(0);
    if !text(ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/event-stream")) {
        let news = log.after(after, limit);
        let items: Vec<Event> = news.events.iter().map(|event| (**event).clone()).collect();
        return Ok(Json(Events {
            lost: news.lost,
            next: items.last().map_or(after, |event| event.id),
            items,
        })
        .into_response());
    }
    let Ok(permit) = operator.streams.clone().try_acquire_owned() else {
        let detail = "too many follow the events already";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    let follower = Follower {
        newest: log.follow(),
        log,
        after,
        waiting: VecDeque::from(["retry: 2000\n\n".to_owned()]),
        _permit: permit,
    };
    let frames = stream::unfold(follower, |mut follower| async {
        let frame = follower.next().await;
        Some((Ok::<_, Infallible>(frame), follower))
    });
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(frames)).into_response())
}

/// One reader of the stream. What it has not read stays in the log, as long as that keeps it.
struct Follower {
    log: Arc<EventLog>,
    newest: watch::Receiver<u64>,
    /// What it has got.
    after: u64,
    /// At most a batch.
    waiting: VecDeque<String>,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    async fn next(&mut self) -> String {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return frame;
            }
            // Before the log is looked at: an event in between is seen again.
            self.newest.mark_unchanged();
            let news = self.log.after(self.after, BATCH);
            if news.lost > 0 {
                let lost = news.lost;
                self.waiting
                    .push_back(format!("event: lost\ndata: {{\"lost\":{lost}}}\n\n"));
            }
            for event in news.events {
                self.after = event.id;
                // Texts and numbers can always be written, without line breaks.
                let data = serde_json::to_string(&*event).unwrap_or_default();
                self.waiting
                    .push_back(format!("id: {}\ndata: {data}\n\n", event.id));
            }
            if self.waiting.is_empty() && timeout(KEEP_ALIVE, self.newest.changed()).await.is_err() {
                return ": nothing happens\n\n".to_owned();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;
    use crate::event_log::What;

    #[tokio::test]
    async fn a_slow_reader_is_told_what_it_has_lost() {
        let log = Arc::new(EventLog::default());
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let mut follower = Follower {
            newest: log.follow(),
            log: log.clone(),
            after: 0,
            waiting: VecDeque::new(),
            _permit: permit,
        };
        log.publish(What::Draining);
        assert!(
            follower
                .next()
                .await
                .starts_with("id: 1\ndata: {\"id\":1,\"at\":")
        );
        (0..5000).for_each(|_| log.publish(What::Draining));
        assert_eq!(follower.next().await, "event: lost\ndata: {\"lost\":904}\n\n");
        assert!(follower.next().await.starts_with("id: 906\n"));
        assert!(follower.waiting.len() < BATCH);
    }
}
