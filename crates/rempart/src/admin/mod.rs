//! What an operator can ask of a platform, as data: the same [`Command`] is executed by a running platform (it comes through
//! `control.sock`) and by the command itself on a stopped one.
//!
//! What must stay true: one function executes them all ([`execute`]); a change is stored before it is acknowledged, and on a running
//! platform it counts at once; every text that comes in is checked here again, whoever sent it.

mod account;
mod door;
mod gate;
mod import;
mod key;
mod posture;
mod socket;

use rempart_identity::{HashError, IdentityError};
use rempart_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::outcome::{Failure, chain};
use crate::platform::Platform;

pub(crate) use door::{Door, ask_once};
pub(crate) use import::{IMPORT_BATCH_BYTES_MAX, IMPORT_BATCH_LEN_MAX, ImportLine};
pub(crate) use socket::{listen, serve};

/// Accounts of one page.
pub(crate) const PAGE_LEN: u32 = 500;

/// What is asked. Passwords are wiped by whoever takes them; nothing of this is ever logged.
#[derive(Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Command {
    /// Is anybody there?
    Ping,
    /// Makes an account.
    AccountCreate(AccountChange),
    /// A page of accounts, in the order of their names.
    AccountList {
        /// The last name of the page before.
        after: Option<String>,
    },
    /// One account.
    AccountShow {
        /// Whose.
        name: String,
    },
    /// Changes what is given.
    AccountSet(AccountChange),
    /// Deletes an account; its data key goes first.
    AccountDelete {
        /// Whose.
        name: String,
    },
    /// A one-time sign-in address.
    AccountLink {
        /// Whose.
        name: String,
    },
    /// A batch of an import.
    AccountImport {
        /// At most [`IMPORT_BATCH_LEN_MAX`].
        accounts: Vec<ImportLine>,
    },
    /// Makes an API key.
    KeyCreate {
        /// Whose.
        account: String,
        /// What its owner calls it.
        name: String,
        /// `api`, `console` or `metrics`.
        scope: String,
        /// Unix seconds.
        expires: Option<i64>,
        /// Tokens that it may spend.
        #[serde(default)]
        budget: Option<u64>,
        /// Requests a minute.
        #[serde(default)]
        requests_per_minute: Option<u64>,
        /// Answers at once.
        #[serde(default)]
        in_flight: Option<u32>,
    },
    /// Keys of an account, or of all.
    KeyList {
        /// Whose; `None` is everybody's usable keys.
        account: Option<String>,
    },
    /// Revokes a key.
    KeyRevoke {
        /// `k_…`.
        id: String,
    },
    /// The posture in force.
    PostureShow,
    /// Declares a posture, or leaves it to the pressure.
    PostureSet {
        /// A level; `None` is the pressure.
        level: Option<String>,
        /// For so many seconds.
        for_s: Option<i64>,
    },
    /// The registration gate.
    GateShow,
    /// Sets the gate's level, or gives it back to configuration.
    GateSet {
        /// A level; `None` gives it back.
        level: Option<String>,
        /// For so many seconds.
        for_s: Option<i64>,
    },
    /// Makes an invitation, an operator's: good at a closed gate too.
    InviteCreate {
        /// For so many seconds.
        for_s: i64,
    },
    /// Writes a copy of the store.
    Backup {
        /// An absolute path where nothing is yet.
        to: std::path::PathBuf,
    },
}

/// What an account is to be; `None` leaves it as it is (or at its default).
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountChange {
    /// Whose.
    pub(crate) name: String,
    /// A standing.
    pub(crate) standing: Option<String>,
    /// `none` or `operator`.
    pub(crate) role: Option<String>,
    /// A mail address; empty removes it.
    pub(crate) email: Option<String>,
    /// A new password; ends all sessions.
    pub(crate) password: Option<String>,
    /// Ends all sessions.
    #[serde(default)]
    pub(crate) ends_sessions: bool,
}

impl Drop for AccountChange {
    fn drop(&mut self) {
        if let Some(password) = self.password.take() {
            drop(rempart_domain::Secret::new(password));
        }
    }
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(crate) enum Reply {
    /// Done; nothing more to say.
    Done,
    /// An account.
    Account(AccountRow),
    /// A page of accounts.
    Accounts {
        /// In the order of their names.
        data: Vec<AccountRow>,
        /// `after` of the next page.
        next: Option<String>,
    },
    /// A one-time address.
    Link {
        /// Where to go.
        url: String,
        /// RFC 3339.
        expires: String,
    },
    /// What an import batch did.
    Imported {
        /// Accounts made, in the order given.
        accounts: Vec<ImportedRow>,
        /// What was not taken over: the line's position in the batch, and why.
        refused: Vec<(usize, String)>,
    },
    /// A key was made: the only time its text is shown.
    Key {
        /// `k_…`.
        id: String,
        /// `rmp_…`.
        key: String,
    },
    /// Keys.
    Keys {
        /// Newest first.
        data: Vec<KeyRow>,
    },
    /// The posture in force.
    Posture(posture::PostureRow),
    /// The registration gate.
    Gate(GateRow),
    /// It was not done.
    Refused {
        /// Which exit code it is worth.
        kind: RefusedKind,
        /// Why.
        message: String,
    },
}

/// How a refusal counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefusedKind {
    /// What was asked cannot be done: no such account, a name that is taken.
    Failed,
    /// The store or something else is not there.
    Missing,
    /// A mistake of ours.
    Internal,
}

