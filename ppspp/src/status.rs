//! What peers tell each other of their link and power, beside the protocol (RFC 6972 PPSP.PP.REQ-8).

/// How a peer is connected to the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLink {
    /// It does not say.
    #[default]
    Unknown,
    /// By cable.
    Ethernet,
    /// By wireless LAN.
    Wifi,
    /// By a mobile network.
    Cellular,
}

/// A peer's condition, as it says itself: a hint for choosing among peers, never a claim to rely on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its access link.
    pub link: AccessLink,
    /// It runs on battery.
    pub battery: bool,
    /// Its user wants data saved.
    pub saver: bool,
}

impl PeerStatus {
    /// How much longer a chunk may take from elsewhere before this peer is asked for it: 1 for a peer that gives
    /// freely. What a peer says can only take load off it.
    pub(crate) fn reluctance(self) -> f64 {
        let link = match self.link {
            AccessLink::Unknown | AccessLink::Ethernet => 1.0,
            AccessLink::Wifi => 1.1,
            AccessLink::Cellular => 4.0,
        };
        let battery = if self.battery { 1.5 } else { 1.0 };
        let saver = if self.saver { 4.0 } else { 1.0 };
        link * battery * saver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_on_a_cell_is_asked_last() {
        let mains = PeerStatus {
            link: AccessLink::Ethernet,
            ..PeerStatus::default()
        };
        let phone = PeerStatus {
            link: AccessLink::Cellular,
            battery: true,
            saver: false,
        };
        assert!(phone.reluctance() > 5.0 * mains.reluctance());
        assert_eq!(PeerStatus::default().reluctance(), 1.0);
    }
}
