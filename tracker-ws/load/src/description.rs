//! A session description as browsers write them.

/// An offer of Chromium for a data channel, without candidates; its addresses are those of RFC 5737.
const OFFER: &str = "v=0\r\n\
o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n\
s=-\r\n\
t=0 0\r\n\
a=group:BUNDLE 0\r\n\
a=extmap-allow-mixed\r\n\
a=msid-semantic: WMS\r\n\
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
c=IN IP4 0.0.0.0\r\n\
a=ice-ufrag:x9Bk\r\n\
a=ice-pwd:dCq1mB3yT0uXhVnOaWz4RkEj\r\n\
a=ice-options:trickle\r\n\
a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n\
a=setup:actpass\r\n\
a=mid:0\r\n\
a=sctp-port:5000\r\n\
a=max-message-size:262144\r\n";

/// One of so many bytes: with as many candidates as fit, or cut off.
pub fn of_length(bytes: usize) -> String {
    let mut text = OFFER.to_owned();
    for port in 50_000.. {
        if text.len() >= bytes {
            break;
        }
        text += "a=candidate:1467250027 1 udp 2122260223 192.0.2.17 ";
        text += &format!("{port} typ host generation 0 network-id 1 network-cost 10\r\n");
    }
    text.truncate(bytes);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_length_that_is_asked_for() {
        for bytes in [0, 300, 1200, 8192] {
            assert_eq!(of_length(bytes).len(), bytes);
        }
        assert!(of_length(1200).contains("typ host"));
    }
}
