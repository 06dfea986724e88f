//! SIGNAL in the form that peers write it in, which is most of what a tracker has to do: its envelope is checked where it is
//! and copied once, into the frame of its receiver.
//!
//! What is written in any other form is not read here, nor is what is wrong: [`Request::decode`] knows all forms, and says
//! what is wrong. It takes whatever this takes, for the same.

use serde::Deserialize;
use serde_json::value::RawValue;
use tracker_protocol::{
    Kind, MAX_SDP, MAX_TRANSACTION_ID, Request, RequestBody, RequestExt, Signal, VERSION, is_swarm_id,
};

/// How such a request begins, how its envelope begins (after its name), and how both end.
const BEGIN: &str = r#"{"PPSPTrackerProtocol":{"version":1,"request_type":"SIGNAL","#;
const BEFORE: &str = r#","signal":{"kind":""#;
const NAME: usize = r#","signal":"#.len();
const END: &str = "}}}";
/// How the event begins that its receiver gets.
const PUSH: &str = r#"{"PPSPTrackerEvent":{"version":1,"event":"SIGNAL","signal":"#;
/// Longest member that is neither a description, a candidate nor a certificate, bytes; and longest offer ID.
const MAX_SHORT: usize = 256;
const MAX_OFFER_ID: usize = 64;
/// Longest certificate, base64.
const MAX_CERTIFICATE: usize = 4096;
/// Most channels in a profile.
const MAX_CHANNELS: usize = 16;
/// Room for what is neither a description, a candidate nor a certificate, bytes: nobody is to send any amount of white space.
const MAX_REST: usize = 2048;

/// An envelope as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope<'a>(&'a str);

impl Envelope<'_> {
    /// The frame that brings it to its receiver.
    pub(crate) fn push(self) -> String {
        [PUSH, self.0, "}}"].concat()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame<'a> {
    #[serde(borrow, rename = "PPSPTrackerProtocol")]
    message: Message<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    version: u64,
    #[serde(rename = "request_type")]
    _request_type: &'a str,
    transaction_id: &'a str,
    peer_id: &'a str,
    #[serde(borrow)]
    signal: Members<'a>,
}

/// Strings that have escapes are not read here, but for descriptions and candidates.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    kind: &'a str,
    swarm: &'a str,
    from: &'a str,
    to: &'a str,
    oid: &'a str,
    n: u64,
    ts: u64,
    #[serde(borrow)]
    sdp: Option<&'a RawValue>,
    #[serde(borrow)]
    cand: Option<&'a RawValue>,
    #[serde(borrow)]
    prof: Option<Profile<'a>>,
    cert: Option<&'a str>,
    key: Option<&'a str>,
    sig: Option<&'a str>,
    reason: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile<'a> {
    proto: &'a str,
    ch: Vec<u16>,
    #[serde(rename = "mms")]
    _mms: u64,
}

/// A string as it is written, and of no more bytes than so many. Those that name characters by number may be no characters,
/// and are not read here.
fn is_text(raw: Option<&RawValue>, max: usize) -> bool {
    raw.is_none_or(|raw| {
        let text = raw.get();
        text.starts_with('"') && text.len() <= max + 2 && !text.contains(r"\u")
    })
}

fn is_short(text: Option<&str>, max: usize) -> bool {
    text.is_none_or(|text| text.len() <= max)
}

fn kind(word: &str) -> Option<Kind> {
    let all = [Kind::Offer, Kind::Answer, Kind::Candidate, Kind::End, Kind::Bye];
    all.into_iter().find(|kind| kind.as_str() == word)
}

impl Members<'_> {
    /// Are they what [`Request::decode`] lets through, with a description and a candidate of no more than so many bytes?
    fn are_right(&self, kind: Kind, max_sdp: usize) -> bool {
        let max_sdp = max_sdp.min(MAX_SDP);
        let has_payload = match kind {
            Kind::Offer | Kind::Answer => self.sdp.is_some(),
            Kind::Candidate => self.cand.is_some(),
            Kind::End | Kind::Bye => true,
        };
        let is_id = |id: &str| !id.is_empty() && id.len() <= MAX_SHORT;
        has_payload
            && is_swarm_id(self.swarm)
            && is_id(self.from)
            && is_id(self.to)
            && !self.oid.is_empty()
            && self.oid.len() <= MAX_OFFER_ID
            && is_text(self.sdp, max_sdp)
            && is_text(self.cand, max_sdp)
            && is_short(self.cert, MAX_CERTIFICATE)
            && [self.key, self.sig, self.reason]
                .iter()
                .all(|text| is_short(*text, MAX_SHORT))
            && self
                .prof
                .as_ref()
                .is_none_or(|prof| prof.proto.len() <= MAX_SHORT && prof.ch.len() <= MAX_CHANNELS)
    }

    /// Bytes of those that may be long.
    fn long(&self) -> usize {
        let raw = |raw: Option<&RawValue>| raw.map_or(0, |raw| raw.get().len());
        raw(self.sdp) + raw(self.cand) + self.cert.map_or(0, str::len)
    }
}

