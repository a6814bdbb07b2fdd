//! A mail server: lettre over rustls. TLS is not optional but on this machine.

use std::path::PathBuf;
use std::time::Duration;

use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use rempart_domain::Secret;

use crate::message::{Sender, build};
use crate::queue::Outcome;
use crate::{Mail, MailError};

/// Longest silence of a mail server.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS from the first byte (port 465).
    Implicit,
    /// STARTTLS, required (port 587).
    StartTls,
    /// None: a server on this machine only.
    None,
}

/// Where mail is handed over.
#[derive(Debug)]
pub struct SmtpOptions {
    /// The server's name, which its certificate must carry.
    pub host: String,
    /// Its port; 0 is 465, 587 or 25, as TLS says.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// Name and password, if the server wants them.
    pub credentials: Option<(String, Secret<String>)>,
    /// How we call ourselves.
    pub hello_name: String,
    /// A PEM file with the certificate of an authority of the operator's own.
    pub ca_file: Option<PathBuf>,
}

/// The connection, kept open while there is something to send.
pub(crate) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Smtp {
    pub(crate) fn new(options: SmtpOptions) -> Result<Self, MailError> {
        let SmtpOptions { host, port, tls, credentials, hello_name, ca_file } = options;
        let default_port = match tls {
            SmtpTls::Implicit => 465,
            SmtpTls::StartTls => 587,
            SmtpTls::None => 25,
        };
        let tls = match tls {
            SmtpTls::None => Tls::None,
            SmtpTls::Implicit => Tls::Wrapper(tls_parameters(&host, ca_file)?),
            SmtpTls::StartTls => Tls::Required(tls_parameters(&host, ca_file)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(if port == 0 { default_port } else { port })
            .tls(tls)
            .hello_name(ClientId::Domain(hello_name))
            .timeout(Some(SILENCE_MAX))
            .pool_config(PoolConfig::new().max_size(2).idle_timeout(Duration::from_secs(10)));
        if let Some((name, password)) = credentials {
            builder = builder.credentials(Credentials::new(name, password.expose().clone()));
        }
        Ok(Self { transport: builder.build() })
    }

    pub(crate) async fn send(&self, sender: &Sender, mail: &Mail) -> Outcome {
        let Some(message) = build(sender, mail, false) else { return Outcome::Never("it cannot be written as a mail") };
        match self.transport.send(message).await {
            Ok(_) => Outcome::Sent,
            Err(error) if error.is_permanent() => Outcome::Never("the mail server refused it"),
            Err(error) if error.is_tls() => Outcome::Later("TLS to the mail server failed"),
            Err(error) if error.is_timeout() => Outcome::Later("the mail server was silent"),
            Err(error) if error.is_transient() => Outcome::Later("the mail server asked to come again"),
            Err(_) => Outcome::Later("the mail server cannot be reached"),
        }
    }

    pub(crate) async fn check(&self) -> Result<(), MailError> {
        self.transport.test_connection().await.map(drop).map_err(MailError::Unreachable)
    }
}

fn tls_parameters(host: &str, ca_file: Option<PathBuf>) -> Result<TlsParameters, MailError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca_file {
        let bad = || MailError::Certificate(path.display().to_string());
        let pem = std::fs::read(&path).map_err(|_| bad())?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|_| bad())?);
    }
    builder.build_rustls().map_err(MailError::Tls)
}
