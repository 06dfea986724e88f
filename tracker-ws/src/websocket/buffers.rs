//! A thread's buffers, for its sockets to share: few of them do something at a time.

use std::cell::RefCell;
use std::thread::LocalKey;

/// Of a new one to read into: an announce with ten offers fits.
const SIZE: usize = 32 * 1024;
/// Of a new one to write from: two or three descriptions fit.
const SMALL: usize = 4 * 1024;
/// Larger ones are not kept.
const MAX_SIZE: usize = 4 * SIZE;
/// Of either kind as many are kept as take so much memory, at most. When there is much to do, something waits for most of
/// the sockets.
const MAX_SPARE: usize = 2 * 1024 * 1024;
const MAX_SPARE_SMALL: usize = 8 * 1024 * 1024;

#[derive(Default)]
struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

thread_local! {
    static SPARE: RefCell<Spare> = RefCell::default();
    static SPARE_SMALL: RefCell<Spare> = RefCell::default();
}

/// An empty buffer.
pub(super) fn take() -> Vec<u8> {
    take_from(&SPARE, SIZE)
}

/// An empty buffer that may be smaller.
pub(crate) fn take_small() -> Vec<u8> {
    take_from(&SPARE_SMALL, SMALL)
}

fn take_from(spare: &'static LocalKey<RefCell<Spare>>, size: usize) -> Vec<u8> {
    let buffer = spare.with_borrow_mut(|spare| {
        let buffer = spare.buffers.pop()?;
        spare.bytes -= buffer.capacity();
        Some(buffer)
    });
    buffer.unwrap_or_else(|| Vec::with_capacity(size))
}

/// A buffer that is not needed any more.
pub(super) fn give_back(buffer: Vec<u8>) {
    match buffer.capacity() {
        SMALL..SIZE => keep(&SPARE_SMALL, MAX_SPARE_SMALL, buffer),
        SIZE..=MAX_SIZE => keep(&SPARE, MAX_SPARE, buffer),
        _ => {}
    }
}

fn keep(spare: &'static LocalKey<RefCell<Spare>>, most: usize, mut buffer: Vec<u8>) {
    buffer.clear();
    // When its thread ends, there is nowhere to keep it.
    let _ = spare.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.bytes + buffer.capacity() <= most {
            spare.bytes += buffer.capacity();
            spare.buffers.push(buffer);
        }
    });
}
