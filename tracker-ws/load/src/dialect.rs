//! What frames say, in either dialect.

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tracker_protocol::{
    Action, Auth, Connect, ErrorCode, Event, Find, FromTracker, Hello, Kind, PeerMode, PeerNum, Request,
    RequestBody, RequestExt, SUPPORTS_SIGNAL, Signal, SwarmAction, auth_signing_input, decode_base64url,
    encode_base64url, peer_id_of, tracker_origin,
};

/// Which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// RFC 7846 over WebSocket: FIND, then a directed SIGNAL for each peer.
    Ppsp,
    /// WebTorrent's announce: all offers in one frame, for peers that the tracker draws.
    Webtorrent,
}

/// What has come in.
#[derive(Debug)]
pub enum Incoming {
    /// Whoever speaks first: the tracker, in PPSP.
    Hello(Box<Hello>),
    /// The tracker has taken a frame, and named these peers.
    Taken(Vec<String>),
    /// Somebody's offer.
    Offer {
        /// Who made it.
        from: String,
        /// Its ID.
        id: String,
        /// When it was made.
        made: u64,
    },
    /// The answer to an offer made at this time.
    Answer(u64),
}

/// A peer's words.
pub struct Speaker {
    dialect: Dialect,
    key: SigningKey,
    blob: Vec<u8>,
    id: String,
    swarm: String,
    sdp: std::sync::Arc<str>,
    /// The same as JSON has it.
    quoted_sdp: String,
    sent: u64,
}

impl Speaker {
    /// The peer of this number.
    pub fn new(dialect: Dialect, number: u32, swarm: u32, sdp: std::sync::Arc<str>) -> Result<Self> {
        let mut secret = [1; 32];
        secret[..4].copy_from_slice(&number.to_be_bytes());
        let key = SigningKey::from_slice(&secret)?;
        let mut blob = vec![13];
        blob.extend_from_slice(&key.verifying_key().to_sec1_point(false).as_bytes()[1..]);
        let (id, swarm) = match dialect {
            Dialect::Ppsp => (peer_id_of(&blob), format!("{swarm:064x}")),
            Dialect::Webtorrent => (format!("-SH0001-{number:012}"), format!("{swarm:020}")),
        };
        Ok(Self {
            dialect,
            key,
            blob,
            id,
            swarm,
            quoted_sdp: serde_json::to_string(&*sdp)?,
            sdp,
            sent: 0,
        })
    }

    fn request(&mut self, body: RequestBody, ext: RequestExt) -> Result<String> {
        self.sent += 1;
        let request = Request {
            transaction_id: self.sent.to_string(),
            peer_id: self.id.clone(),
            body,
            ext,
        };
        Ok(request.encode()?)
    }

    /// With these members, as JSON. IDs and descriptions are of characters that JSON takes as they are.
    fn announce(&self, members: &str) -> String {
        format!(
            r#"{{"action":"announce","info_hash":"{}","peer_id":"{}",{members}}}"#,
            self.swarm, self.id
        )
    }

