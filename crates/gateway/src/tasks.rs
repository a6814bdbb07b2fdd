//! Background tasks: named, counted, told to stop, awaited at shutdown. Nothing else in the platform calls `tokio::spawn`.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// The tasks of a running platform. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Starts a task. It should end soon after [`Tasks::stopping`] is cancelled.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task.instrument(tracing::debug_span!("task", name)));
    }

    /// Starts a task without a span: for work done once a request.
    pub fn spawn_light(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    /// Cancelled when the platform stops.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Tasks that have not ended.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// True if no task runs.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Tells every task to stop and waits at most `deadline`; true if all ended.
    pub async fn shut_down(&self, deadline: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok()
    }
}
