//! The declared state of the system, and how far the registration gate is closed.

use crate::UnknownWord;

/// How far the system has been put on guard; each step removes newcomers' entitlements first, never members'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Posture {
    /// A quiet day.
    #[default]
    Calm,
    /// Strangers are priced and capped.
    Guarded,
    /// Newcomers' share is small; registration queues.
    Siege,
    /// Registration by invite only; visitors closed.
    Fortress,
}

/// How hard it is to register; each level keeps the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum GateLevel {
    /// Name and password are enough.
    #[default]
    Open,
    /// A proof of work first.
    Challenge,
    /// Then a verified contact.
    Verified,
    /// Then the ticket queue or an invite.
    Queue,
    /// Nobody, but by an operator's hand.
    Closed,
}

macro_rules! words {
    ($name:ident, $expected:literal, $($variant:ident = $word:literal),+) => {
        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word on the wire.
            pub fn parse(word: &str) -> Result<Self, UnknownWord> {
                match word { $($word => Ok(Self::$variant),)+ _ => Err(UnknownWord::new($expected, word)) }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words!(Posture, "posture", Calm = "calm", Guarded = "guarded", Siege = "siege", Fortress = "fortress");
words!(
    GateLevel,
    "gate level",
    Open = "open",
    Challenge = "challenge",
    Verified = "verified",
    Queue = "queue",
    Closed = "closed"
);