/// Reads a SIGNAL: the request, whose signal has what is needed to find its way and lacks the rest, and the envelope with all
/// of it. `None` for a frame that is to be read by [`Request::decode`].
pub(crate) fn read(frame: &str, max_sdp: usize) -> Option<(Request, Envelope<'_>)> {
    let rest = frame.strip_prefix(BEGIN)?;
    // In strings there are no quotes but with a backslash. So this is where the envelope begins, and not in a string; and
    // since no other member may be an object, it is the last one where three objects end.
    let begin = frame.len() - rest.len() + rest.find(BEFORE)? + NAME;
    let text = frame.ends_with(END).then(|| &frame[begin..frame.len() - 2])?;
    let message = serde_json::from_str::<Frame<'_>>(frame).ok()?.message;
    let members = message.signal;
    let kind = kind(members.kind)?;
    let is_right = message.version == VERSION
        && message.transaction_id.len() <= MAX_TRANSACTION_ID
        && !message.peer_id.is_empty()
        && message.peer_id.len() <= MAX_SHORT
        && members.are_right(kind, max_sdp)
        && text.len() <= members.long() + MAX_REST;
    if !is_right {
        return None;
    }
    let Members {
        swarm,
        from,
        to,
        oid,
        n,
        ts,
        ..
    } = members;
    let request = Request {
        transaction_id: message.transaction_id.to_owned(),
        peer_id: message.peer_id.to_owned(),
        body: RequestBody::Signal(Box::new(Signal::new(kind, swarm, from, to, oid, n, ts))),
        ext: RequestExt::default(),
    };
    Some((request, Envelope(text)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracker_protocol::{Event, Profile};

    use super::*;

    fn request(kind: Kind, has_all: bool, text: &str) -> Request {
        let id = |byte: &str| byte.repeat(32);
        let mut signal = Signal::new(
            kind,
            &id("67"),
            &id("d8"),
            &id("9c"),
            "AAEC",
            3,
            1_700_000_000_123,
        );
        match kind {
            Kind::Offer | Kind::Answer => signal.sdp = Some(text.to_owned()),
            Kind::Candidate => signal.cand = Some(text.to_owned()),
            Kind::End | Kind::Bye => {}
        }
        if has_all {
            signal.prof = Some(Profile {
                proto: "ppspp/1".to_owned(),
                ch: vec![0, 1, 3],
                mms: 262_144,
            });
            (signal.cert, signal.key) = (Some("MIIB".to_owned()), Some("DWzf".to_owned()));
            (signal.sig, signal.reason) = (Some("MEY".to_owned()), Some("no".to_owned()));
        }
        Request {
            transaction_id: "6".to_owned(),
            peer_id: id("d8"),
            body: RequestBody::Signal(Box::new(signal)),
            ext: RequestExt::default(),
        }
    }

    /// The envelope of a request, all of it.
    fn signal(request: Request) -> Signal {
        match request.body {
            RequestBody::Signal(signal) => *signal,
            other => panic!("{other:?}"),
        }
    }

    fn pushed(frame: &str) -> Signal {
        match tracker_protocol::FromTracker::decode(frame) {
            Ok(tracker_protocol::FromTracker::Event(Event::Signal(signal))) => *signal,
            other => panic!("{other:?} of {frame}"),
        }
    }

    /// What is read here is what the reader of all forms makes of it, and so is what the receiver gets.
    fn check(frame: &str) -> bool {
        let Some((read, envelope)) = read(frame, MAX_SDP) else {
            return false;
        };
        let whole = Request::decode(frame).unwrap_or_else(|error| panic!("{error}: {frame}"));
        assert_eq!(
            (&read.transaction_id, &read.peer_id),
            (&whole.transaction_id, &whole.peer_id)
        );
        assert_eq!(read.ext, whole.ext);
        let whole = signal(whole);
        assert_eq!(pushed(&envelope.push()), whole);
        let Signal { kind, n, ts, .. } = whole;
        let routed = Signal::new(kind, &whole.swarm, &whole.from, &whole.to, &whole.oid, n, ts);
        assert_eq!(signal(read), routed);
        true
    }

    #[test]
    fn what_peers_write_is_read_here_and_passed_on_as_it_is() {
        for kind in [Kind::Offer, Kind::Answer, Kind::Candidate, Kind::End, Kind::Bye] {
            for has_all in [false, true] {
                let request = request(kind, has_all, "v=0\r\na=\"é\\\"\r\n");
                let frame = request.encode().unwrap();
                assert!(check(&frame), "{frame}");
                let (_, envelope) = read(&frame, MAX_SDP).unwrap();
                assert_eq!(envelope.push(), Event::encode_signal(&signal(request)).unwrap());
            }
        }
    }

    #[test]
    fn other_forms_are_left_to_the_reader_of_all() {
        let frame = request(Kind::Offer, true, "v=0").encode().unwrap();
        let edits = [
            ("\"n\":3", "\"n\":\"3\""),
            ("\"n\":3", "\"n\":3.5"),
            ("\"version\":1", "\"version\":2"),
            ("\"version\":1", "\"version\":1,\"version\":1"),
            ("SIGNAL", "FIND"),
            ("\"v=0\"", "\"v=\\u0030\""),
            ("\"v=0\"", "\"\\ud800\""),
            ("\"v=0\"", "7"),
            ("\"v=0\"", "null"),
            ("\"AAEC\"", "\"\""),
            ("\"AAEC\"", "\"A\\nEC\""),
            ("\"kind\":\"offer\"", "\"kind\":\"other\""),
            ("\"kind\"", "\"unknown\":1,\"kind\""),
            ("\"kind\"", "\"to\":\"you\",\"kind\""),
            ("\"proto\"", "\"unknown\":1,\"proto\""),
            ("\"signal\"", "\"ext\":{},\"signal\""),
            ("}}}", "}},\"unknown\":1}"),
            ("}}}", "},\"version\":1}}"),
            ("}}}", "}} }"),
            ("\"kind\":\"offer\",\"swarm\"", "\"swarm\""),
            ("\"6\"", "\"\\\",\\\"signal\\\":{\\\"kind\""),
            ("}}}", "}}}}"),
        ];
        for (from, to) in edits {
            let edited = frame.replacen(from, to, 1);
            assert_ne!(edited, frame, "{from}");
            assert_eq!(read(&edited, MAX_SDP), None, "{edited}");
        }
    }

    #[test]
    fn nothing_long_comes_through() {
        let of = |length: usize| request(Kind::Offer, true, &"a".repeat(length)).encode().unwrap();
        assert!(read(&of(MAX_SDP), MAX_SDP).is_some());
        assert!(read(&of(MAX_SDP + 1), MAX_SDP).is_none());
        assert!(read(&of(MAX_SDP + 1), usize::MAX).is_none());
        assert!(read(&of(300), 300).is_some() && read(&of(301), 300).is_none());
        let space = |count: usize| of(9).replace("\"swarm\":", &format!("\"swarm\":{}", " ".repeat(count)));
        assert!(read(&space(1000), MAX_SDP).is_some() && read(&space(2048), MAX_SDP).is_none());
        for member in ["proto", "cert", "key", "sig", "reason", "oid", "to", "swarm"] {
            let long = of(9).replace(
                &format!("\"{member}\":\""),
                &format!("\"{member}\":\"{}", "a".repeat(5000)),
            );
            assert!(
                read(&long, MAX_SDP).is_none() && Request::decode(&long).is_err(),
                "{member}"
            );
        }
        let many = of(9).replace("[0,1,3]", &format!("[0{}]", ",1".repeat(16)));
        assert!(read(&many, MAX_SDP).is_none());
    }

    proptest! {
        #[test]
        fn damaged_ones_are_read_as_by_the_reader_of_all(
            kind in prop::sample::select(vec![Kind::Offer, Kind::Answer, Kind::Candidate, Kind::Bye]),
            text in "[a-c\\r\\n\"\\\\é\\x00\u{1f600}]{0,12}",
            at in any::<prop::sample::Index>(),
            length in 0_usize..3,
            put in "[\\[\\]{}:,\"\\\\ 0-9a-fnu.-]{0,2}",
        ) {
            let frame = request(kind, true, &text).encode().unwrap();
            let begin = at.index(frame.len());
            let end = (begin + length).min(frame.len());
            if let (Some(head), Some(tail)) = (frame.get(..begin), frame.get(end..)) {
                check(&[head, &put, tail].concat());
            }
        }
    }
}
