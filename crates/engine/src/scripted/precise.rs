//! A timer of microseconds for the server: tokio's wakes at whole milliseconds, which would blur the latencies that are measured
//! through a scripted engine.
//!
//! What must stay true: where the system has no such timer (or refuses one), tokio's is used and only precision is lost.

use std::time::Duration;

/// Sleeps precisely, where the system can.
#[derive(Debug, Default)]
pub(super) struct PreciseTimer {
    #[cfg(target_os = "linux")]
    fd: Option<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>>,
}

/// Below this, letting others run once is as good as a timer and costs no system call.
const YIELD_BELOW: Duration = Duration::from_micros(3);

impl PreciseTimer {
    /// A timer on the runtime this is called in.
    #[cfg(target_os = "linux")]
    #[allow(
        deprecated,
        reason = "its successor is unsafe code; an OwnedFd keeps its descriptor, which is what that asks for"
    )]
    pub(super) fn new() -> Self {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC);
        Self { fd: fd.ok().and_then(|fd| tokio::io::unix::AsyncFd::new(fd).ok()) }
    }

    /// A timer on the runtime this is called in.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Returns when `left` has passed, or a little before: the caller looks at the clock again.
    pub(super) async fn sleep(&self, left: Duration) {
        if left < YIELD_BELOW {
            return tokio::task::yield_now().await;
        }
        #[cfg(target_os = "linux")]
        if let Some(fd) = &self.fd
            && wait(fd, left).await.is_ok()
        {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

#[cfg(target_os = "linux")]
async fn wait(fd: &tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>, left: Duration) -> std::io::Result<()> {
    use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
    let once = Itimerspec {
        it_interval: Timespec::default(),
        it_value: Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        },
    };
    timerfd_settime(fd.get_ref(), TimerfdTimerFlags::empty(), &once)?;
    loop {
        let mut ready = fd.readable().await?;
        let mut count = [0_u8; 8];
        // Setting the timer took back an expiry that nobody read; a readiness left over from it is cleared here.
        if let Ok(read) = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut count)?)) {
            return read.map(|_| ());
        }
    }
}
