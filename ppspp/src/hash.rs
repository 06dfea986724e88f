//! SHA-256 hashes and Merkle tree nodes (RFC 7574 §5).
//!
//! A tree is `2^layers` leaves wide. Leaves past the end of the content do not exist: their hash is all zero, and so
//! is the hash of a node above two such leaves (RFC 7574 §5.2). Nothing here ever materialises them.

use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};

/// Length of a hash in bytes.
pub const HASH_LENGTH: usize = 32;

/// One node of the Merkle hash tree: SHA-256 of a chunk or of two children, or all zero where there is no content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash([u8; HASH_LENGTH]);

/// Why a text is not a [`Hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseHashError {
    /// Not 64 digits long.
    #[error("{0} hex digits, want 64")]
    Length(usize),
    /// Something that is no hexadecimal digit.
    #[error("byte {0} is not a hex digit")]
    Digit(usize),
}

impl Hash {
    /// The hash of what does not exist: leaves past the end of the content and the nodes above nothing but those.
    pub const ZERO: Self = Self([0; HASH_LENGTH]);

    /// A hash from its bytes.
    pub const fn new(bytes: [u8; HASH_LENGTH]) -> Self {
        Self(bytes)
    }

    /// Is this the all-zero hash of a node without content?
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; HASH_LENGTH] {
        &self.0
    }

    /// Leaf hash: SHA-256 of the chunk's true bytes; the last, short chunk is not padded (RFC 7574 §5.1).
    pub fn of_chunk(chunk: &[u8]) -> Self {
        Self(Sha256::digest(chunk).into())
    }

    /// Inner node: SHA-256 of left ‖ right, or all zero, unhashed, above two all-zero children (RFC 7574 §5.2).
    pub fn of_children(left: &Self, right: &Self) -> Self {
        if left.is_zero() && right.is_zero() {
            return Self::ZERO;
        }
        let mut pair = [0; 2 * HASH_LENGTH];
        pair[..HASH_LENGTH].copy_from_slice(&left.0);
        pair[HASH_LENGTH..].copy_from_slice(&right.0);
        Self(Sha256::digest(&pair[..]).into())
    }
}

impl From<[u8; HASH_LENGTH]> for Hash {
    fn from(bytes: [u8; HASH_LENGTH]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        let digits = text.as_bytes();
        if digits.len() != 2 * HASH_LENGTH {
            return Err(ParseHashError::Length(text.chars().count()));
        }
        let digit = |at: usize| {
            (digits[at] as char)
                .to_digit(16)
                .map(|value| value as u8)
                .ok_or(ParseHashError::Digit(at))
        };
        let mut bytes = [0; HASH_LENGTH];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = digit(2 * index)? << 4 | digit(2 * index + 1)?;
        }
        Ok(Self(bytes))
    }
}

/// The smallest number of layers whose `2^layers` leaves hold `leaves` of them (0 for none or one).
pub(crate) fn layers_for(leaves: u64) -> u8 {
    match leaves {
        0 | 1 => 0,
        _ => (u64::BITS - (leaves - 1).leading_zeros()) as u8,
    }
}

/// Root of the tree of `2^layers` leaves that starts with `hashes` and goes on with all-zero ones.
///
/// `layers` is a minimum: more hashes than fit get the smallest tree that holds them. No hashes: all zero.
pub fn root_of(hashes: &[Hash], layers: u8) -> Hash {
    if hashes.is_empty() {
        return Hash::ZERO;
    }
    let layers = layers.max(layers_for(hashes.len() as u64));
    let mut level = hashes.to_vec();
    for _ in 0..layers {
        let parents = level.len().div_ceil(2);
        for parent in 0..parents {
            let right = level.get(2 * parent + 1).copied().unwrap_or(Hash::ZERO);
            level[parent] = Hash::of_children(&level[2 * parent], &right);
        }
        level.truncate(parents);
    }
    level[0]
}

/// Hashes the bytes of one segment as they come, without keeping them: one pending node for each layer.
#[derive(Debug, Clone)]
pub struct SubtreeHasher {
    chunk_size: u64,
    layers: u8,
    size: u64,
    chunk: Sha256,
    in_chunk: u64,
    chunks: u64,
    /// At index n: a complete left node of layer n that waits for its sibling.
    pending: Vec<Hash>,
}

impl SubtreeHasher {
    /// A hasher for a segment cut into chunks of `chunk_size` bytes, in a subtree of `2^layers` leaves.
    ///
    /// `layers` is a minimum, as in [`root_of`]. A `chunk_size` of 0 counts as 1.
    pub fn new(chunk_size: u32, layers: u8) -> Self {
        Self {
            chunk_size: u64::from(chunk_size.max(1)),
            layers,
            size: 0,
            chunk: Sha256::new(),
            in_chunk: 0,
            chunks: 0,
            pending: Vec::new(),
        }
    }

