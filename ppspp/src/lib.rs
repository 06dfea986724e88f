//! RFC 7574 peer protocol as a pure state machine
