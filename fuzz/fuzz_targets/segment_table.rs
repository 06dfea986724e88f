//! Segment tables: there is one encoding, and every chunk of an accepted table has a number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ppspp::segment_table::SegmentTable;

fuzz_target!(|bytes: &[u8]| {
    let Ok(table) = SegmentTable::decode(bytes) else {
        return;
    };
    assert_eq!(table.encode(), bytes);
    assert!(!table.swarm_id().is_zero());
    assert!(table.bytes() >= table.segments.len() as u64);
    for chunk_size in [1, 1024, 16384, u32::MAX] {
        let Ok(bits) = table.segment_bits(chunk_size) else {
            continue;
        };
        assert!((table.segments.len() as u64) << bits <= 1 << 32);
        let room = u64::from(chunk_size) << bits;
        assert!(table.segments.iter().all(|segment| segment.size <= room));
    }
});
