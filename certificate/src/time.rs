//! Times as certificates write them (RFC 5280 §4.1.2.5).

use crate::der::{GENERALIZED_TIME, Reader, UTC_TIME};
use crate::error::Problem;

/// The first year that is written in four digits.
const FIRST_GENERALIZED: u64 = 2050;

/// Reads a time as Unix seconds.
#[inline(never)]
pub(crate) fn read(reader: &mut Reader<'_, '_>) -> u64 {
    let (tag, text, _) = reader.any();
    let year_digits = match tag {
        UTC_TIME => 2,
        GENERALIZED_TIME => 4,
        _ => 0,
    };
    unix(year_digits, text).unwrap_or_else(|| {
        reader.refuse(Problem::NotOurs);
        0
    })
}

/// Unix seconds of `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`, from 1970.
fn unix(year_digits: usize, text: &[u8]) -> Option<u64> {
    let mut at = 0;
    let mut number = |digits: usize, from: u64, to: u64| {
        let mut number = 0;
        for digit in text.get(at..at + digits)? {
            number = number * 10 + u64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        }
        at += digits;
        (from..=to).contains(&number).then_some(number)
    };
    let year = match year_digits {
        2 => match number(2, 0, 99)? {
            year @ ..50 => 2000 + year,
            year => 1900 + year,
        },
        4 => number(4, FIRST_GENERALIZED, 9999)?,
        _ => return None,
    };
    let month = number(2, 1, 12)?;
    let day = number(2, 1, days_in(year, month))?;
    let (hour, minute, second) = (number(2, 0, 23)?, number(2, 0, 59)?, number(2, 0, 59)?);
    if text.get(at..) != Some(b"Z") {
        return None;
    }
    let days: u64 = (1..month).map(|month| days_in(year, month)).sum();
    let days = (days_before(year) + days + day - 1).checked_sub(days_before(1970))?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => days_before(year + 1) - days_before(year) - 337,
        _ => 31,
    }
}

/// Days before a year, counted from the year 0 of the proleptic calendar.
fn days_before(year: u64) -> u64 {
    let past = year - 1;
    year * 365 + past / 4 - past / 100 + past / 400
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Field;
    use core::cell::Cell;

    fn utc(text: &str) -> Option<u64> {
        read_as(UTC_TIME, text)
    }

    fn read_as(tag: u8, text: &str) -> Option<u64> {
        let bytes = [&[tag, text.len() as u8], text.as_bytes()].concat();
        let first = Cell::new(None);
        let time = read(&mut Reader::new(Field::Validity, &bytes, &first));
        first.get().is_none().then_some(time)
    }

    /// Expected values are those of `date -u -d … +%s`.
    #[test]
    fn times_are_unix_seconds() {
        assert_eq!(utc("700101000000Z"), Some(0));
        assert_eq!(utc("231114221320Z"), Some(1_700_000_000));
        assert_eq!(utc("240229235959Z"), Some(1_709_251_199));
        assert_eq!(utc("491231235959Z"), Some(2_524_607_999));
        assert_eq!(read_as(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        assert_eq!(read_as(GENERALIZED_TIME, "21000301000000Z"), Some(4_107_542_400));
        assert_eq!(
            read_as(GENERALIZED_TIME, "99991231235959Z"),
            Some(253_402_300_799)
        );
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in [
            "691231235959Z",
            "230229000000Z",
            "230431000000Z",
            "231301000000Z",
            "230001000000Z",
            "230100000000Z",
            "230101240000Z",
            "230101006000Z",
            "230101000060Z",
            "2301010000Z",
            "230101000000",
            "230101000000+",
            "230101000000+0100",
            "23010100000aZ",
            "",
        ] {
            assert_eq!(utc(bad), None, "{bad}");
        }
        for bad in ["20491231235959Z", "20500101000000.5Z", "205001010000Z", "2050"] {
            assert_eq!(read_as(GENERALIZED_TIME, bad), None, "{bad}");
        }
        assert_eq!(read_as(0x0c, "230101000000Z"), None);
    }
}
