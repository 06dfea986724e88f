//! RFC 7846 messages, signalling envelope and state machines
