//! llama.cpp's log: passed to stderr as `L text` lines, which the platform takes up, and its last errors kept to say why a load failed.
//!
//! What must stay true: debug lines are dropped here; nothing that llama.cpp logs at info or above holds a prompt or an answer.

use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_void};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use llama_cpp_sys_2 as sys;

/// Errors kept.
const ERRORS_MAX: usize = 4;
/// Longest line kept or passed on, in bytes.
const LINE_BYTES_MAX: usize = 1024;

struct Log {
    line: Vec<u8>,
    level: u8,
    errors: VecDeque<String>,
}

static LOG: Mutex<Log> = Mutex::new(Log { line: Vec::new(), level: b'D', errors: VecDeque::new() });

/// Proof that the log is ours.
pub(crate) struct Captured(());

impl Captured {
    /// What llama.cpp said last at error level.
    pub(crate) fn last_error(&self) -> String {
        let errors = &lock().errors;
        if errors.is_empty() { "llama.cpp gave no reason".to_owned() } else { Vec::from(errors.clone()).join("; ") }
    }
}

/// Takes llama.cpp's log over, from now on.
pub(crate) fn capture() -> Captured {
    #[allow(unsafe_code, reason = "the wrapper's own redirection needs a tracing subscriber in this process")]
    // SAFETY: `take_line` has the signature that is asked for, lives as long as the program, and uses no user data.
    unsafe {
        sys::llama_log_set(Some(take_line), std::ptr::null_mut());
    }
    Captured(())
}

fn lock() -> MutexGuard<'static, Log> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

#[allow(unsafe_code, reason = "called by llama.cpp")]
unsafe extern "C" fn take_line(level: sys::ggml_log_level, text: *const c_char, _user_data: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a C string that lives until this call returns; null was ruled out.
    let text = unsafe { CStr::from_ptr(text) }.to_bytes();
    lock().push(level, text);
}

impl Log {
    /// A line may come in pieces: all but the first have the level `CONT`.
    fn push(&mut self, level: sys::ggml_log_level, text: &[u8]) {
        match level {
            sys::GGML_LOG_LEVEL_CONT => {}
            sys::GGML_LOG_LEVEL_ERROR => self.level = b'E',
            sys::GGML_LOG_LEVEL_WARN => self.level = b'W',
            sys::GGML_LOG_LEVEL_INFO => self.level = b'I',
            _ => self.level = b'D',
        }
        for byte in text {
            if *byte == b'\n' {
                self.end_line();
            } else if self.line.len() < LINE_BYTES_MAX {
                self.line.push(*byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if self.level == b'D' || line.is_empty() {
            return;
        }
        let mut bytes = vec![self.level, b' '];
        bytes.extend_from_slice(&line);
        bytes.push(b'\n');
        let _ = std::io::stderr().write_all(&bytes);
        if self.level == b'E' {
            if self.errors.len() == ERRORS_MAX {
                self.errors.pop_front();
            }
            self.errors.push_back(String::from_utf8_lossy(&line).into_owned());
        }
    }
}
