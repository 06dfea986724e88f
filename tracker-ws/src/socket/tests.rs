use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use tokio::io::ReadBuf;

use super::*;

/// As TLS may be: takes all that is written, and keeps it until it may pass it on.
#[derive(Default)]
struct Keeping {
    taken: Vec<u8>,
    passed_on: Vec<u8>,
    is_open: bool,
    flusher: Option<Waker>,
}

impl Keeping {
    fn open(&mut self) {
        self.is_open = true;
        if let Some(flusher) = self.flusher.take() {
            flusher.wake();
        }
    }
}

impl AsyncRead for Keeping {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Nothing ever comes in.
        Poll::Pending
    }
}

impl AsyncWrite for Keeping {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.taken.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_open {
            self.flusher = Some(context.waker().clone());
            return Poll::Pending;
        }
        let taken = std::mem::take(&mut self.taken);
        self.passed_on.extend(taken);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the task does until it has to wait.
fn until_pending(
    wire: &mut Wire<'_, Keeping>,
    context: &mut Context<'_>,
    times: &mut Times,
    config: &Config,
) {
    while let Poll::Ready(event) = wire.poll(context, times, config) {
        assert!(matches!(event, Event::Again));
    }
}

#[tokio::test]
async fn what_the_stream_has_taken_is_flushed_without_further_traffic() {
    let config = Config::default();
    let outbox = Outbox::new(8);
    let mut socket = WebSocket::new(Keeping::default(), Vec::new());
    let mut times = Times::new(&config);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut context = Context::from_waker(&waker);
    outbox.put(Delivery::Frame("hello".to_owned()));
    let mut wire = Wire {
        socket: &mut socket,
        outbox: &outbox,
        has_more: false,
        hurries: false,
    };
    until_pending(&mut wire, &mut context, &mut times, &config);
    assert_eq!(wire.socket.queued(), 0);
    // Whoever never takes it is a slow reader.
    assert!(times.write.is_some());
    assert_eq!(wire.socket.stream_mut().taken, b"\x81\x05hello");
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);

    wire.socket.stream_mut().open();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    until_pending(&mut wire, &mut context, &mut times, &config);
    assert_eq!(wire.socket.stream_mut().passed_on, b"\x81\x05hello");
    assert_eq!(times.write, None);
}

#[tokio::test]
async fn what_may_be_late_is_sent_with_others_or_in_its_time() {
    let config = Config::default();
    let outbox = Outbox::new(8);
    let mut socket = WebSocket::new(Keeping::default(), Vec::new());
    socket.stream_mut().open();
    let mut times = Times::new(&config);
    let mut context = Context::from_waker(Waker::noop());
    let mut wire = Wire {
        socket: &mut socket,
        outbox: &outbox,
        has_more: false,
        hurries: false,
    };
    outbox.put(Delivery::Late("1".to_owned()));
    until_pending(&mut wire, &mut context, &mut times, &config);
    let at = times.late.expect("its time runs");
    assert!(at <= Instant::now() + LATE_STEP * LATE_STEPS);
    assert_eq!((times.next(), wire.socket.stream_mut().passed_on.len()), (at, 0));
    outbox.put(Delivery::Frame("2".to_owned()));
    until_pending(&mut wire, &mut context, &mut times, &config);
    assert_eq!(wire.socket.stream_mut().passed_on, b"\x81\x011\x81\x012");
    assert_eq!(times.late, None);

    outbox.put(Delivery::Late("3".to_owned()));
    until_pending(&mut wire, &mut context, &mut times, &config);
    assert!(times.late.is_some());
    wire.hurries = true;
    until_pending(&mut wire, &mut context, &mut times, &config);
    assert_eq!(wire.socket.stream_mut().passed_on, b"\x81\x011\x81\x012\x81\x013");
    assert_eq!((times.late, wire.hurries), (None, false));
}
