//! A thread's buffers, for its sockets to share: few of them do something at a time.

use std::cell::RefCell;

/// Of a new one: an announce with ten offers fits.
const SIZE: usize = 32 * 1024;
/// Larger ones are not kept.
const MAX_SIZE: usize = 4 * SIZE;
/// So many are kept.
const MAX_SPARE: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer.
pub(super) fn take() -> Vec<u8> {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    spare.unwrap_or_else(|| Vec::with_capacity(SIZE))
}

/// A buffer that is not needed any more.
pub(super) fn give_back(mut buffer: Vec<u8>) {
    if (SIZE..=MAX_SIZE).contains(&buffer.capacity()) {
        buffer.clear();
        // When its thread ends, there is nowhere to keep it.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MAX_SPARE {
                spare.push(buffer);
            }
        });
    }
}
