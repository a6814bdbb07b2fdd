//! Work for the database, and the lane it waits in.
//!
//! What must stay true: no lane can fill another's queue; a caller that left before its work began has asked for nothing.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::StoreError;
use crate::conn::Conn;
use crate::error::Outage;

/// What work is for: decides what it waits behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Identify and sign in: before everything else.
    SignIn,
    /// What members do.
    Other,
    /// Reading through much: search, export, shared pages. It never takes a connection of the others.
    Scan,
    /// New accounts: last, so that a flood of them delays nobody else.
    Registration,
}

/// The registration queue is this part of the others' bound: what would wait longer is refused at once.
pub(crate) const REGISTRATION_QUEUE_PART: usize = 8;

/// The longest a caller waits for an answer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// The longest the caller waits whose call is the trial of a database that was down.
pub(crate) const DEADLINE_TRIAL: Duration = Duration::from_secs(1);

/// The longest an operator's bulk work waits for one batch.
pub(crate) const DEADLINE_BULK: Duration = Duration::from_secs(120);

/// What a piece of work is: statements on a connection, inside a transaction that is not its own.
pub(crate) type Work<T> = Box<dyn for<'a> FnOnce(&'a mut Conn) -> BoxFuture<'a, Result<T, StoreError>> + Send>;

/// A piece of work in a queue, its result type forgotten.
pub(crate) trait Job: Send {
    /// True when nobody waits for it any more.
    fn is_abandoned(&self) -> bool;
    /// Does it; the result is kept until [`Job::acknowledge`].
    fn run<'a>(&'a mut self, conn: &'a mut Conn) -> BoxFuture<'a, Outcome>;
    /// Answers the caller: with the result of the work, or with the outage that undid it.
    fn acknowledge(self: Box<Self>, undone: Option<Outage>);
}

/// How a piece of work ended, as far as the transaction around it must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Keep its changes.
    Done,
    /// Take its changes back, keep the others'.
    Failed,
    /// The database failed: take all changes back.
    Outage(Outage),
}

pub(crate) struct TypedJob<T> {
    work: Option<Work<T>>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T> TypedJob<T> {
    pub(crate) fn new(work: Work<T>) -> (Box<Self>, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { work: Some(work), result: None, reply }), answer)
    }
}

impl<T: Send + 'static> Job for TypedJob<T> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run<'a>(&'a mut self, conn: &'a mut Conn) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return Outcome::Failed };
            let result = work(conn).await;
            let outcome = match &result {
                Ok(_) => Outcome::Done,
                Err(StoreError::Unavailable(outage)) => Outcome::Outage(*outage),
                Err(_) => Outcome::Failed,
            };
            self.result = Some(result);
            outcome
        })
    }

    fn acknowledge(self: Box<Self>, undone: Option<Outage>) {
        let answer = match (undone, self.result) {
            (Some(outage), _) => Err(StoreError::Unavailable(outage)),
            (None, Some(result)) => result,
            (None, None) => Err(StoreError::Unavailable(Outage::Closed)),
        };
        // A caller that left does not hear it; what was written stays written.
        let _left = self.reply.send(answer);
    }
}