/// An account as commands show it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AccountRow {
    /// `a_…`.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its standing.
    pub(crate) standing: String,
    /// `none` or `operator`.
    pub(crate) role: String,
    /// RFC 3339.
    pub(crate) created: String,
    /// True if it has a mail address; the address itself is shown by `show` only.
    pub(crate) has_email: bool,
    /// The address, for `account show`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// True if it can sign in with a password.
    pub(crate) has_password: bool,
    /// Days of good use.
    pub(crate) good_days: u16,
}

/// The gate as commands show it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GateRow {
    /// What newcomers must show.
    pub(crate) level: String,
    /// `auto` or `manual`.
    pub(crate) source: String,
    /// RFC 3339.
    pub(crate) until: Option<String>,
    /// Registrations a second.
    pub(crate) rate_per_s: f64,
    /// Who waits.
    pub(crate) queue_len: u64,
    /// How long somebody would who came now.
    pub(crate) eta_s: u64,
}

/// An account that an import made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ImportedRow {
    /// Its name.
    pub(crate) name: String,
    /// `a_…`.
    pub(crate) id: String,
    /// Its keys, shown this once.
    pub(crate) keys: Vec<String>,
}

/// A key as commands show it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    /// `k_…`.
    pub(crate) id: String,
    /// `a_…`.
    pub(crate) account: String,
    /// What its owner calls it.
    pub(crate) name: String,
    /// What it opens.
    pub(crate) scope: String,
    /// RFC 3339.
    pub(crate) created: String,
    /// RFC 3339.
    pub(crate) expires: Option<String>,
    /// RFC 3339.
    pub(crate) revoked: Option<String>,
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// The words for the operator.
    #[error("{0}")]
    Refused(String),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Keys, randomness, tables.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The password was not hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl AdminError {
    fn refuse(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    fn to_reply(&self) -> Reply {
        let kind = match self {
            Self::Refused(_)
            | Self::Store(
                StoreError::NameTaken | StoreError::NotFound | StoreError::Backup(_) | StoreError::File { .. },
            ) => RefusedKind::Failed,
            Self::Store(StoreError::Unavailable(_)) | Self::Hash(_) => RefusedKind::Missing,
            Self::Store(_) | Self::Identity(_) => RefusedKind::Internal,
        };
        Reply::Refused { kind, message: chain(self) }
    }
}

impl Reply {
    /// The reply itself, or the failure it tells.
    pub(crate) fn into_result(self) -> Result<Self, Failure> {
        match self {
            Self::Refused { kind: RefusedKind::Failed, message } => Err(Failure::Failed(message)),
            Self::Refused { kind: RefusedKind::Missing, message } => Err(Failure::Missing(message)),
            Self::Refused { kind: RefusedKind::Internal, message } => Err(Failure::Internal(message)),
            other => Ok(other),
        }
    }
}

/// Executes a command; never fails otherwise than by [`Reply::Refused`].
pub(crate) async fn execute(platform: &Platform, command: Command) -> Reply {
    dispatch(platform, command).await.unwrap_or_else(|error| error.to_reply())
}

async fn dispatch(platform: &Platform, command: Command) -> Result<Reply, AdminError> {
    match command {
        Command::Ping => Ok(Reply::Done),
        Command::AccountCreate(change) => account::create(platform, change).await,
        Command::AccountList { after } => account::list(platform, after).await,
        Command::AccountShow { name } => account::show(platform, &name).await,
        Command::AccountSet(change) => account::set(platform, change).await,
        Command::AccountDelete { name } => account::delete(platform, &name).await,
        Command::AccountLink { name } => account::link(platform, &name).await,
        Command::AccountImport { accounts } => import::run(platform, accounts).await,
        Command::KeyCreate { account, name, scope, expires, budget, requests_per_minute, in_flight } => {
            let limits = rempart_domain::KeyLimits { budget_tokens: budget, requests_per_minute, in_flight };
            key::create(platform, &account, name, &scope, expires, limits).await
        }
        Command::KeyList { account } => key::list(platform, account).await,
        Command::KeyRevoke { id } => key::revoke(platform, &id).await,
        Command::PostureShow => Ok(posture::show(platform)),
        Command::PostureSet { level, for_s } => posture::set(platform, level, for_s).await,
        Command::InviteCreate { for_s } => gate::invite(platform, for_s).await,
        Command::GateShow => Ok(gate::show(platform)),
        Command::GateSet { level, for_s } => gate::set(platform, level, for_s).await,
        Command::Backup { to } => {
            if !to.is_absolute() || to.exists() {
                return Err(AdminError::refuse(format!("{} is there already, or is no absolute path", to.display())));
            }
            platform.store.backup(&to).await?;
            Ok(Reply::Done)
        }
    }
}
