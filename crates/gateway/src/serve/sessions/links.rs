//! What is mailed: a link to choose a new password, to sign in on a device that is not known, to confirm an address; and word of changes.
//!
//! What must stay true: whoever asks is told the same at the same moment, whether the account or its address exists (the look-up happens
//! afterwards, in a task, and few of them at once); a link works once, and asking for another voids the one before.

use std::sync::Arc;

use rempart_domain::{AccountName, Millis, ReasonCode, Role, Secret, Sensitive, Standing, UnixSeconds};
use rempart_identity::HashLane;
use rempart_mail::{Address, Mail, MailLane};
use rempart_store::{Account, LinkPurpose, StoreError};
use rempart_web::{Locale, MailLink, MailTopic, mail_text};

use super::check::Denied;
use super::end_sessions_of;
use super::open::{Opening, Proof, SignedIn, open_session};
use super::work::Work;
use crate::Gateway;
use crate::refusal::Refusal;
use crate::respond::locale_of;
use crate::serve::accounts::{check_new_password, hash_refusal};
use crate::serve::factors::second::{Shown, check_second_factor};
use crate::serve::sessions::check::seal_half;
use crate::serve::{Call, store_refusal, to_the_end};

/// How long a mailed link is good, in seconds.
const LINK_S: i64 = 1800;

/// Longest name or address that is looked at.
const WHO_BYTES_MAX: usize = 254;

/// What somebody asks a mail for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailFor {
    /// Choosing a new password.
    Reset,
    /// Signing in once.
    SignIn,
}

impl MailFor {
    /// Reads the word of form and JSON.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "reset" => Some(Self::Reset),
            "sign-in" => Some(Self::SignIn),
            _ => None,
        }
    }
}

/// Takes the request for a mail; what comes of it is told to nobody but the mailbox. `work` is `None` for who is signed in: nobody asks
/// them for any.
pub async fn request_mail(call: &Call, who: &str, what: MailFor, work: Option<Work<'_>>) -> Result<(), Refusal> {
    let gateway = &call.gateway;
    let who = who.trim();
    let mut paid = None;
    if let Some(work) = work
        && gateway.sign_in_guard.demand_mail(gateway.clock.now(), call.ctx.source.network())
    {
        paid = Some(super::work::take(call, who, work).await?);
    }
    if who.is_empty() || who.len() > WHO_BYTES_MAX {
        return Err(Refusal::parameter("who", "a name or a mail address"));
    }
    let busy = |_| Refusal::from(ReasonCode::Overloaded).retry_after(Millis(5000));
    let permit = Arc::clone(&gateway.mail_requests).try_acquire_owned().map_err(busy)?;
    if let Some(paid) = &mut paid {
        paid.is_used();
    }
    let (gateway, who, locale) = (Arc::clone(gateway), Sensitive::new(who.to_owned()), locale_of(&call.head));
    call.gateway.tasks.spawn_light(async move {
        if let Err(error) = mail_link(&gateway, &who, what, locale).await {
            tracing::debug!(%error, "a link was not mailed");
        }
        drop(permit);
    });
    Ok(())
}

async fn mail_link(
    gateway: &Gateway,
    who: &Sensitive<String>,
    what: MailFor,
    locale: Locale,
) -> Result<(), StoreError> {
    let found = if who.expose().contains('@') {
        gateway.store.find_account_by_email(who).await?
    } else {
        match AccountName::parse(who.expose()) {
            Ok(name) => gateway.store.find_account_by_name(&name).await?,
            Err(_) => None,
        }
    };
    let Some(account) = found.filter(|account| account.standing != Standing::Suspended) else { return Ok(()) };
    // An operator's way back is on the machine itself: rempart account link.
    let Some(email) = account.email.as_ref().filter(|_| account.role != Role::Operator) else { return Ok(()) };
    let Ok(to) = Address::parse(email.expose()) else { return Ok(()) };
    let (purpose, path) = match what {
        MailFor::Reset => (LinkPurpose::ResetPassword, "/reset"),
        MailFor::SignIn => (LinkPurpose::SignInByMail, "/sign-in"),
    };
    let Some(url) = make_link(gateway, &account, purpose, path, None).await? else { return Ok(()) };
    let link = MailLink { url: url.expose(), lasts_s: LINK_S.unsigned_abs() };
    let topic = match what {
        MailFor::Reset => MailTopic::Reset(link),
        MailFor::SignIn => MailTopic::SignIn(link),
    };
    send(gateway, &account, to, locale, topic);
    Ok(())
}

