//! What every page knows: language, site, who is signed in, the request's id and the form secret.

use crate::{Locale, Theme};

/// `[site]` of the configuration. Empty texts are left out of the pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// The name people see; empty shows `Rempart`.
    pub name: String,
    /// How to reach the operators: a mail address or an http(s) address.
    pub contact: String,
    /// http(s) address or absolute path of the terms of use.
    pub terms_url: String,
    /// http(s) address or absolute path of the privacy notice.
    pub privacy_url: String,
}

/// What every page knows of the request it answers.
#[derive(Debug, Clone, Copy)]
pub struct PageCtx<'a> {
    /// The language of this page; see [`Locale::choose`].
    pub locale: Locale,
    /// `[site]`.
    pub site: &'a Site,
    /// The request's path without query, as the client sent it: forms post to it, the language links stay on it.
    pub path: &'a str,
    /// Account name of a checked session; empty where a page did not look it up; `None` for a visitor.
    pub signed_in: Option<&'a str>,
    /// The same id as in `x-request-id`, log and journal.
    pub request_id: &'a str,
    /// Goes into every form as the hidden field `csrf`; empty leaves the field out.
    pub csrf: &'a str,
    /// Light, dark, or what the device says.
    pub theme: Theme,
}
