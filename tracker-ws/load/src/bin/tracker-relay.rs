//! `tracker-relay`: the least that relays what `tracker-load --dialect webtorrent` sends, for comparison. It knows no
//! swarms, proves nothing, limits nothing but queues, and finds offers by their first bytes: a tracker on the same
//! WebSocket library cannot cost much less.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use rand::RngExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Frames that wait for a socket; those past it are lost.
const QUEUE: usize = 65_536;

#[derive(Default)]
struct Sockets {
    queues: Vec<mpsc::Sender<Message>>,
    by_peer: HashMap<String, usize>,
}

impl Sockets {
    fn send(&self, to: usize, frame: String) {
        if let Some(queue) = self.queues.get(to) {
            // A socket that is gone, or far behind, loses it.
            let _ = queue.try_send(Message::text(frame));
        }
    }
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    tokio::task::LocalSet::new().block_on(&runtime, listen())
}

async fn listen() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("tracker-relay listening on ws://{}/", listener.local_addr()?);
    let sockets = Rc::new(RefCell::new(Sockets::default()));
    loop {
        let (stream, _) = listener.accept().await?;
        let sockets = sockets.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = serve(stream, &sockets).await {
                eprintln!("tracker-relay: {error:#}");
            }
        });
    }
}

async fn serve(stream: TcpStream, sockets: &RefCell<Sockets>) -> Result<()> {
    stream.set_nodelay(true)?;
    let small = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0);
    let mut socket = accept_async_with_config(stream, Some(small)).await?;
    let (queue, mut outgoing) = mpsc::channel(QUEUE);
    let own = {
        let mut sockets = sockets.borrow_mut();
        sockets.queues.push(queue);
        sockets.queues.len() - 1
    };
    loop {
        tokio::select! {
            biased;
            // Who is gone is gone.
            Some(frame) = outgoing.recv() => if socket.send(frame).await.is_err() {
                return Ok(());
            },
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(frame))) => {
                    let relayed = relay(&sockets.borrow(), own, &frame);
                    if relayed.is_none() {
                        join(&mut sockets.borrow_mut(), own, &frame).context("not what tracker-load sends")?;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
        }
    }
}

/// What stands between the quotes after this name.
fn text<'a>(frame: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = frame.split_once(name)?;
    rest.strip_prefix("\":\"")?.split('"').next()
}

/// Answers go to whom they name, each offer to somebody. `None` for a frame that has neither.
fn relay(sockets: &Sockets, own: usize, frame: &str) -> Option<()> {
    if let Some(to) = text(frame, "\"to_peer_id") {
        sockets.send(*sockets.by_peer.get(to)?, frame.to_owned());
        return Some(());
    }
    let (head, offers) = frame.split_once("\"offers\":[{")?;
    let from = text(head, "\"peer_id")?;
    for offer in offers.split_once("}]")?.0.split("},{") {
        let others = sockets.queues.len() - 1;
        let drawn = rand::rng().random_range(0..others.max(1));
        let to = drawn + usize::from(drawn >= own);
        sockets.send(
            to,
            format!(r#"{{"action":"announce","peer_id":"{from}",{offer}}}"#),
        );
    }
    sockets.send(own, r#"{"action":"announce"}"#.to_owned());
    Some(())
}

/// The first frame of a socket.
fn join(sockets: &mut Sockets, own: usize, frame: &str) -> Option<()> {
    let peer = text(frame, "\"peer_id")?;
    sockets.by_peer.insert(peer.to_owned(), own);
    sockets.send(own, r#"{"action":"announce"}"#.to_owned());
    Some(())
}
