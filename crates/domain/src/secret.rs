//! Two wrappers that make leaking a type error: `Secret` (keys, passwords) and `Sensitive` (prompts, answers, addresses).

use std::fmt;
use zeroize::Zeroize;

/// A value that opens something. No `Display`, no `Clone` by accident, wiped when dropped; `Debug` prints nothing of it.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes the value over.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Reads it; every call site is a place to review.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Content or a person's data: prompts, answers, titles, e-mail and network addresses. `Debug` prints only its type.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Takes the value over.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Reads it; never for a log, a metric or an error.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Hands the value over.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(…)")
    }
}
