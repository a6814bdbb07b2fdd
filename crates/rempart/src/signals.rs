//! Signals: SIGTERM and SIGINT stop, SIGHUP does nothing.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::outcome::Failure;

/// The signals of this process, caught from now on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Held, so that a closed terminal does not end the platform.
    _hang_up: Signal,
}

impl Signals {
    /// Catches them; inside a runtime only.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let catch = |kind| signal(kind).map_err(|error| Failure::internal("signals", &error));
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            _hang_up: catch(SignalKind::hangup())?,
        })
    }

    /// The next request to stop.
    pub(crate) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
