//! The browser's peer
