//! Views of the registration gate: what a form carries, where somebody stands in the line, invitations.

use rempart_domain::UnixSeconds;

/// A challenge that a form carries.
#[derive(Debug, Clone, Copy)]
pub struct ChallengeView<'a> {
    /// Where it is fetched from: `/api/v1/challenge?for=…`.
    pub url: &'a str,
    /// Tries that it takes at most, for the bar.
    pub tries_max: u32,
    /// What it is for.
    pub purpose: ChallengePurpose,
}

/// What a challenge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengePurpose {
    /// A new account.
    Registration,
    /// Sign-in from a device that is not known.
    SignIn,
    /// A mailed link to sign in, or to choose another password.
    Mail,
}

impl ChallengePurpose {
    /// What is done instead where the challenge cannot be solved.
    pub(crate) const fn otherwise(self) -> &'static str {
        match self {
            Self::Registration => "challenge-register-otherwise",
            Self::SignIn => "challenge-sign-in-otherwise",
            Self::Mail => "challenge-mail-otherwise",
        }
    }

    /// What is said when solving it failed.
    pub(crate) const fn failed(self) -> &'static str {
        match self {
            Self::Registration => "challenge-failed",
            Self::SignIn | Self::Mail => "challenge-failed-here",
        }
    }

    /// Why there is a line.
    pub(crate) const fn why_line(self) -> &'static str {
        match self {
            Self::Registration => "wait-limited",
            Self::SignIn | Self::Mail => "wait-unknown-device",
        }
    }

    /// A place in the line is taken by a button of its own; a registration without a challenge gets one anyway.
    pub(crate) const fn has_button(self) -> bool {
        !matches!(self, Self::Registration)
    }
}

/// What `/register` says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegisterIntro {
    /// A name and a password are enough.
    #[default]
    Open,
    /// A mail address must be confirmed.
    Verified,
    /// There is a line: choose a name, take a place.
    Queue,
    /// It is their turn, for so many seconds.
    Turn {
        /// How long it lasts.
        lasts_s: u64,
    },
    /// They came with the link that was mailed.
    Confirmed,
    /// They came with an invitation.
    Invited,
}

impl RegisterIntro {
    /// Whether a password is chosen in this step.
    pub(crate) const fn asks_password(self) -> bool {
        !matches!(self, Self::Queue)
    }
}

/// What the registration form carries besides its fields.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegisterGate<'a> {
    /// What is said first.
    pub intro: RegisterIntro,
    /// A place in the line, or empty.
    pub ticket: &'a str,
    /// An invitation, or empty.
    pub invite: &'a str,
    /// A challenge to solve.
    pub challenge: Option<ChallengeView<'a>>,
    /// Whether a mail address must be given.
    pub asks_email: bool,
}

/// Somebody's place in the line.
#[derive(Debug, Clone, Copy)]
pub struct WaitView {
    /// From 1.
    pub position: u64,
    /// About how long, in seconds; `None` while nobody is let in.
    pub eta_s: Option<u64>,
    /// The page looks again by itself after so many seconds.
    pub look_after_s: u64,
}

/// A letter is on its way.
#[derive(Debug, Clone, Copy)]
pub struct MailedView<'a> {
    /// The place to ask again with.
    pub ticket: &'a str,
    /// The account's name.
    pub name: &'a str,
    /// Where to.
    pub email: &'a str,
    /// It was not sent again so soon.
    pub is_too_soon: bool,
}

/// `/register`, `/sign-in` or `/recover` while somebody waits, in the line or for a letter.
#[derive(Debug, Clone, Copy)]
pub struct WaitingView<'a> {
    /// What for.
    pub purpose: ChallengePurpose,
    /// The address that keeps the place.
    pub link: &'a str,
    /// The place, and the name that it was taken for: kept by the links to other languages. Empty for who waits for a letter.
    pub ticket: &'a str,
    /// See `ticket`.
    pub name: &'a str,
    /// In the line.
    pub wait: Option<WaitView>,
    /// For a letter.
    pub mailed: Option<MailedView<'a>>,
}

/// An invitation on `/account/invites`.
#[derive(Debug, Clone, Copy)]
pub struct InviteRow<'a> {
    /// `i_…`, the value of `id` when it is taken back.
    pub id: &'a str,
    /// When it was made.
    pub created: UnixSeconds,
    /// Until when it is good.
    pub expires: UnixSeconds,
    /// It was used.
    pub is_used: bool,
    /// By whom, if that account still exists.
    pub used_by: &'a str,
    /// Its time is over.
    pub is_over: bool,
}

/// `/account/invites`: field `action` is `create`, or `revoke` with `id`.
#[derive(Debug, Clone, Default)]
pub struct InvitesView<'a> {
    /// Newest first.
    pub rows: Vec<InviteRow<'a>>,
    /// How many more may be made now; `None` for who may make none.
    pub left: Option<u64>,
    /// The address of one just made: shown once, here.
    pub new: Option<&'a str>,
    /// One was taken back just now.
    pub is_revoked: bool,
}
