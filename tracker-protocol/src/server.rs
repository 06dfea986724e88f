//! What a tracker keeps per peer.
