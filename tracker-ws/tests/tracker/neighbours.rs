//! A swarm whose members are near to who asks, or far, as their addresses say.

use std::net::Ipv4Addr;

use tracker_protocol::ErrorCode;

use crate::http::get;
use crate::peer::*;

/// Near ones connect from 127.1.0.0/16 like who asks, far ones from 127.2.0.0/16; each from a /24 of its own.
pub struct Neighbours {
    asker: TestPeer,
    near: Vec<TestPeer>,
    /// Sockets that must stay open.
    _far: Vec<TestPeer>,
}

/// Lists that are looked at: of the first places in them near members have 10 without a map, and 38 with one.
const LISTS: usize = 40;
const NEAR: u8 = 3;
const FAR: u8 = 9;

impl Neighbours {
    pub async fn join(url: &str) -> Self {
        let from = |net: u8, third: u8| Ipv4Addr::new(127, net, third, 1);
        let asker = TestPeer::joined_from(url, Key::numbered(1), from(1, 200)).await;
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for number in 0..NEAR {
            let key = Key::numbered(u32::from(number) + 100);
            near.push(TestPeer::joined_from(url, key, from(1, number)).await);
        }
        for number in 0..FAR {
            let key = Key::numbered(u32::from(number) + 200);
            far.push(TestPeer::joined_from(url, key, from(2, number)).await);
        }
        Self {
            asker,
            near,
            _far: far,
        }
    }

    /// In how many of 40 lists a near one is the first.
    async fn near_first(&mut self) -> usize {
        let mut count = 0;
        for _ in 0..LISTS {
            let response = self.asker.find(A, Some(4)).await;
            assert_eq!(response.code, ErrorCode::NoError, "{response:?}");
            let first = listed(&response)[0];
            count += usize::from(self.near.iter().any(|peer| peer.id() == first));
        }
        count
    }

    pub async fn near_come_first(&mut self) {
        let count = self.near_first().await;
        assert!(count >= 30, "{count} of {LISTS}");
    }

    pub async fn all_are_alike(&mut self) {
        let count = self.near_first().await;
        assert!((1..=23).contains(&count), "{count} of {LISTS}");
    }

    pub async fn far_come_first(&mut self) {
        let count = self.near_first().await;
        assert!(count <= 6, "{count} of {LISTS}");
    }
}

/// How often maps from there were read with this result.
pub async fn map_reads(url: &str, source: &str, result: &str) -> u64 {
    let line = format!("tracker_map_reads_total{{source=\"{source}\",result=\"{result}\"}} ");
    let text = get(url, "/metrics").await;
    let count = text.lines().find_map(|found| found.strip_prefix(&line));
    count.map_or(0, |count| count.parse().unwrap())
}