    /// The frame that makes it a member; in PPSP after the tracker's HELLO.
    pub fn join(&mut self, hello: Option<&Hello>, url: &str) -> Result<String> {
        let Some(hello) = hello else {
            return Ok(self.announce(r#""event":"started","left":1,"numwant":0,"offers":[]"#));
        };
        let nonce = decode_base64url(&hello.nonce).and_then(|nonce| nonce.try_into().ok());
        let nonce = nonce.context("HELLO: no nonce of 32 bytes")?;
        let origin = tracker_origin(url).context("--url: not a WebSocket URL")?;
        let input = auth_signing_input(&nonce, &origin, &self.id, "").context("no peer ID")?;
        let signature: Signature = self.key.sign(&input);
        let ext = RequestExt {
            auth: Some(Auth {
                key: encode_base64url(&self.blob),
                sig: encode_base64url(&signature.to_bytes()),
                token: None,
                nonce: None,
            }),
            supports: vec![SUPPORTS_SIGNAL.to_owned()],
            ..RequestExt::default()
        };
        let connect = Connect {
            swarm_action: vec![SwarmAction {
                swarm_id: self.swarm.clone(),
                action: Action::Join,
                peer_mode: PeerMode::Leech,
            }],
            ..Connect::default()
        };
        self.request(RequestBody::Connect(connect), ext)
    }

    /// What a round of offers begins with.
    pub fn begin(&mut self, offers: u32, now: u64) -> Result<String> {
        match self.dialect {
            Dialect::Ppsp => {
                let find = Find {
                    swarm_id: self.swarm.clone(),
                    peer_num: Some(PeerNum {
                        peer_count: Some(offers.into()),
                        ..PeerNum::default()
                    }),
                };
                self.request(RequestBody::Find(find), RequestExt::default())
            }
            Dialect::Webtorrent => {
                let offer = |at| {
                    let sdp = &self.quoted_sdp;
                    format!(r#"{{"offer":{{"type":"offer","sdp":{sdp}}},"offer_id":"{now:016x}{at:04x}"}}"#)
                };
                let list = (0..offers).map(offer).collect::<Vec<_>>().join(",");
                Ok(self.announce(&format!(r#""left":1,"numwant":{offers},"offers":[{list}]"#)))
            }
        }
    }

    /// An offer to one peer; PPSP only.
    pub fn offer(&mut self, to: &str, now: u64) -> Result<String> {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&now.to_be_bytes());
        self.signal(Kind::Offer, to, &encode_base64url(&id))
    }

    /// The answer to an offer.
    pub fn answer(&mut self, to: &str, offer_id: &str) -> Result<String> {
        match self.dialect {
            Dialect::Ppsp => self.signal(Kind::Answer, to, offer_id),
            Dialect::Webtorrent => {
                let sdp = &self.quoted_sdp;
                let answer = format!(r#""answer":{{"type":"answer","sdp":{sdp}}}"#);
                Ok(self.announce(&format!(
                    r#""to_peer_id":"{to}","offer_id":"{offer_id}",{answer}"#
                )))
            }
        }
    }

    fn signal(&mut self, kind: Kind, to: &str, offer_id: &str) -> Result<String> {
        let mut signal = Signal::new(kind, &self.swarm, &self.id, to, offer_id, 0, 0);
        signal.sdp = Some(self.sdp.to_string());
        self.request(RequestBody::Signal(Box::new(signal)), RequestExt::default())
    }

    /// Reads a frame.
    pub fn read(&self, frame: &str) -> Result<Incoming> {
        match self.dialect {
            Dialect::Ppsp => read_ppsp(frame),
            Dialect::Webtorrent => read_webtorrent(frame),
        }
    }
}

fn read_ppsp(frame: &str) -> Result<Incoming> {
    match FromTracker::decode(frame)? {
        FromTracker::Response(response) => {
            ensure!(response.code == ErrorCode::NoError, "refused: {response:?}");
            let groups = response
                .swarm_result
                .into_iter()
                .filter_map(|result| result.peer_group);
            let peers = groups.flat_map(|group| group.peer_info);
            Ok(Incoming::Taken(peers.map(|peer| peer.peer_id).collect()))
        }
        FromTracker::Event(Event::Hello(hello)) => Ok(Incoming::Hello(Box::new(hello))),
        FromTracker::Event(Event::Signal(signal)) => {
            let id = decode_base64url(&signal.oid).unwrap_or_default();
            let time = id.first_chunk().context("oid: not one of ours")?;
            let made = u64::from_be_bytes(*time);
            Ok(match signal.kind {
                Kind::Offer => Incoming::Offer {
                    from: signal.from,
                    id: signal.oid,
                    made,
                },
                _ => Incoming::Answer(made),
            })
        }
        FromTracker::Event(event) => bail!("unexpected: {event:?}"),
    }
}

/// What a WebTorrent tracker says, as far as it is looked at.
#[derive(Deserialize)]
struct FromWebtorrent<'a> {
    #[serde(rename = "failure reason")]
    failure: Option<String>,
    peer_id: Option<&'a str>,
    offer_id: Option<&'a str>,
    offer: Option<IgnoredAny>,
    answer: Option<IgnoredAny>,
}

fn read_webtorrent(frame: &str) -> Result<Incoming> {
    let frame: FromWebtorrent = serde_json::from_str(frame)?;
    if let Some(reason) = frame.failure {
        bail!("refused: {reason}");
    }
    if frame.offer.is_none() && frame.answer.is_none() {
        return Ok(Incoming::Taken(Vec::new()));
    }
    let id = frame.offer_id.context("no offer_id")?;
    let time = id.get(..16).context("offer_id: not one of ours")?;
    let made = u64::from_str_radix(time, 16)?;
    Ok(match frame.offer {
        Some(_) => Incoming::Offer {
            from: frame.peer_id.context("no peer_id")?.to_owned(),
            id: id.to_owned(),
            made,
        },
        None => Incoming::Answer(made),
    })
}
