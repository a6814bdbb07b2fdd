//! How well we know an account, and the band it is admitted in.

use crate::UnknownWord;
use crate::posture::words;

/// How well we know an account. Ordered: a later one was earned on top of the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Standing {
    /// Not served, by an operator's or a rule's decision; the data stays.
    Suspended = 0,
    /// No account.
    #[default]
    Visitor = 1,
    /// Registered lately.
    Newcomer = 2,
    /// Has used the service well for some days.
    Member = 3,
    /// A member for long, or vouched for by an operator.
    Trusted = 4,
}

/// The standing that admission uses: frozen while an incident is open.
pub type Band = Standing;

words!(
    Standing,
    "standing",
    Suspended = "suspended",
    Visitor = "visitor",
    Newcomer = "newcomer",
    Member = "member",
    Trusted = "trusted"
);

impl Standing {
    /// The byte in tickets and databases.
    pub const fn to_u8(self) -> u8 {
        self as u8
    }

    /// From a stored byte; an unknown one is the least that still has an account, a newcomer.
    pub const fn from_u8(byte: u8) -> Self {
        match byte {
            0 => Self::Suspended,
            1 => Self::Visitor,
            3 => Self::Member,
            4 => Self::Trusted,
            _ => Self::Newcomer,
        }
    }

    /// Member or better: served from the members' reserve.
    pub const fn is_member(self) -> bool {
        matches!(self, Self::Member | Self::Trusted)
    }

    /// One step down, for an account that misbehaves; never below newcomer, which only a suspension crosses.
    pub const fn demoted(self) -> Self {
        match self {
            Self::Trusted => Self::Member,
            Self::Member => Self::Newcomer,
            other => other,
        }
    }
}
