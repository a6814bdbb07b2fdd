//! A try that a turn in a line is good for.

use std::sync::Arc;

use rempart_identity::gate::{Purpose, TryEnd};

use crate::Gateway;

/// Ends as failed unless it is told otherwise: whoever hangs up keeps their turn.
pub(crate) struct Turn {
    gateway: Arc<Gateway>,
    purpose: Purpose,
    id: u64,
    end: TryEnd,
}

impl Turn {
    /// Begins one; `None` if another is going on or there were too many.
    pub(crate) fn begin(gateway: &Arc<Gateway>, purpose: Purpose, id: u64) -> Option<Self> {
        let has_begun = gateway.gate.line(purpose).begin(id);
        has_begun.then(|| Self { gateway: Arc::clone(gateway), purpose, id, end: TryEnd::Failed })
    }

    /// What became of it.
    pub(crate) const fn end_as(&mut self, end: TryEnd) {
        self.end = end;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.gateway.gate.line(self.purpose).end(self.id, self.end);
    }
}
