//! A map whose hashes cost less than those of the standard library, and withstand less.

use std::collections::HashMap;

/// For keys that nobody can choose: numbers that the tracker gives, and IDs that are hashes themselves.
pub(crate) type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
