//! A mail as bytes (RFC 5322): built by lettre, so that no text becomes a header.

use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MessageBuilder};
use lettre::{Address as Mailaddress, Message};
use rempart_domain::Millis;

use crate::{Address, Mail, MailError};

/// Longest subject, in characters.
const SUBJECT_CHARS_MAX: usize = 120;

/// Who the mails come from.
#[derive(Debug, Clone)]
pub struct Sender {
    mailbox: Mailbox,
}

impl Sender {
    /// The site's name and the sender's address.
    pub fn new(name: &str, address: &str) -> Result<Self, MailError> {
        let bad = || MailError::Sender(address.to_owned());
        // One machine's name has no dot: development.
        let parsed = match address.rsplit_once('@') {
            Some((local, "localhost")) => Mailaddress::new(local, "localhost").map_err(|_| bad())?,
            _ => mailaddress(&Address::parse(address).map_err(|_| bad())?).ok_or_else(bad)?,
        };
        let name = one_line(name);
        Ok(Self { mailbox: Mailbox::new((!name.is_empty()).then_some(name), parsed) })
    }
}

/// A mail on its way, with what the queue knows of it.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) mail: Mail,
    /// From then on it is worthless.
    pub(crate) until: Millis,
    /// Not to be tried before.
    pub(crate) not_before: Millis,
    /// Times that it was tried.
    pub(crate) tries: u32,
    /// The keyed hash of its domain.
    pub(crate) domain_key: u64,
}

/// Tells other mail programs that no person wrote this: no holiday answers, please (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The mail as a message. `is_plain`: eight bits as they are, for a file that a person reads.
pub(crate) fn build(sender: &Sender, mail: &Mail, is_plain: bool) -> Option<Message> {
    let to = Mailbox::new(None, mailaddress(&mail.to)?);
    let head: MessageBuilder = Message::builder()
        .from(sender.mailbox.clone())
        .to(to)
        .subject(one_line(&mail.subject))
        .date_now()
        .message_id(None)
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN);
    let text = mail.text.expose().replace("\r\n", "\n").replace('\r', "\n");
    if is_plain {
        // Never sent: a file for eyes, so lines stay as they are.
        let bytes = text.replace('\0', "").replace('\n', "\r\n").into_bytes();
        head.body(Body::dangerous_pre_encoded(bytes, ContentTransferEncoding::EightBit)).ok()
    } else {
        head.body(text).ok()
    }
}

fn mailaddress(address: &Address) -> Option<Mailaddress> {
    address.expose().parse().ok()
}

/// A header's text: one line, no control characters, cut.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SUBJECT_CHARS_MAX)
        .collect::<String>()
        .trim()
        .to_owned()
}
