//! How long a server that has too much to do wants to be left alone (RFC 9110 §10.2.3).

use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};

/// As long as the longest interval of polls; a server that asks for more is asked again then.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The time that goes with a 429 or 503: seconds, or a date, of which `now` is one.
pub(super) fn retry_after(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    if ![StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        // What is too large for a number is long, too.
        true => text.parse().map_or(LONGEST, Duration::from_secs),
        false => {
            let at = httpdate::parse_http_date(text).ok()?;
            at.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: StatusCode, text: &str) -> Option<u64> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        // The example date of RFC 9110 §5.6.7.
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        retry_after(status, &headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates() {
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("86401", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sunday, 06-Nov-94 08:49:38 GMT", Some(1)),
            ("Fri, 31 Dec 2100 23:59:59 GMT", Some(86_400)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(of(StatusCode::SERVICE_UNAVAILABLE, text), expected, "{text}");
            assert_eq!(of(StatusCode::TOO_MANY_REQUESTS, text), expected, "{text}");
            assert_eq!(of(StatusCode::NOT_FOUND, text), None, "{text}");
        }
    }
}
