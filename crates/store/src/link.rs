//! One-time links (operator link, sign-in link) and settings.

use rempart_domain::{AccountId, Sensitive, UnixSeconds};

use crate::conn::args;
use crate::lane::Lane;
use crate::{Store, StoreError, queries};

/// What a link opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkPurpose {
    /// Making the first operator.
    Operator,
    /// Signing in once.
    SignIn,
    /// Confirming a mail address, which the link carries.
    ConfirmEmail,
    /// Choosing a new password; sent by mail.
    ResetPassword,
    /// Signing in once on a device that is not known; sent by mail.
    SignInByMail,
    /// Registering while the gate is closed.
    Invite,
}

/// A link that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// For whom; `None` for the first operator and invites.
    pub account: Option<AccountId>,
    /// What it opens.
    pub purpose: LinkPurpose,
    /// Until when it was good.
    pub expires: UnixSeconds,
    /// The address that it confirms.
    pub email: Option<Sensitive<String>>,
}

impl LinkPurpose {
    /// The word stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::SignIn => "sign_in",
            Self::ConfirmEmail => "confirm_email",
            Self::ResetPassword => "reset_password",
            Self::SignInByMail => "sign_in_by_mail",
            Self::Invite => "invite",
        }
    }

    fn parse(word: &str) -> Result<Self, StoreError> {
        let all =
            [Self::Operator, Self::SignIn, Self::ConfirmEmail, Self::ResetPassword, Self::SignInByMail, Self::Invite];
        all.into_iter().find(|purpose| purpose.as_str() == word).ok_or(StoreError::Corrupt("link purpose"))
    }
}

impl Store {
    /// Records a link by the SHA-256 of its secret.
    pub async fn create_link(
        &self,
        hash: [u8; 32],
        account: Option<AccountId>,
        purpose: LinkPurpose,
        expires: UnixSeconds,
    ) -> Result<(), StoreError> {
        let row = args![hash, account.map(AccountId::to_sql), purpose.as_str(), expires.0, None::<Vec<u8>>];
        self.execute(Lane::Other, queries::LINK_INSERT, row).await.map(|_| ())
    }

    /// The same for a link that is mailed to an account: it takes the place of those of that purpose that were mailed before. `email` is
    /// the address that it confirms.
    pub async fn create_mail_link(
        &self,
        hash: [u8; 32],
        account: AccountId,
        purpose: LinkPurpose,
        expires: UnixSeconds,
        email: Option<Sensitive<String>>,
    ) -> Result<(), StoreError> {
        let sealed = email.map(|email| self.inner.sealer.seal_link(account, &email)).transpose()?;
        let row = args![hash, account.to_sql(), purpose.as_str(), expires.0, sealed];
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                c.execute(queries::LINK_DELETE_OF_ACCOUNT, args![account.to_sql(), purpose.as_str()]).await?;
                c.execute(queries::LINK_INSERT, row).await.map(|_| ())
            })
        })
        .await
    }

    /// Takes a link of that purpose: only one caller ever gets it, and none after it expired. One of another purpose is left as it is.
    /// Sign-in lane.
    pub async fn take_link(
        &self,
        hash: [u8; 32],
        purpose: LinkPurpose,
        now: UnixSeconds,
    ) -> Result<Option<Link>, StoreError> {
        let row = self
            .write(Lane::SignIn, move |c| Box::pin(c.row(queries::LINK_TAKE, args![hash, purpose.as_str()])))
            .await?;
        let Some(mut row) = row else { return Ok(None) };
        let expires = UnixSeconds(row.int(2)?);
        let purpose = LinkPurpose::parse(&row.text(1)?)?;
        let account = row.opt_int(0)?.map(AccountId::from_sql);
        let email = match (account, row.opt_bytes(3)?) {
            (Some(account), Some(sealed)) => Some(self.inner.sealer.open_link(account, &sealed)?),
            _ => None,
        };
        Ok((expires > now).then_some(Link { account, purpose, expires, email }))
    }

    /// Forgets all links of a purpose (such as an older operator link).
    pub async fn delete_links(&self, purpose: LinkPurpose) -> Result<u64, StoreError> {
        self.execute(Lane::Other, queries::LINK_DELETE_OF_PURPOSE, args![purpose.as_str()]).await
    }

    /// A setting's value.
    pub async fn get_setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let row = self.read_one(Lane::Other, queries::SETTING_FIND, args![name]).await?;
        row.map(|mut row| row.text(0)).transpose()
    }

    /// Sets a setting.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.execute(Lane::Other, queries::SETTING_SET, args![name, value]).await.map(|_| ())
    }
}