    /// Takes the next bytes, in pieces of any size.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = self.chunk_size - self.in_chunk;
            let take = room.min(bytes.len() as u64);
            let (now, later) = bytes.split_at(take as usize);
            self.chunk.update(now);
            self.in_chunk += take;
            bytes = later;
            if self.in_chunk == self.chunk_size {
                self.end_chunk();
            }
        }
    }

    /// The number of bytes taken and the root of the subtree (all zero for no bytes).
    pub fn finish(mut self) -> (u64, Hash) {
        if self.in_chunk > 0 {
            self.end_chunk();
        }
        let layers = self.layers.max(layers_for(self.chunks));
        let mut right_edge: Option<Hash> = None;
        for layer in 0..layers {
            let left = self.pending_at(layer);
            right_edge = match (left, right_edge) {
                (Some(left), right) => Some(Hash::of_children(&left, &right.unwrap_or(Hash::ZERO))),
                (None, Some(only)) => Some(Hash::of_children(&only, &Hash::ZERO)),
                (None, None) => None,
            };
        }
        (
            self.size,
            right_edge.or(self.pending_at(layers)).unwrap_or(Hash::ZERO),
        )
    }

    /// The complete node waiting in this layer, which is there where the chunk count has that bit set.
    fn pending_at(&self, layer: u8) -> Option<Hash> {
        let waits = layer < 64 && self.chunks >> layer & 1 == 1;
        if waits {
            self.pending.get(usize::from(layer)).copied()
        } else {
            None
        }
    }

    fn end_chunk(&mut self) {
        let mut node = Hash(core::mem::take(&mut self.chunk).finalize().into());
        let mut layer = 0;
        while let Some(left) = self.pending_at(layer) {
            node = Hash::of_children(&left, &node);
            layer += 1;
        }
        let slot = usize::from(layer);
        if slot == self.pending.len() {
            self.pending.push(node);
        } else {
            self.pending[slot] = node;
        }
        self.in_chunk = 0;
        self.chunks += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Content of the published test vectors: byte i = (7·i + 13·(i >> 8)) mod 256.
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| (7 * i + 13 * (i >> 8)) as u8).collect()
    }

    fn root(content: &[u8], chunk_size: u32) -> Hash {
        let leaves: Vec<Hash> = content.chunks(chunk_size as usize).map(Hash::of_chunk).collect();
        root_of(&leaves, 0)
    }

    /// RFC 7574 §5 to the letter: all leaves of the full tree, then layer by layer.
    fn naive_root(content: &[u8], chunk_size: usize, layers: u8) -> Hash {
        let mut level: Vec<Hash> = content.chunks(chunk_size).map(Hash::of_chunk).collect();
        let width = level.len().max(1).next_power_of_two().max(1 << layers);
        level.resize(width, Hash::ZERO);
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|pair| Hash::of_children(&pair[0], &pair[1]))
                .collect();
        }
        level[0]
    }

    #[test]
    fn golden_vectors() {
        let vectors: [(Vec<u8>, &str); 7] = [
            (
                b"Hello world!\n".to_vec(),
                "0ba904eae8773b70c75333db4de2f3ac45a8ad4ddba1b242f0b3cfc199391dd8",
            ),
            (
                pattern(1024),
                "06dfbc85019a732f2e806698102ae43d8f16c07b645a76f9150d1b5c2d8975b1",
            ),
            (
                pattern(1025),
                "9621d174aad8000c5a676a8634b74a181c43a70555f7558f6e30fd37a915c7bb",
            ),
            (
                pattern(3072),
                "b93e0f2338f9e53a8106fefc4ece5cd265f097f1f3ea9ee036ed1f6c2e1e9477",
            ),
            (
                pattern(5120),
                "a73e62e9d689ef925bd7388b1be950303f4e5f423b1f86ebcacfab938cf33c62",
            ),
            (
                pattern(7162),
                "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f",
            ),
            (
                pattern(8192),
                "6c4ef74fc186fbbdcac0d82f1557ad3507deb23c4207fc9e16145ed046564ad2",
            ),
        ];
        for (content, want) in vectors {
            assert_eq!(root(&content, 1024).to_string(), want, "{} bytes", content.len());
            let mut hasher = SubtreeHasher::new(1024, 0);
            hasher.update(&content);
            let (size, streamed) = hasher.finish();
            assert_eq!(
                (size, streamed.to_string().as_str()),
                (content.len() as u64, want)
            );
        }
    }

    #[test]
    fn nothing_is_zero() {
        assert!(root_of(&[], 5).is_zero());
        assert_eq!(SubtreeHasher::new(1024, 5).finish(), (0, Hash::ZERO));
        assert!(Hash::of_children(&Hash::ZERO, &Hash::ZERO).is_zero());
        assert!(!Hash::of_children(&Hash::of_chunk(b"x"), &Hash::ZERO).is_zero());
    }

    #[test]
    fn text_form() {
        let hash = Hash::of_chunk(b"abc");
        assert_eq!(
            hash.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
        assert_eq!("ab".parse::<Hash>(), Err(ParseHashError::Length(2)));
        assert_eq!("é".repeat(32).parse::<Hash>(), Err(ParseHashError::Digit(0)));
        assert_eq!(
            format!("{}g", "0".repeat(63)).parse::<Hash>(),
            Err(ParseHashError::Digit(63))
        );
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_tree(
            content in proptest::collection::vec(any::<u8>(), 0..600),
            chunk_size in 1_u32..40,
            layers in 0_u8..10,
            piece in 1_usize..100,
        ) {
            let want = naive_root(&content, chunk_size as usize, layers);
            let leaves: Vec<Hash> = content.chunks(chunk_size as usize).map(Hash::of_chunk).collect();
            prop_assert_eq!(root_of(&leaves, layers), want);
            let mut hasher = SubtreeHasher::new(chunk_size, layers);
            for bytes in content.chunks(piece) {
                hasher.update(bytes);
            }
            prop_assert_eq!(hasher.finish(), (content.len() as u64, want));
        }
    }
}
