//! The configuration: a TOML file, then `REMPART__SECTION__KEY` over it, then everything that is wrong, one line each.
//!
//! What must stay true: nothing is bound, opened or made before [`load`] was content; a key that nobody knows is an error; each key
//! stands once, in `sections.rs` or `limits.rs`, and `config/example.toml` is made from there; only this module reads the environment.

mod check;
mod check_mail;
mod example;
mod limits;
mod load;
mod section;
mod sections;
#[cfg(test)]
mod tests;
mod value;

use std::path::PathBuf;

pub(crate) use example::example_toml;
pub(crate) use limits::{LimitsSection, PlatformLimits};
pub(crate) use load::{Sources, load};
pub(crate) use section::ConfigError;
pub(crate) use sections::{
    EngineKind, EnginePriority, EngineSection, LogFormat, LogSection, MailKind, MailSection, MailTls, ModelsSection,
    PUBLIC_URL_DEFAULT, RegistrationLevel, RegistrationSection, ScriptedAnswer, ServerSection, SiteSection,
    StandingSection, StoreSection,
};
pub(crate) use value::{SecretText, StoreUrlText};

/// The configuration in force, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    /// Where the platform listens and how it is reached.
    pub(crate) server: ServerSection,
    /// What people read about who runs this.
    pub(crate) site: SiteSection,
    /// Where data is kept.
    pub(crate) store: StoreSection,
    /// Who may register.
    pub(crate) registration: RegistrationSection,
    /// How standing is earned.
    pub(crate) standing: StandingSection,
    /// Model files and names.
    pub(crate) models: ModelsSection,
    /// Engines with their names, as the file orders them: the fallback order. Those of the environment alone come last.
    pub(crate) engine: Vec<(String, EngineSection)>,
    /// How mail leaves.
    pub(crate) mail: MailSection,
    /// True if `[mail]` was written at all: only then may anything depend on a mail's arrival.
    pub(crate) mail_is_given: bool,
    /// Every limit.
    pub(crate) limits: LimitsSection,
    /// The log.
    pub(crate) log: LogSection,
    /// `[models] dir`, resolved.
    pub(crate) models_dir: PathBuf,
}
