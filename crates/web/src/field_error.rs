//! What was wrong in a form, told at the field it belongs to.

use rempart_domain::{NameError, ReasonCode};

/// A field of a form, named as in the JSON of the same route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `name`: of an account, or of a key.
    Name,
    /// `password`.
    Password,
    /// `new_password`.
    NewPassword,
    /// `email`.
    Email,
    /// `expires`.
    Expires,
    /// `code`.
    Code,
    /// `time_zone`.
    TimeZone,
    /// No single field: shown above the form.
    Form,
}

impl Field {
    /// The `name` of the input.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Password => "password",
            Self::NewPassword => "new_password",
            Self::Email => "email",
            Self::Expires => "expires",
            Self::Code => "code",
            Self::TimeZone => "time_zone",
            Self::Form => "form",
        }
    }
}

/// Why a form was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldError {
    /// Account name shorter than 2 or longer than 32 characters.
    NameLength,
    /// Account name with other characters than `a-z 0-9 . _ -`.
    NameCharacters,
    /// Somebody has it.
    NameTaken,
    /// Shorter than 8 characters, or longer than 1024 bytes.
    PasswordLength,
    /// A password that everybody tries first.
    PasswordWeak,
    /// The same for the field `new_password`.
    NewPasswordLength,
    /// The same for the field `new_password`.
    NewPasswordWeak,
    /// The current password is not right (changing it).
    PasswordWrong,
    /// No mail address.
    Email,
    /// None was given, and one must be confirmed.
    EmailRequired,
    /// Of a provider whose mail is thrown away.
    EmailDisposable,
    /// A challenge is to be solved first, or the one that was shown did not hold.
    Challenge,
    /// A place in the line that is over or for another name.
    Ticket,
    /// An invitation that was used, taken back, or is over.
    Invite,
    /// Name or password wrong; never says which.
    InvalidCredentials,
    /// A code of a second factor that is not right.
    CodeWrong,
    /// A key without a name, or with one longer than 64 characters.
    KeyName,
    /// A date that is no date, or lies in the past.
    KeyExpires,
    /// A time zone that nobody knows.
    TimeZone,
    /// More keys than an account may have.
    KeysFull,
    /// The form is too old or came from elsewhere: its `csrf` was not right.
    FormExpired,
    /// Any other refusal, told above the form in the words of its reason.
    Reason(ReasonCode),
}

impl FieldError {
    /// The field it belongs to.
    pub const fn field(self) -> Field {
        match self {
            Self::NameLength | Self::NameCharacters | Self::NameTaken | Self::KeyName => Field::Name,
            Self::PasswordLength | Self::PasswordWeak | Self::PasswordWrong => Field::Password,
            Self::NewPasswordLength | Self::NewPasswordWeak => Field::NewPassword,
            Self::Email | Self::EmailRequired | Self::EmailDisposable => Field::Email,
            Self::KeyExpires => Field::Expires,
            Self::CodeWrong => Field::Code,
            Self::TimeZone => Field::TimeZone,
            Self::Challenge
            | Self::Ticket
            | Self::Invite
            | Self::InvalidCredentials
            | Self::KeysFull
            | Self::FormExpired
            | Self::Reason(_) => Field::Form,
        }
    }

    /// The Fluent message; `None` where the text is the reason's own.
    pub(crate) const fn key(self) -> Option<&'static str> {
        Some(match self {
            Self::NameLength => "error-name-length",
            Self::NameCharacters => "error-name-characters",
            Self::NameTaken => "error-name-taken",
            Self::PasswordLength | Self::NewPasswordLength => "error-password-length",
            Self::PasswordWeak | Self::NewPasswordWeak => "error-password-weak",
            Self::PasswordWrong => "error-password-wrong",
            Self::Email => "error-email",
            Self::EmailRequired => "error-email-required",
            Self::EmailDisposable => "error-email-disposable",
            Self::Challenge => "error-challenge",
            Self::Ticket => "error-ticket",
            Self::Invite => "error-invite",
            Self::InvalidCredentials => "error-invalid-credentials",
            Self::CodeWrong => "error-code",
            Self::KeyName => "error-key-name",
            Self::KeyExpires => "error-key-expires",
            Self::TimeZone => "error-time-zone",
            Self::KeysFull => "error-keys-full",
            Self::FormExpired => "error-form-expired",
            Self::Reason(_) => return None,
        })
    }
}

impl From<NameError> for FieldError {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Length => Self::NameLength,
            NameError::Characters => Self::NameCharacters,
        }
    }
}
