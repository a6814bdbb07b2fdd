//! What comes in from the platform: a thread reads frames and hands them on; the stepping thread takes what came between two steps.
//!
//! What must stay true: a cancellation does not queue behind prompts that are being tokenised; when the socket closes, a model that is
//! being loaded is given up and the steps end after the one that runs.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use rempart_engine::worker_protocol::{
    FailureFrame, FrameReader, GenerateParams, LoadParams, TO_WORKER_FRAME_BYTES_MAX, ToWorker,
};

use crate::native::Kernel;
use crate::schedule::{Job, Schedule};

/// Whether the platform is still there.
#[derive(Default)]
pub(crate) struct Inbox {
    is_closed: Arc<AtomicBool>,
}

impl Inbox {
    /// True once the platform hung up.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// The same question for somebody who outlives a borrow.
    pub(crate) fn closed_flag(&self) -> impl Fn() -> bool + 'static {
        let flag = Arc::clone(&self.is_closed);
        move || flag.load(Ordering::Acquire)
    }
}

/// A message to the stepping thread.
pub(crate) enum ToStep {
    /// Tokenised, ready to be taken up.
    Job(Box<Job>),
    /// The prompt could not be taken.
    Refuse(u64, FailureFrame),
    /// Nobody wants it any more.
    Cancel(u64),
    /// The platform hung up.
    Closed,
}

/// Reads until the platform hangs up or sends what is no frame.
pub(crate) fn read(
    mut socket: UnixStream,
    inbox: &Inbox,
    to_load: &SyncSender<LoadParams>,
    to_prompts: &SyncSender<Box<GenerateParams>>,
    to_step: &SyncSender<ToStep>,
) {
    let mut frames = FrameReader::new(TO_WORKER_FRAME_BYTES_MAX);
    'open: loop {
        match socket.read(frames.room()) {
            Ok(0) => break,
            Ok(count) => frames.filled(count),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        }
        loop {
            let is_sent = match frames.next_frame() {
                Ok(None) => break,
                Ok(Some(ToWorker::Load(params))) => to_load.try_send(params).is_ok(),
                Ok(Some(ToWorker::Generate(params))) => to_prompts.send(params).is_ok(),
                Ok(Some(ToWorker::Cancel { id })) => to_step.send(ToStep::Cancel(id)).is_ok(),
                Err(_) => false,
            };
            if !is_sent {
                break 'open;
            }
        }
    }
    inbox.is_closed.store(true, Ordering::Release);
    // Before the model is loaded nobody reads the steps: the flag is enough, and a full queue must not hold us.
    let _ = to_step.try_send(ToStep::Closed);
}

/// The stepping thread: takes what came, makes a step, writes what it gave in one write, and sleeps when there is nothing to do.
pub(crate) fn step_until_closed<K: Kernel>(
    schedule: &mut Schedule<'_, K>,
    steps: &Receiver<ToStep>,
    inbox: &Inbox,
    mut socket: &UnixStream,
) {
    while !inbox.is_closed() {
        if schedule.is_idle() {
            match steps.recv() {
                Ok(message) => take(schedule, message),
                Err(_) => return,
            }
        }
        while let Ok(message) = steps.try_recv() {
            take(schedule, message);
        }
        schedule.step();
        let out = schedule.out();
        if !out.is_empty() {
            let written = socket.write_all(out);
            out.clear();
            if written.is_err() {
                return;
            }
        }
    }
}

fn take<K: Kernel>(schedule: &mut Schedule<'_, K>, message: ToStep) {
    match message {
        ToStep::Job(job) => schedule.offer(*job),
        ToStep::Refuse(id, error) => schedule.refuse(id, error),
        ToStep::Cancel(id) => schedule.cancel(id),
        ToStep::Closed => {}
    }
}
