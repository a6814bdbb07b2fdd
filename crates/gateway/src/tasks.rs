//! Tasks: named, counted, told to stop, awaited at shutdown. Nothing else in the platform calls `tokio::spawn`.
//!
//! There are two sets of threads. What serves members, and all background work, has the first. Connections on which no member was seen
//! have the second, whose threads give way where both want the same core: a flood's refusals are done when nobody else wants it.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// The tasks of a running platform. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    /// Members' threads, then strangers'; `None`: whichever runtime a task is started from.
    threads: Option<(Handle, Handle)>,
}

impl Tasks {
    /// With threads of their own for strangers' connections.
    pub fn on(members: Handle, strangers: Handle) -> Self {
        Self { threads: Some((members, strangers)), ..Self::default() }
    }

    /// Starts a task. It should end soon after [`Tasks::stopping`] is cancelled.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_light(task.instrument(tracing::debug_span!("task", name)));
    }

    /// Starts a task without a span: for work done once a request.
    pub fn spawn_light(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.threads {
            Some((members, _)) => self.tracker.spawn_on(task, members),
            None => self.tracker.spawn(task),
        };
    }

    /// True if strangers' connections have threads of their own.
    pub const fn has_strangers_threads(&self) -> bool {
        self.threads.is_some()
    }

    /// Starts a task on strangers' threads.
    pub fn spawn_for_stranger(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.threads {
            Some((_, strangers)) => self.tracker.spawn_on(task, strangers),
            None => self.tracker.spawn(task),
        };
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
