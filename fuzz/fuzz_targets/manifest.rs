//! `shoal.json`: whatever is read is written to something that reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_content::Manifest;

fuzz_target!(|json: &[u8]| {
    match Manifest::parse(json) {
        Ok(manifest) => {
            let written = manifest.to_json();
            assert_eq!(Manifest::parse(&written).as_ref(), Ok(&manifest));
            for swarm in &manifest.swarms {
                assert_eq!(manifest.swarm(&swarm.playlist), Some(swarm));
                assert!(u64::from(swarm.segments) << swarm.segment_bits <= 1 << 32);
                assert!(swarm.bytes >= u64::from(swarm.segments));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
