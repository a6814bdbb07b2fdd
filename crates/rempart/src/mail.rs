//! The mailer that the configuration asks for.

use std::path::PathBuf;

use http::Uri;
use rempart_mail::{MailLimits, Mailer, Route, Sender, SmtpOptions, SmtpTls};

use crate::config::{Config, MailKind, MailTls};
use crate::folder::DataFolder;
use crate::outcome::Failure;

/// Builds it; nothing is sent before its task runs.
pub(crate) fn mailer(config: &Config, folder: &DataFolder, public_url: &str) -> Result<Mailer, Failure> {
    let (mail, limits) = (&config.mail, &config.limits.platform);
    let host = host_of(public_url);
    let from = if mail.from.is_empty() { format!("rempart@{host}") } else { mail.from.clone() };
    let failed = |error: rempart_mail::MailError| Failure::Config(format!("mail: {}", crate::outcome::chain(&error)));
    let sender = Sender::new(&config.site.name, &from).map_err(failed)?;
    let route = match mail.kind {
        MailKind::Outbox => Route::Outbox { folder: folder.outbox(), files_max: limits.mail_outbox_files },
        MailKind::Smtp => Route::Smtp(SmtpOptions {
            host: mail.host.clone(),
            port: mail.port,
            tls: match mail.tls {
                MailTls::StartTls => SmtpTls::StartTls,
                MailTls::Implicit => SmtpTls::Implicit,
                MailTls::None => SmtpTls::None,
            },
            credentials: mail.password.to_secret().map(|password| (mail.username.clone(), password)),
            hello_name: host,
            ca_file: (!mail.ca_file.is_empty()).then(|| PathBuf::from(&mail.ca_file)),
        }),
    };
    let limits = MailLimits {
        queue_len: limits.mail_queue_len,
        per_minute: limits.mail_per_minute,
        per_domain_per_minute: limits.mail_per_domain_per_minute,
        per_address_per_hour: limits.mail_per_address_per_hour,
    };
    Mailer::new(route, sender, limits, config.mail_is_given).map_err(failed)
}

/// The public name, or `localhost` for a platform that is reached by an address.
fn host_of(public_url: &str) -> String {
    let uri = public_url.parse::<Uri>().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let is_name = host.contains('.') && host.parse::<std::net::Ipv4Addr>().is_err();
    if is_name { host.to_owned() } else { "localhost".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn mails_come_from_the_public_name() {
        assert_eq!(host_of("https://chat.example.org"), "chat.example.org");
        assert_eq!(host_of("http://localhost:8080"), "localhost");
        assert_eq!(host_of("http://127.0.0.1:8080"), "localhost");
        assert_eq!(host_of("http://[::1]:8080"), "localhost");
    }
}
