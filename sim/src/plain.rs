//! A player without Shoal: one segment after the other, whole, from the origin.

use std::collections::BTreeMap;

use ppspp::Timestamp;

/// A load the player asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The segment.
    pub segment: u32,
    /// Number of the fetch.
    pub fetch: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct PlainLoader {
    wanted: BTreeMap<u32, Timestamp>,
    current: Option<Load>,
    issued: u32,
}

impl PlainLoader {
    /// The player wants a segment, or wants it at another time.
    pub fn demand(&mut self, segment: u32, deadline: Timestamp) {
        self.wanted.insert(segment, deadline);
    }

    /// It no longer does. Returns the fetch to be aborted.
    pub fn withdraw(&mut self, segment: u32) -> Option<u32> {
        self.wanted.remove(&segment);
        let load = self.current.take_if(|load| load.segment == segment)?;
        Some(load.fetch)
    }

    /// The next fetch to be started: the segment needed first, when none is under way.
    pub fn start_next(&mut self) -> Option<Load> {
        if self.current.is_some() {
            return None;
        }
        let (&segment, _) = self.wanted.iter().min_by_key(|(_, deadline)| **deadline)?;
        self.issued += 1;
        self.current = Some(Load {
            segment,
            fetch: self.issued,
        });
        self.current
    }

    /// The fetch under way has brought everything.
    pub fn complete(&mut self, fetch: u32) -> Option<u32> {
        let load = self.current.take_if(|load| load.fetch == fetch)?;
        self.wanted.remove(&load.segment);
        Some(load.segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_after_the_other_by_deadline() {
        let mut loader = PlainLoader::default();
        assert_eq!(loader.start_next(), None);
        loader.demand(5, Timestamp(9));
        loader.demand(3, Timestamp(20));
        let first = loader.start_next().unwrap();
        assert_eq!(first.segment, 5);
        assert_eq!(loader.start_next(), None);
        assert_eq!(loader.complete(first.fetch + 1), None);
        assert_eq!(loader.complete(first.fetch), Some(5));
        let second = loader.start_next().unwrap();
        assert_eq!(loader.withdraw(3), Some(second.fetch));
        assert_eq!(loader.start_next(), None);
    }
}
