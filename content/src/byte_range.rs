//! A part of a file.

/// A byte range of a resource. Never empty, and its end is at most [`ByteRange::MAX_END`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteRange {
    /// First byte, counted from 0.
    pub offset: u64,
    /// Number of bytes, at least 1.
    pub length: u64,
}

impl ByteRange {
    /// The largest end of a range: what a JavaScript number holds exactly.
    pub const MAX_END: u64 = (1 << 53) - 1;

    /// A range, unless it is empty or ends beyond [`ByteRange::MAX_END`].
    pub fn new(offset: u64, length: u64) -> Option<Self> {
        let end = offset.checked_add(length)?;
        (length > 0 && end <= Self::MAX_END).then_some(Self { offset, length })
    }

    /// The byte after the last.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert_eq!(ByteRange::new(3, 4).map(|range| range.end()), Some(7));
        assert_eq!(ByteRange::new(3, 0), None);
        assert_eq!(ByteRange::new(u64::MAX, 1), None);
        assert_eq!(ByteRange::new(ByteRange::MAX_END, 1), None);
        assert!(ByteRange::new(ByteRange::MAX_END - 1, 1).is_some());
    }
}