/// A one-time address; `None` if the system gives no random bytes.
async fn make_link(
    gateway: &Gateway,
    account: &Account,
    purpose: LinkPurpose,
    path: &str,
    email: Option<Sensitive<String>>,
) -> Result<Option<Secret<String>>, StoreError> {
    let Ok(token) = rempart_identity::random::one_time_token() else { return Ok(None) };
    let expires = UnixSeconds(gateway.clock.seconds().0 + LINK_S);
    gateway.store.create_mail_link(token.hash, account.id, purpose, expires, email).await?;
    Ok(Some(Secret::new(format!("{}{path}?link={}", gateway.config.public_url, token.text.expose()))))
}

/// Queues a mail; one that finds no room is asked for again by who misses it.
fn send(gateway: &Gateway, account: &Account, to: Address, locale: Locale, topic: MailTopic<'_>) {
    let locale = account.locale.as_deref().and_then(Locale::parse).unwrap_or(locale);
    let site = &gateway.config.site.name;
    let text = mail_text(locale, site, &gateway.config.public_url, account.name.as_str(), topic);
    let mail = Mail {
        to,
        lane: MailLane::Account,
        subject: text.subject,
        text: Sensitive::new(text.text),
        language: locale.as_str(),
        lasts: Millis::from_secs(LINK_S.unsigned_abs()),
    };
    if let Err(error) = gateway.mailer.try_send(mail) {
        tracing::debug!(%error, "a mail was not queued");
    }
}

/// Tells the owner of a change, at the address that was known before it.
pub fn tell(call: &Call, account: &Account, topic: MailTopic<'_>) {
    let address = account.email.as_ref().and_then(|email| Address::parse(email.expose()).ok());
    if let Some(to) = address {
        send(&call.gateway, account, to, locale_of(&call.head), topic);
    }
}

/// Mails a link that confirms `email` for the account; the address changes when the link is used.
pub async fn mail_confirmation(call: &Call, account: &Account, email: &str) -> Result<(), Refusal> {
    let to = Address::parse(email).map_err(|_| Refusal::parameter("email", "this is not a mail address"))?;
    let gateway = &call.gateway;
    let made = make_link(gateway, account, LinkPurpose::ConfirmEmail, "/confirm", Some(to.to_sensitive())).await;
    let url = made.map_err(|e| store_refusal(&e))?.ok_or(ReasonCode::Internal)?;
    let link = MailLink { url: url.expose(), lasts_s: LINK_S.unsigned_abs() };
    send(gateway, account, to, locale_of(&call.head), MailTopic::Confirm(link));
    Ok(())
}

/// Uses a link that confirms an address. Needs no session: the mailbox proves it.
pub async fn confirm_email(call: &Call, link: &str) -> Result<(), Refusal> {
    let gateway = &call.gateway;
    let taken = take(call, link, LinkPurpose::ConfirmEmail).await?.ok_or(ReasonCode::NotFound)?;
    let (Some(id), Some(email)) = (taken.account, taken.email) else { return Err(ReasonCode::NotFound.into()) };
    let account = gateway.store.find_account(id).await.map_err(|e| store_refusal(&e))?.ok_or(ReasonCode::NotFound)?;
    let is_changed = account.email.as_ref().is_some_and(|old| *old != email);
    gateway.store.set_email(id, Some(email), true).await.map_err(|e| store_refusal(&e))?;
    if is_changed && account.email_confirmed {
        tell(call, &account, MailTopic::EmailChanged);
    }
    Ok(())
}

