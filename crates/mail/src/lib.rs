//! Mail leaves here: [`Mailer::try_send`] puts it into a bounded queue and returns at once, a task hands it to a mail server
//! (`smtp`) or writes it into a folder (`outbox`, for development).
//!
//! What must stay true: no request ever waits for a mail server; the queue is bounded, each lane for itself; mail is an amplifier,
//! so it is bounded for each address, each domain and in total; an address that could smuggle a header or a second recipient is no
//! [`Address`]; addresses and texts are never logged. What waits is in memory only: after a restart it is asked for again.

mod address;
mod message;
mod outbox;
mod queue;
mod smtp;

#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rempart_domain::{Millis, Sensitive};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use address::{Address, AddressError};
pub use message::Sender;
pub use queue::{Held, MailLimits};
pub use smtp::{SmtpOptions, SmtpTls};

use message::Envelope;
use outbox::Outbox;
use queue::{Outcome, Queue, Taken};
use smtp::Smtp;

/// Longest time one hand-over to the mail server may take.
const HAND_OVER_MAX: Duration = Duration::from_secs(30);

/// What a mail is for; the first lane goes first, and none starves the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailLane {
    /// To somebody who has an account: a reset, a link to sign in, a changed address.
    Account,
    /// To somebody who wants one.
    Registration,
}

/// One mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// To whom.
    pub to: Address,
    /// What for.
    pub lane: MailLane,
    /// One line.
    pub subject: String,
    /// Plain text; lines end in `\n`.
    pub text: Sensitive<String>,
    /// The language of both: `zh`, `en` or `fr`.
    pub language: &'static str,
    /// When it is worthless: the link in it has expired. Counted from the hand-in.
    pub lasts: Millis,
}

/// Where mail goes.
#[derive(Debug)]
pub enum Route {
    /// A file each in this folder, the oldest removed beyond so many.
    Outbox {
        /// The folder.
        folder: PathBuf,
        /// Files that are kept.
        files_max: u64,
    },
    /// A mail server.
    Smtp(SmtpOptions),
}

/// Why nothing can be sent at all: told at the start.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The sender's address.
    #[error("the sender {0:?} is no mail address")]
    Sender(String),
    /// TLS could not be set up.
    #[error("the mail server's TLS cannot be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
    /// A certificate of the operator's own cannot be read.
    #[error("the certificate file {0} cannot be read")]
    Certificate(String),
    /// The server did not answer as a mail server.
    #[error("the mail server does not take our connection")]
    Unreachable(#[source] lettre::transport::smtp::Error),
}

/// What came of the mails so far, for metrics and the console.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailCounts {
    /// Waiting in the lane of accounts.
    pub queued_account: u64,
    /// Waiting in the lane of registrations.
    pub queued_registration: u64,
    /// Handed over.
    pub sent: u64,
    /// Tried again later.
    pub retried: u64,
    /// Refused by the mail server for good.
    pub refused: u64,
    /// Worthless before they could be handed over.
    pub expired: u64,
    /// Not taken into the queue.
    pub held_back: u64,
}

enum Transport {
    Outbox(Outbox),
    Smtp(Smtp),
}

struct Inner {
    queue: Mutex<Queue>,
    transport: Transport,
    sender: Sender,
    hash: RandomState,
    started: Instant,
    is_configured: bool,
    changed: Notify,
    sent: AtomicU64,
    retried: AtomicU64,
    refused: AtomicU64,
    expired: AtomicU64,
    held_back: AtomicU64,
}

/// The way out for mail; cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Nothing is sent before [`Mailer::run`]. `is_configured`: the operator said where mail goes; else the outbox is only a drawer.
    pub fn new(route: Route, sender: Sender, limits: MailLimits, is_configured: bool) -> Result<Self, MailError> {
        let transport = match route {
            Route::Outbox { folder, files_max } => Transport::Outbox(Outbox::new(folder, files_max)),
            Route::Smtp(options) => Transport::Smtp(Smtp::new(options)?),
        };
        let count = AtomicU64::default;
        let inner = Inner {
            queue: Mutex::new(Queue::new(limits)),
            transport,
            sender,
            hash: RandomState::new(),
            started: Instant::now(),
            is_configured,
            changed: Notify::new(),
            sent: count(),
            retried: count(),
            refused: count(),
            expired: count(),
            held_back: count(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// True if the operator said where mail goes (`[mail]`): only then may anything depend on a mail's arrival.
    pub fn is_configured(&self) -> bool {
        self.inner.is_configured
    }

    /// Queues a mail and returns at once. Whoever asked for it is told the same, whatever comes out here.
    pub fn try_send(&self, mail: Mail) -> Result<(), Held> {
        let keys = (self.inner.hash.hash_one(mail.to.folded()), self.inner.hash.hash_one(mail.to.domain()));
        let offered = self.queue().offer(self.now(), mail, keys);
        match &offered {
            Ok(()) => self.inner.changed.notify_one(),
            Err(_) => drop(self.inner.held_back.fetch_add(1, Ordering::Relaxed)),
        }
        offered
    }

    /// Hands mails over until `stop`, two at once. One task of it is enough.
    pub async fn run(self, stop: CancellationToken) {
        tokio::join!(self.hand_over(&stop), self.hand_over(&stop));
    }

    /// Whether a mail server answers there; the outbox always does. For `doctor`.
    pub async fn check(&self) -> Result<(), MailError> {
        match &self.inner.transport {
            Transport::Outbox(_) => Ok(()),
            Transport::Smtp(smtp) => smtp.check().await,
        }
    }

    /// What came of the mails so far.
    pub fn counts(&self) -> MailCounts {
        let [queued_account, queued_registration] = self.queue().lens();
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let inner = &self.inner;
        MailCounts {
            queued_account,
            queued_registration,
            sent: read(&inner.sent),
            retried: read(&inner.retried),
            refused: read(&inner.refused),
            expired: read(&inner.expired),
            held_back: read(&inner.held_back),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.inner.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.inner.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    async fn hand_over(&self, stop: &CancellationToken) {
        loop {
            let wait = match self.take() {
                Taken::Mail(envelope) => {
                    let Some(()) = stop.run_until_cancelled(self.deliver(*envelope)).await else { return };
                    continue;
                }
                Taken::WaitFor(wait) => wait.to_duration(),
                Taken::Nothing => Duration::from_secs(3600),
            };
            tokio::select! {
                () = self.inner.changed.notified() => {}
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn take(&self) -> Taken {
        let (taken, expired) = self.queue().take(self.now());
        self.inner.expired.fetch_add(expired, Ordering::Relaxed);
        taken
    }

    async fn deliver(&self, envelope: Envelope) {
        let handing = async {
            match &self.inner.transport {
                Transport::Outbox(outbox) => outbox.write(&self.inner.sender, &envelope.mail).await,
                Transport::Smtp(smtp) => smtp.send(&self.inner.sender, &envelope.mail).await,
            }
        };
        let outcome = tokio::time::timeout(HAND_OVER_MAX, handing).await.unwrap_or(Outcome::Later("no answer in time"));
        let counter = match &outcome {
            Outcome::Sent => &self.inner.sent,
            Outcome::Later(_) => &self.inner.retried,
            Outcome::Never(_) => &self.inner.refused,
        };
        let count = counter.fetch_add(1, Ordering::Relaxed) + 1;
        if let Outcome::Later(reason) | Outcome::Never(reason) = &outcome
            && count.is_power_of_two()
        {
            tracing::warn!(count, reason, "mail is not handed over");
        }
        self.queue().settle(self.now(), envelope, &outcome);
        self.inner.changed.notify_one();
    }
}
