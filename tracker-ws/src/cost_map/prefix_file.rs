//! A list of prefixes as text.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::prefix_table::PrefixTable;
use super::{CostMapError, Document, MAX_PREFIXES, Pid, Region};
use crate::prefix::Prefix;

/// Longest name of a region, bytes.
const MAX_NAME: usize = 64;

/// What the lines say.
#[derive(Debug)]
pub(super) struct PrefixFile {
    prefixes: PrefixTable,
    /// Each once, with its name; the table has their indices.
    regions: Vec<(Region, String)>,
}

impl PrefixFile {
    /// `192.0.2.0/24 DE AS64500` on each line: a prefix, a region, an autonomous system, which may be left out; `-` is a
    /// region that is not known. After `#` comes a comment.
    pub(super) fn parse(document: Document<'_>) -> Result<Self, CostMapError> {
        let mut prefixes: Vec<(Prefix, Pid)> = Vec::new();
        let mut lines: BTreeMap<Prefix, usize> = BTreeMap::new();
        let mut numbers: HashMap<&str, u16> = HashMap::new();
        let mut indices: HashMap<(u32, u16), Pid> = HashMap::new();
        let mut regions = Vec::new();
        for (index, whole) in document.text.lines().enumerate() {
            let line = whole.split('#').next().unwrap_or_default();
            let refuse = |word: &str, problem: &str| CostMapError::Line {
                document: document.name.to_owned(),
                line: index + 1,
                column: column(whole, word),
                problem: problem.to_owned(),
            };
            let mut words = line.split_whitespace();
            let Some(first) = words.next() else {
                continue;
            };
            let prefix =
                prefix(first).ok_or_else(|| refuse(first, &format!("{first:.64} is not a prefix")))?;
            let name = words.next().ok_or_else(|| refuse(first, "no region"))?;
            let area = match name {
                "-" => 0,
                name if name.len() > MAX_NAME => {
                    return Err(refuse(name, "the region's name has more than 64 bytes"));
                }
                name => match (numbers.get(name), u16::try_from(numbers.len() + 1)) {
                    (Some(number), _) => *number,
                    (None, Ok(next)) => {
                        numbers.insert(name, next);
                        next
                    }
                    (None, Err(_)) => return Err(refuse(name, "more than 65535 regions")),
                },
            };
            let system = match words.next() {
                None => 0,
                Some(word) => {
                    system(word).ok_or_else(|| refuse(word, &format!("{word:.64} is not an AS number")))?
                }
            };
            if let Some(word) = words.next() {
                return Err(refuse(word, "more than a prefix, a region and an AS number"));
            }
            if let Some(other) = lines.insert(prefix, index + 1) {
                return Err(refuse(first, &format!("{first} is in line {other} already")));
            }
            let pid = match indices.get(&(system, area)) {
                Some(pid) => *pid,
                None => {
                    let Ok(pid) = Pid::try_from(regions.len()) else {
                        return Err(refuse(first, "more than 65536 pairs of region and AS number"));
                    };
                    let region = Region {
                        system,
                        area,
                        continent: 0,
                    };
                    regions.push((region, region.describe(Some(name).filter(|_| area > 0))));
                    indices.insert((system, area), pid);
                    pid
                }
            };
            if prefixes.len() >= MAX_PREFIXES {
                return Err(refuse(first, "more than 1048576 prefixes"));
            }
            prefixes.push((prefix, pid));
        }
        Ok(Self {
            prefixes: PrefixTable::new(&prefixes),
            regions,
        })
    }

    pub(super) fn region(&self, address: IpAddr) -> Option<Region> {
        self.known(address).map(|(region, _)| *region)
    }

    pub(super) fn name_of(&self, address: IpAddr) -> Option<&str> {
        self.known(address).map(|(_, name)| name.as_str())
    }

    fn known(&self, address: IpAddr) -> Option<&(Region, String)> {
        let pid = self.prefixes.get(address)?;
        let found = self.regions.get(usize::from(pid));
        found.filter(|(region, _)| region.is_known())
    }
}