async fn take(call: &Call, link: &str, purpose: LinkPurpose) -> Result<Option<rempart_store::Link>, Refusal> {
    let hash = rempart_identity::random::token_hash(link);
    let taken = call.gateway.store.take_link(hash, purpose, call.gateway.clock.seconds()).await;
    taken.map_err(|e| store_refusal(&e))
}

/// Signs in with a one-time address: from the operator (`rempart account link`), or mailed.
pub async fn sign_in_with_link(call: &Call, link: &str) -> Result<SignedIn, Denied> {
    let gateway = &call.gateway;
    let (taken, proof) = match take(call, link, LinkPurpose::SignIn).await? {
        Some(taken) => (taken, Proof::OperatorLink),
        None => {
            let mailed = take(call, link, LinkPurpose::SignInByMail).await?;
            (mailed.ok_or(ReasonCode::InvalidCredentials)?, Proof::MailedLink)
        }
    };
    let id = taken.account.ok_or(ReasonCode::InvalidCredentials)?;
    let account = gateway.store.find_account(id).await.map_err(|e| store_refusal(&e))?;
    let account = account.filter(|a| a.standing != Standing::Suspended).ok_or(ReasonCode::InvalidCredentials)?;
    if proof == Proof::MailedLink {
        gateway.store.confirm_email(id).await.map_err(|e| store_refusal(&e))?;
        if check_second_factor(call, id, None, false).await? == Shown::Missing {
            let half = Some(seal_half(gateway, &account, false));
            return Err(Denied { refusal: ReasonCode::SecondFactorRequired.into(), half });
        }
    }
    Ok(open_session(call, &Opening::of(&account, proof, false)).await?)
}

/// Sets a new password by a mailed link: every session ends, and one begins here, unless a second factor is still to be shown.
pub async fn reset_password(call: &Call, link: &str, new: Secret<String>) -> Result<SignedIn, Denied> {
    let gateway = &call.gateway;
    check_new_password("new_password", new.expose(), "")?;
    // Whoever would be refused by the pool anyway keeps the link.
    gateway.hash_pool.check_room(HashLane::Unknown).map_err(hash_refusal)?;
    let taken = take(call, link, LinkPurpose::ResetPassword).await?.ok_or(ReasonCode::NotFound)?;
    let id = taken.account.ok_or(ReasonCode::NotFound)?;
    let account = gateway.store.find_account(id).await.map_err(|e| store_refusal(&e))?;
    let account = account.filter(|a| a.standing != Standing::Suspended).ok_or(ReasonCode::NotFound)?;
    let hash = match gateway.hash_pool.hash(HashLane::Unknown, new).await {
        Ok(hash) => hash,
        Err(error) => {
            // Nothing was changed by it: the link is good for another try.
            let token = rempart_identity::random::token_hash(link);
            let put_back =
                gateway.store.create_mail_link(token, id, LinkPurpose::ResetPassword, taken.expires, None).await;
            put_back.map_err(|e| store_refusal(&e))?;
            return Err(hash_refusal(error).into());
        }
    };
    let owner = Arc::clone(gateway);
    to_the_end(gateway, async move {
        owner.store.set_password_hash(id, Some(hash)).await.map_err(|e| store_refusal(&e))?;
        owner.store.confirm_email(id).await.map_err(|e| store_refusal(&e))?;
        end_sessions_of(&owner, id).await
    })
    .await?;
    tell(call, &account, MailTopic::PasswordChanged);
    let account = Account { epoch: gateway.revocations.epoch_of(id), ..account };
    if check_second_factor(call, id, None, false).await? == Shown::Missing {
        let half = Some(seal_half(gateway, &account, false));
        return Err(Denied { refusal: ReasonCode::SecondFactorRequired.into(), half });
    }
    Ok(open_session(call, &Opening::of(&account, Proof::MailedLink, false)).await?)
}
