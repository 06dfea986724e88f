//! What the publisher writes and the peer reads: shoal.json and HLS playlists
