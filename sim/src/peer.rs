//! One viewer at run time: its machines, its links and its accounts.

use ppspp::neighbourhood::{Bucket, Limits};
use ppspp::{LinkId, Neighbourhood, PeerId, Swarm, Timestamp};
use tracker_protocol::client::Client;

use crate::access::{Downlink, Uplink};
use crate::control::Control;
use crate::plain::PlainLoader;
use crate::player::{Experience, Player};

/// Nothing is due.
pub const NEVER: Timestamp = Timestamp(u64::MAX);
/// As [`Peer::expect_until`]: no neighbours are to be expected.
pub const NOT_EXPECTED: Timestamp = Timestamp(0);

/// What loads segments for the player.
#[derive(Debug)]
pub enum Loader {
    /// The swarm.
    Swarm(Box<Swarm>),
    /// Plain HTTP.
    Plain(PlainLoader),
}

/// One end of a connection that is up.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Its number for the swarm.
    pub id: LinkId,
    /// The connection.
    pub connection: u32,
    /// Which end: 0 = who dialled.
    pub side: u8,
    /// Since when.
    pub since: Timestamp,
    /// Payload bytes from and to the other side that the neighbourhood has not been told of.
    pub exchanged: (u64, u64),
}

/// Bytes and counts of one viewer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    /// Verified payload from peers.
    pub from_peers: u64,
    /// Verified payload from the origin.
    pub from_origin: u64,
    /// Payload from peers that was thrown away.
    pub discarded_peers: u64,
    /// Bytes of the origin that were thrown away.
    pub discarded_origin: u64,
    /// Payload sent to peers.
    pub uploaded: u64,
    /// What it sent on control lanes.
    pub control: Control,
    /// Time of all its links together, microseconds.
    pub neighbour_us: u64,
    /// Links that came up.
    pub links: u32,
    /// Dials that failed.
    pub dials_failed: u32,
    /// Segments that reached the player with other bytes than the origin's.
    pub bad_segments: u32,
    /// Segments that failed.
    pub failed_segments: u32,
    /// Live segments whose proof came too late or was no good.
    pub unproven: u32,
    /// Signatures and certificates that were refused.
    pub refused: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Peer {
    /// Its identity.
    pub id: PeerId,
    /// Is it taking part now?
    pub here: bool,
    /// When it went.
    pub gone_at: Option<Timestamp>,
    /// Machines; they exist only while it is here.
    pub loader: Option<Loader>,
    /// The tracker's client.
    pub client: Option<Client>,
    /// The player.
    pub player: Option<Player>,
    /// What became of the viewer, once it is gone.
    pub experience: Experience,
    /// Whom it knows.
    pub neighbours: Neighbourhood,
    /// Its uplink.
    pub uplink: Uplink,
    /// When the uplink's event is scheduled.
    pub uplink_at: Timestamp,
    /// Its downlink.
    pub downlink: Downlink,
    /// Connections that are up, by link number.
    pub links: Vec<Link>,
    /// Connections being made.
    pub attempts: Vec<u32>,
    next_link: u32,
    /// Number of the tracker socket in use; frames of others are void.
    pub socket: u32,
    /// Neighbours are to be expected until then.
    pub expect_until: Timestamp,
    /// What the swarm was last told of them.
    pub prospects: bool,
    /// Fetches under way: number of the loader, slot of the origin.
    pub fetches: Vec<(u32, u32)>,
    /// Has it a connection to the origin?
    pub origin_connected: bool,
    /// The player has to look at what is there.
    pub play: bool,
    /// When the client's timer is due.
    pub client_due: Timestamp,
    /// When the player's is.
    pub player_due: Timestamp,
    /// When there may be somebody to dial.
    pub dial_due: Timestamp,
    /// When it is looked whether there are enough neighbours.
    pub find_due: Timestamp,
    /// When the playlist is to be asked for.
    pub playlist_due: Timestamp,
    /// When it was asked for last.
    pub playlist_asked: Timestamp,
    /// Signals it has passed on, by their senders.
    pub relayed: Vec<(u32, Bucket)>,
    /// The event scheduled for the earliest of all timers.
    pub wake_at: Timestamp,
    /// It goes at this time, because it has seen the end.
    pub goes_at: Timestamp,
    /// Its bytes.
    pub account: Account,
}

impl Peer {
    /// A viewer that is not here yet. Rates in bytes per second.
    pub fn new(id: PeerId, up: f64, down: f64, max_peers: usize, seed: u64) -> Self {
        Self {
            id,
            here: false,
            gone_at: None,
            loader: None,
            client: None,
            player: None,
            experience: Experience::default(),
            neighbours: Neighbourhood::new(id, Limits::up_to(max_peers), seed),
            uplink: Uplink::new(up),
            uplink_at: NEVER,
            downlink: Downlink::new(down),
            links: Vec::new(),
            attempts: Vec::new(),
            next_link: 0,
            socket: 0,
            expect_until: NOT_EXPECTED,
            prospects: false,
            fetches: Vec::new(),
            origin_connected: false,
            play: false,
            client_due: NEVER,
            player_due: NEVER,
            dial_due: NEVER,
            find_due: NEVER,
            playlist_due: NEVER,
            playlist_asked: NEVER,
            relayed: Vec::new(),
            wake_at: NEVER,
            goes_at: NEVER,
            account: Account::default(),
        }
    }

    /// A link number that was never used.
    pub fn new_link(&mut self) -> LinkId {
        self.next_link += 1;
        LinkId(self.next_link)
    }

    /// The link with this number.
    pub fn link(&self, id: LinkId) -> Option<Link> {
        // In order of their numbers, which only grow.
        let at = self.links.binary_search_by_key(&id, |link| link.id).ok()?;
        Some(self.links[at])
    }

    /// The same, to be changed.
    pub fn link_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        let at = self.links.binary_search_by_key(&id, |link| link.id).ok()?;
        Some(&mut self.links[at])
    }

    /// The swarm, if it takes part in one.
    pub fn swarm(&mut self) -> Option<&mut Swarm> {
        match &mut self.loader {
            Some(Loader::Swarm(swarm)) => Some(swarm),
            _ => None,
        }
    }

    /// When one of its timers is due.
    pub fn next_due(&self) -> Timestamp {
        let swarm = match &self.loader {
            Some(Loader::Swarm(swarm)) => swarm.poll_timeout().unwrap_or(NEVER),
            _ => NEVER,
        };
        let expect = match self.expect_until {
            NOT_EXPECTED => NEVER,
            until => until,
        };
        swarm
            .min(self.client_due)
            .min(self.player_due)
            .min(self.dial_due)
            .min(self.find_due)
            .min(self.playlist_due)
            .min(self.goes_at)
            .min(expect)
    }
}
