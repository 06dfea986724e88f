//! `shoal.json`: whatever is read is written to something that reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_content::{Content, Manifest};

fuzz_target!(|json: &[u8]| {
    match Manifest::parse(json) {
        Ok(manifest) => {
            let written = manifest.to_json();
            assert_eq!(Manifest::parse(&written).as_ref(), Ok(&manifest));
            for swarm in &manifest.swarms {
                assert_eq!(manifest.swarm(&swarm.playlist), Some(swarm));
                match &swarm.content {
                    Content::Vod(vod) => {
                        assert!(swarm.root().is_some());
                        assert!(u64::from(vod.segments) << swarm.segment_bits <= 1 << 32);
                        assert!(vod.bytes >= u64::from(vod.segments));
                    }
                    Content::Live(live) => {
                        assert!(swarm.live_key().is_some());
                        assert!(u64::from(live.discard_window) << swarm.segment_bits < 1 << 32);
                    }
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
