//! `[mail]`: a server that is named, reached by TLS unless it is on this machine, with a password that is not in the open.

use std::net::IpAddr;

use super::section::ConfigError;
use super::sections::{MailKind, MailTls};
use super::{Config, SecretText, check};

/// Reads the password's file.
pub(super) fn read_secrets(config: &mut Config, errors: &mut Vec<ConfigError>) {
    let mail = &mut config.mail;
    if mail.password_file.is_empty() {
        return;
    }
    if mail.password.get().is_some() {
        errors.push(ConfigError::new("mail.password_file", "give mail.password or mail.password_file, not both"));
    } else if let Some(text) = check::read_secret_file("mail.password_file", &mail.password_file, errors) {
        mail.password = SecretText::new(text);
    }
}

/// Adds a line for everything that does not fit.
pub(super) fn check_mail(config: &Config, errors: &mut Vec<ConfigError>) {
    let mail = &config.mail;
    let mut say = |key: &str, reason: &str| errors.push(ConfigError::new(format!("mail.{key}"), reason));
    if !mail.from.is_empty() && rempart_mail::Sender::new("", &mail.from).is_err() {
        say("from", "expected a mail address such as rempart@example.org");
    }
    if mail.kind == MailKind::Outbox {
        let is_server_named = !mail.host.is_empty() || !mail.username.is_empty() || mail.port != 0;
        if is_server_named {
            say("kind", "a mail server is named, so say kind = \"smtp\"");
        }
        return;
    }
    if mail.host.is_empty() {
        say("host", "name the mail server");
    } else if mail.host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/' || c == ':') {
        say("host", "expected a name such as mail.example.org; the port has a key of its own");
    }
    if mail.tls == MailTls::None && !is_local(&mail.host) {
        say("tls", "mail would cross the network in the open: use \"starttls\" or \"tls\"");
    }
    if mail.username.is_empty() != mail.password.get().is_none() {
        say("username", "give both a username and a password (or password_file), or neither");
    }
    if !mail.ca_file.is_empty() && !std::path::Path::new(&mail.ca_file).is_file() {
        say("ca_file", "is no file");
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
