//! Threads that serve connections, each with a runtime of its own: what belongs to a connection is done on one core, and
//! nothing is passed between them to wake one another.
//!
//! There is one listener. With one for each thread on the same port (SO_REUSEPORT), the system would spread connections
//! unevenly, and a second tracker would start on a port that is taken.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

/// Connections that wait for a thread.
const QUEUE: usize = 1024;

type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The threads. When it is dropped, they end, whatever they are at.
#[derive(Debug)]
pub(crate) struct Workers {
    queues: Vec<mpsc::Sender<Job>>,
    next: usize,
    _over: watch::Sender<()>,
}

impl Workers {
    /// So many; 0: one for each core that the process may use. One is the thread that this runs on, which has nothing else
    /// to do then.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let count = match threads {
            0 => cores(),
            count => count,
        };
        let (over, ends) = watch::channel(());
        let mut queues = Vec::new();
        for number in (1..=count).filter(|_| count > 1) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (queue, jobs) = mpsc::channel(QUEUE);
            let ends = ends.clone();
            thread::Builder::new()
                .name(format!("tracker-{number}"))
                .spawn(move || work(&runtime, jobs, ends))?;
            queues.push(queue);
        }
        Ok(Self {
            queues,
            next: 0,
            _over: over,
        })
    }

    /// Has a connection served by the thread whose turn it is.
    ///
    /// # Errors
    /// When the stream cannot change threads.
    pub(crate) async fn serve<F>(
        &mut self,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.queues.is_empty() {
            tokio::spawn(serve(stream));
            return Ok(());
        }
        self.next = (self.next + 1) % self.queues.len();
        // It belongs to a runtime, from which it is taken here.
        let stream = stream.into_std()?;
        let job: Job = Box::new(move || match TcpStream::from_std(stream) {
            Ok(stream) => Box::pin(serve(stream)),
            Err(error) => {
                tracing::warn!(%error, "cannot serve a connection");
                Box::pin(async {})
            }
        });
        // A thread only ends with all of it.
        let _ = self.queues[self.next].send(job).await;
        Ok(())
    }

    /// No more connections will come.
    pub(crate) fn close(&mut self) {
        self.queues.clear();
    }
}

/// Serves what comes until no more will and all is done.
fn work(runtime: &Runtime, mut jobs: mpsc::Receiver<Job>, mut ends: watch::Receiver<()>) {
    let done = async {
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        while let Some(job) = jobs.recv().await {
            let alive = alive.clone();
            let served = job();
            tokio::spawn(async move {
                served.await;
                drop(alive);
            });
        }
        drop(alive);
        let _ = all_gone.recv().await;
    };
    runtime.block_on(async {
        tokio::select! {
            () = done => {}
            // Nothing is ever sent: it fails when the sender is gone.
            _ = ends.changed() => {}
        }
    });
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use tokio::net::TcpListener;

    use super::*;

    /// The threads that serve four connections, of so many.
    async fn threads(count: usize) -> Vec<ThreadId> {
        let mut workers = Workers::start(count).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, mut receiver) = mpsc::channel(4);
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(TcpStream::connect(address).await.unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            let sender = sender.clone();
            let serve = |stream: TcpStream| async move {
                stream.writable().await.unwrap();
                sender.send(thread::current().id()).await.unwrap();
            };
            workers.serve(stream, serve).await.unwrap();
        }
        drop(sender);
        let mut threads = Vec::new();
        while let Some(thread) = receiver.recv().await {
            threads.push(thread);
        }
        threads
    }

    #[tokio::test]
    async fn connections_go_round() {
        let mut served = threads(2).await;
        assert_eq!(served.len(), 4);
        assert!(!served.contains(&thread::current().id()));
        served.sort_by_key(|thread| format!("{thread:?}"));
        served.dedup();
        assert_eq!(served.len(), 2);
        assert_eq!(threads(1).await, [thread::current().id(); 4]);
    }
}
