//! STAT_REPORT: what the driver hands in when a report is due.

use super::requests::What;
use super::{Client, Member, SECOND, State, Timestamp};
use crate::MAX_SWARMS;
use crate::chunk_map::MapReport;
use crate::peer::PeerMode;
use crate::request::{RequestBody, RequestExt};
use crate::stat::Stat;
use crate::status::PeerStatus;

/// A chunk map is not told again before this.
const MAP_INTERVAL: u64 = 60 * SECOND;

impl Client {
    /// The status, if the tracker has not been told it yet.
    pub(super) fn take_status(&mut self) -> Option<PeerStatus> {
        std::mem::take(&mut self.status_changed).then(|| self.status.clone())
    }

    pub(super) fn report(&mut self, mut stats: Vec<Stat>) {
        if !matches!(self.state, State::Joined { .. }) {
            return;
        }
        let (announced, wanted, now) = (&self.announced, &mut self.wanted, self.now);
        // A swarm the tracker does not know of us would be an error.
        stats.retain(|stat| announced.contains_key(&stat.swarm_id));
        stats.truncate(MAX_SWARMS);
        for stat in &mut stats {
            let member = wanted.get_mut(&stat.swarm_id);
            stat.ext.map = stat
                .ext
                .map
                .take()
                .zip(member)
                .and_then(|(map, member)| member.tell(now, map));
        }
        let ext = RequestExt {
            status: self.take_status(),
            ..RequestExt::default()
        };
        if let Err(reason) = self.send(RequestBody::StatReport(stats), ext, What::Report) {
            self.lose(&reason, 0, true);
        }
    }
}

impl Member {
    /// The map, if the tracker is to be told it now.
    fn tell(&mut self, now: Timestamp, map: MapReport) -> Option<MapReport> {
        // Who has everything need not say what.
        let is_news = self.mode == PeerMode::Leech
            && self
                .map
                .as_ref()
                .is_none_or(|(at, told)| now >= at + MAP_INTERVAL && *told != map);
        is_news.then(|| {
            self.map = Some((now, map.clone()));
            map
        })
    }
}
