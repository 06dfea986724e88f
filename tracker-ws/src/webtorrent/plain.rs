//! Frames in the form that clients write them in: JSON without white space, whose descriptions are objects of strings and the
//! like. Nearly all a tracker reads is descriptions, of which it has to know where they end and that they are JSON.
//!
//! What is written in any other form is not read here, nor is what is wrong: serde_json knows all forms, and says what is
//! wrong. It takes whatever this takes, for the same.

use std::borrow::Cow;

use super::wire::{Hashes, Json, Text, Wire, WireOffer};

/// So many bytes of a string are looked at together, which compilers make a few instructions of.
const STEP: usize = 32;
/// Numbers of no more digits are exact.
const MAX_DIGITS: usize = 15;

/// Reads a frame. `None` for one that is to be read by serde_json.
pub(super) fn read(frame: &str) -> Option<Wire<'_>> {
    let mut cursor = Cursor { text: frame, at: 0 };
    let (mut wire, mut seen) = (Wire::default(), Seen::default());
    cursor.object(|cursor, name| {
        match name {
            "action" => wire.action = seen.first(0, cursor.or_null(Cursor::text)?)?,
            "info_hash" => {
                wire.info_hash = seen.first(1, cursor.or_null(|cursor| cursor.text().map(Hashes::One))?)?;
            }
            "peer_id" => wire.peer_id = seen.first(2, cursor.or_null(Cursor::text)?)?,
            "event" => wire.event = seen.first(3, cursor.or_null(Cursor::text)?)?,
            "left" => wire.left = seen.first(4, cursor.or_null(Cursor::number)?)?,
            "numwant" => wire.numwant = seen.first(5, cursor.or_null(Cursor::number)?)?,
            "offers" => wire.offers = seen.first(6, cursor.or_null(Cursor::offers)?)?,
            "answer" => wire.answer = seen.first(7, cursor.or_null(Cursor::description)?)?,
            "to_peer_id" => wire.to_peer_id = seen.first(8, cursor.or_null(Cursor::text)?)?,
            "offer_id" => wire.offer_id = seen.first(9, cursor.or_null(Cursor::text)?)?,
            _ => cursor.simple()?,
        }
        Some(())
    })?;
    (cursor.at == frame.len()).then_some(wire)
}

/// Members that have come, by number: twice is once too often.
#[derive(Default)]
struct Seen(u16);

impl Seen {
    fn first<T>(&mut self, number: u32, value: T) -> Option<T> {
        let bit = 1 << number;
        let is_first = self.0 & bit == 0;
        self.0 |= bit;
        is_first.then_some(value)
    }
}

