//! Memory for request bodies: a bound for all together, and a part of it that only members can take.
//!
//! What must stay true: a body is counted from before its first byte is read until nothing of it is held any more, in the queue before an
//! engine too; however many bodies strangers begin and do not end, members' requests are read.

use std::sync::Arc;

use rempart_domain::Band;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The memory, in kilobytes.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    members: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

impl BodyMemory {
    /// `bytes_total` for all, `members_percent` of it for members alone.
    pub(crate) fn new(bytes_total: u64, members_percent: u64) -> Self {
        let kilobytes = |bytes: u64| {
            Arc::new(Semaphore::new(usize::try_from(bytes / 1024).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)))
        };
        let members = bytes_total / 100 * members_percent.min(100);
        Self { members: kilobytes(members), others: kilobytes(bytes_total.saturating_sub(members)) }
    }

    /// Room for a body of `bytes`; `None` if there is none now. Members take what others left when their own part is full.
    pub(crate) fn try_take(&self, band: Band, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let kilobytes = kilobytes_of(bytes);
        let take = |part: &Arc<Semaphore>| Arc::clone(part).try_acquire_many_owned(kilobytes).ok();
        if band.is_member() { take(&self.members).or_else(|| take(&self.others)) } else { take(&self.others) }
    }
}

/// Gives back what a body that is `bytes` long in the end does not need.
pub(crate) fn shrink(room: &mut OwnedSemaphorePermit, bytes: usize) {
    let needed = usize::try_from(kilobytes_of(bytes as u64)).unwrap_or(usize::MAX);
    drop(room.split(room.num_permits().saturating_sub(needed)));
}

fn kilobytes_of(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}
