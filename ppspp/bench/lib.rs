//! Benches of `ppspp`, in `benches/`; nothing is here.