/// Neither the end of a string, nor an escape, nor what may not be in one.
pub(super) fn is_ordinary(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// Ordinary bytes at the beginning.
fn ordinary(bytes: &[u8]) -> usize {
    let (steps, _) = bytes.as_chunks::<STEP>();
    // Not `all`, which would stop at the first one, and so look at one after another.
    let is_over = |step: &[u8; STEP]| step.iter().fold(false, |over, byte| over | !is_ordinary(*byte));
    let whole = STEP * steps.iter().position(is_over).unwrap_or(steps.len());
    let rest = bytes[whole..].iter();
    whole + rest.take_while(|byte| is_ordinary(**byte)).count()
}

/// Where the reader is.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn next_is(&self, byte: u8) -> bool {
        self.rest().first() == Some(&byte)
    }

    fn skip_if(&mut self, byte: u8) -> bool {
        let is_next = self.next_is(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_if(byte).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.rest()
            .starts_with(word.as_bytes())
            .then(|| self.at += word.len())
    }

    fn or_null<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.next_is(b'n') {
            true => self.word("null").map(|()| None),
            false => read(self).map(Some),
        }
    }

    /// A string; what is between its quotes, and whether that has escapes. Those of characters by number may be no
    /// characters, as in values that serde_json leaves as they are.
    fn string(&mut self) -> Option<(&'a str, bool)> {
        self.expect(b'"')?;
        let (begin, mut has_escapes) = (self.at, false);
        loop {
            let rest = self.rest();
            match rest.first()? {
                b'"' => {
                    let end = self.at;
                    self.at += 1;
                    return Some((&self.text[begin..end], has_escapes));
                }
                b'\\' => {
                    has_escapes = true;
                    self.at += match rest.get(1)? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                        b'u' if rest.get(2..6)?.iter().all(u8::is_ascii_hexdigit) => 6,
                        _ => return None,
                    };
                }
                _ => match ordinary(rest) {
                    0 => return None,
                    count => self.at += count,
                },
            }
        }
    }

    fn text(&mut self) -> Option<Text<'a>> {
        let begin = self.at;
        match self.string()? {
            (text, false) => Some(Text(Cow::Borrowed(text))),
            (_, true) => serde_json::from_str(&self.text[begin..self.at]).ok(),
        }
    }

    /// An integer.
    fn number(&mut self) -> Option<f64> {
        let (begin, is_negative) = (self.at, self.skip_if(b'-'));
        let digits = self
            .rest()
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let has_leading_zero = self.next_is(b'0') && digits > 1;
        self.at += digits;
        let goes_on = matches!(self.rest().first(), Some(b'.' | b'e' | b'E'));
        if digits == 0 || digits > MAX_DIGITS || has_leading_zero || goes_on {
            return None;
        }
        let value = self.text[begin + usize::from(is_negative)..self.at].parse::<u64>();
        let value = value.ok()? as f64;
        Some(if is_negative { -value } else { value })
    }

    /// Anything but an array or an object.
    fn simple(&mut self) -> Option<()> {
        match self.rest().first()? {
            b'"' => self.string().map(drop),
            b'n' => self.word("null"),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            _ => self.number().map(drop),
        }
    }

    /// An object, whose members are read by `member`, which is told their names.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        if self.skip_if(b'}') {
            return Some(());
        }
        loop {
            let (name, has_escapes) = self.string()?;
            if has_escapes {
                return None;
            }
            self.expect(b':')?;
            member(self, name)?;
            if !self.skip_if(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// An object of simple members.
    fn description(&mut self) -> Option<Json<'a>> {
        let begin = self.at;
        self.object(|cursor, _| cursor.simple())?;
        Some(Json(&self.text[begin..self.at]))
    }

    fn offers(&mut self) -> Option<Vec<WireOffer<'a>>> {
        self.expect(b'[')?;
        let mut offers = Vec::new();
        if self.skip_if(b']') {
            return Some(offers);
        }
        loop {
            let (mut offer, mut offer_id) = (None, None);
            let mut seen = Seen::default();
            self.object(|cursor, name| {
                match name {
                    "offer" => offer = Some(seen.first(0, cursor.description()?)?),
                    "offer_id" => offer_id = Some(seen.first(1, cursor.text()?)?),
                    _ => cursor.simple()?,
                }
                Some(())
            })?;
            offers.push(WireOffer {
                offer: offer?,
                offer_id: offer_id?,
            });
            if !self.skip_if(b',') {
                return self.expect(b']').map(|()| offers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// What is read here is what serde_json makes of it.
    fn check(frame: &str) -> bool {
        let Some(read) = read(frame) else {
            return false;
        };
        let whole = serde_json::from_str::<Wire<'_>>(frame);
        assert_eq!(read, whole.unwrap_or_else(|error| panic!("{error}: {frame}")));
        true
    }

    fn announce(id: &str, sdp: &str) -> String {
        let offer = json!({"offer":{"type":"offer","sdp":sdp},"offer_id":id});
        json!({"action":"announce","info_hash":id,"peer_id":id,"event":"completed","left":0,"numwant":10,"uploaded":7,
            "offers":[offer, offer],"answer":{"type":"answer","sdp":sdp,"n":null,"is":true},"to_peer_id":id,
            "offer_id":id})
        .to_string()
    }

    #[test]
    fn what_clients_write_is_read_here() {
        let sdp = format!("v=0\r\na=\"é\\\"\t{}\r\n\u{1f600}", "a".repeat(100));
        for id in ["aaaaaaaaaaaaaaaaaaaa", "-WW0001-\u{ff}\u{0}\n45678\"01b"] {
            assert!(check(&announce(id, &sdp)), "{}", announce(id, &sdp));
        }
        for frame in [
            "{}",
            r#"{"action":"announce","offers":[]}"#,
            r#"{"action":"announce","left":null,"event":null,"offers":null,"answer":null,"info_hash":null}"#,
            r#"{"action":"scrape","info_hash":"a"}"#,
            r#"{"left":-1,"numwant":-0,"uploaded":999999999999999}"#,
            r#"{"answer":{}}"#,
            r#"{"answer":{"sdp":"\ud800 is no character, and \u00FF is"}}"#,
            r#"{"unknown":"\ud800"}"#,
        ] {
            assert!(check(frame), "{frame}");
        }
    }

    #[test]
    fn other_forms_are_left_to_the_reader_of_all() {
        for frame in [
            "",
            "[]",
            "{} ",
            r#"{"action": "announce"}"#,
            r#"{"action":7}"#,
            r#"{"action":"a","action":"a"}"#,
            r#"{"action":null,"action":"a"}"#,
            r#"{"action":"\ud800"}"#,
            "{\"action\":\"\u{1}\"}",
            r#"{"action":"\x"}"#,
            r#"{"action":"\u00g0"}"#,
            r#"{"action":"a"#,
            r#"{"action":"a\"#,
            r#"{"action":"a","#,
            r#"{"action":"a",}"#,
            r#"{"\u0061ction":"a"}"#,
            r#"{"info_hash":["a"]}"#,
            r#"{"left":01}"#,
            r#"{"left":1.5}"#,
            r#"{"left":1e3}"#,
            r#"{"left":-}"#,
            r#"{"left":1000000000000000}"#,
            r#"{"unknown":{}}"#,
            r#"{"unknown":nul}"#,
            r#"{"answer":{"sdp":{}}}"#,
            r#"{"answer":7}"#,
            r#"{"offers":{}}"#,
            r#"{"offers":[{}]}"#,
            r#"{"offers":[{"offer":{}}]}"#,
            r#"{"offers":[{"offer":{},"offer":{},"offer_id":"a"}]}"#,
            r#"{"offers":[{"offer":{},"offer_id":"a"},]}"#,
            r#"{"offers":[{"offer":{},"offer_id":"a"}"#,
        ] {
            assert_eq!(read(frame), None, "{frame}");
        }
    }

    #[test]
    fn strings_end_where_they_do_whatever_their_length() {
        for length in 0..3 * STEP {
            for last in ["", "\\\"", "\\u0020", "é", "\n", "\u{1f}", "\u{7f}"] {
                check(&format!(
                    r#"{{"peer_id":"{}{last}","event":"{last}""}}"#,
                    "a".repeat(length)
                ));
                let frame = format!(r#"{{"peer_id":"{}{last}"}}"#, "a".repeat(length));
                assert_eq!(check(&frame), !last.starts_with(['\n', '\u{1f}']), "{frame:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn damaged_ones_are_read_as_by_the_reader_of_all(
            id in "[a\\x00\"\\\\\u{ff}]{0,4}",
            sdp in "[a-c\\r\\n\"\\\\é\\x00\u{1f600}]{0,80}",
            at in any::<prop::sample::Index>(),
            length in 0_usize..3,
            put in "[\\[\\]{}:,\"\\\\ 0-9a-fnu.-]{0,2}",
        ) {
            let frame = announce(&id, &sdp);
            prop_assert!(check(&frame));
            let begin = at.index(frame.len());
            let end = (begin + length).min(frame.len());
            if let (Some(head), Some(tail)) = (frame.get(..begin), frame.get(end..)) {
                check(&[head, &put, tail].concat());
            }
        }
    }
}