/// Where a word is in its line, counted from 1 in characters.
fn column(line: &str, word: &str) -> usize {
    let before = word.as_ptr().addr().saturating_sub(line.as_ptr().addr());
    line.get(..before).map_or(1, |before| before.chars().count() + 1)
}

fn prefix(text: &str) -> Option<Prefix> {
    text.parse().ok().filter(|_| text.contains('/'))
}

/// `AS64500`, or the number alone.
fn system(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("AS").unwrap_or(text);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| is_number && *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PrefixFile, String> {
        let document = Document {
            name: "prefixes.txt",
            text,
        };
        PrefixFile::parse(document).map_err(|error| error.to_string())
    }

    #[test]
    fn the_longest_prefix_says_where_an_address_is() {
        let map = parse(
            "# ours\n192.0.2.0/24 campus AS64500 # all\n192.0.2.128/25 campus 64501\n\n198.51.100.0/24 campus\n\
             203.0.113.0/24 - AS64500\n  2001:db8::/32\tfar\n0.0.0.0/0 -\n",
        )
        .unwrap();
        let of = |address: &str| map.region(address.parse().unwrap());
        let cost = |one, other| of(one).unwrap().cost(of(other).unwrap());
        assert_eq!(cost("192.0.2.1", "192.0.2.2"), 0.0);
        assert_eq!(cost("192.0.2.1", "192.0.2.200"), 1.0);
        assert_eq!(cost("192.0.2.1", "198.51.100.1"), 1.0);
        assert_eq!(cost("192.0.2.1", "203.0.113.1"), 2.0);
        assert_eq!(cost("192.0.2.1", "2001:db8::1"), 3.0);
        assert_eq!(of("2001:db8::1").unwrap().system, 0);
        for (address, expected) in [
            ("192.0.2.1", Some("campus AS64500")),
            ("198.51.100.1", Some("campus")),
            ("203.0.113.1", Some("AS64500")),
            ("10.0.0.1", None),
        ] {
            assert_eq!(map.name_of(address.parse().unwrap()), expected);
        }
        // Nothing is known of them.
        assert_eq!((of("10.0.0.1"), of("::1")), (None, None));
    }

    #[test]
    fn errors_name_line_and_column() {
        for (text, expected) in [
            ("192.0.2.0 a", "1:1: 192.0.2.0 is not a prefix"),
            ("\n 192.0.2.0/33 a", "2:2: 192.0.2.0/33 is not a prefix"),
            ("192.0.2.0/+4 a", "1:1: 192.0.2.0/+4 is not a prefix"),
            ("192.0.2.0/24", "1:1: no region"),
            ("192.0.2.0/24 ü ASx", "1:16: ASx is not an AS number"),
            ("192.0.2.0/24 a AS0", "1:16: AS0 is not an AS number"),
            (
                "192.0.2.0/24 a 4294967296",
                "1:16: 4294967296 is not an AS number",
            ),
            (
                "192.0.2.0/24 a 1 b",
                "1:18: more than a prefix, a region and an AS number",
            ),
            (
                "192.0.2.0/24 a\n192.0.2.7/24 b",
                "2:1: 192.0.2.7/24 is in line 1 already",
            ),
        ] {
            assert_eq!(parse(text).map(drop), Err(format!("prefixes.txt:{expected}")));
        }
        let long = format!("::/0 {}", "a".repeat(65));
        assert_eq!(
            parse(&long).map(drop),
            Err("prefixes.txt:1:6: the region's name has more than 64 bytes".to_owned())
        );
    }

    #[test]
    fn regions_are_bounded() {
        let line = |number: usize| {
            let [_, _, high, low] = u32::try_from(number).unwrap().to_be_bytes();
            format!("10.{high}.{low}.0/24 r{number}\n")
        };
        let mut text: String = (0..65_535).map(line).collect();
        // One that is there already is not one more.
        text.push_str("192.0.2.0/24 r7\n");
        assert!(parse(&text).is_ok());
        text.push_str("198.51.100.0/24 one-more\n");
        assert_eq!(
            parse(&text).map(drop),
            Err("prefixes.txt:65537:17: more than 65535 regions".to_owned())
        );
    }
}
