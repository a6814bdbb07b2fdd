//! Sealing: AES-256-GCM-SIV, with the place of the value as associated data, so that rows cannot be swapped.
//!
//! What must stay true: content is sealed with its account's data key only; a data key exists only wrapped by the master key, in
//! memory or nowhere; each sealing draws a fresh nonce; keys are wiped when dropped.

use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use hmac::{Hmac, Mac as _};
use rempart_domain::{AccountId, ConversationId, FileId, KeyId, MessageId, Secret, Sensitive, ShareId};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{MasterKey, StoreError};

/// First byte of every sealed value and of its associated data; a new layout takes the next.
const SCHEMA: u8 = 1;
const NONCE_LEN: usize = 12;

/// The table and column a sealed value lies in; the numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Column {
    Title = 1,
    Text = 2,
    Reasoning = 3,
    DataKey = 4,
    Email = 5,
    Password = 6,
    Check = 7,
    System = 16,
    FileName = 17,
    FileText = 18,
    Share = 19,
    Factor = 8,
    LinkData = 9,
}

impl Column {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Text => "text",
            Self::Reasoning => "reasoning",
            Self::DataKey => "data key",
            Self::Email => "e-mail",
            Self::Password => "password hash",
            Self::Check => "check",
            Self::System => "instructions",
            Self::FileName => "file name",
            Self::FileText => "file",
            Self::Share => "shared conversation",
            Self::Factor => "second factor",
            Self::LinkData => "link",
        }
    }
}

/// Where a sealed value lies: its associated data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    column: Column,
    account: i64,
    conversation: i64,
    message: i64,
}

impl Place {
    pub(crate) const fn of_account(column: Column, account: AccountId) -> Self {
        Self { column, account: account.to_sql(), conversation: 0, message: 0 }
    }

    pub(crate) const fn of_factor(account: AccountId, factor: KeyId) -> Self {
        Self { column: Column::Factor, account: account.to_sql(), conversation: 0, message: factor.to_sql() }
    }

    pub(crate) const fn of_title(account: AccountId, conversation: ConversationId) -> Self {
        Self { column: Column::Title, account: account.to_sql(), conversation: conversation.to_sql(), message: 0 }
    }

    pub(crate) const fn of_system(account: AccountId, conversation: ConversationId) -> Self {
        Self { column: Column::System, account: account.to_sql(), conversation: conversation.to_sql(), message: 0 }
    }

    /// The file's id stands in the place of a message's: the column keeps them apart.
    pub(crate) const fn of_file(column: Column, account: AccountId, file: FileId) -> Self {
        Self { column, account: account.to_sql(), conversation: 0, message: file.to_sql() }
    }

    /// Of nobody: the key is in the link alone.
    pub(crate) const fn of_share(share: ShareId) -> Self {
        Self { column: Column::Share, account: 0, conversation: 0, message: share.to_sql() }
    }

    pub(crate) const fn of_message(
        column: Column,
        account: AccountId,
        conversation: ConversationId,
        message: MessageId,
    ) -> Self {
        Self { column, account: account.to_sql(), conversation: conversation.to_sql(), message: message.to_sql() }
    }

    fn bytes(self) -> [u8; 26] {
        let mut bytes = [0; 26];
        let fields = [SCHEMA, self.column as u8].into_iter();
        let ids = [self.account, self.conversation, self.message].into_iter().flat_map(i64::to_be_bytes);
        for (to, from) in bytes.iter_mut().zip(fields.chain(ids)) {
            *to = from;
        }
        bytes
    }
}

fn seal_with(cipher: &Aes256GcmSiv, place: Place, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut nonce = [0_u8; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|_| StoreError::Random)?;
    let sealed = cipher
        .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: &place.bytes() })
        .map_err(|_| StoreError::Sealed(place.column.as_str()))?;
    let mut out = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
    out.push(SCHEMA);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Ok(out)
}

fn open_with(cipher: &Aes256GcmSiv, place: Place, stored: &[u8]) -> Result<Vec<u8>, StoreError> {
    let bad = || StoreError::Sealed(place.column.as_str());
    let (&schema, rest) = stored.split_first().ok_or_else(bad)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(bad)?;
    if schema != SCHEMA {
        return Err(bad());
    }
    cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: &place.bytes() }).map_err(|_| bad())
}

/// An account's data key, unwrapped.
pub(crate) struct DataKey(Aes256GcmSiv);

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(…)")
    }
}

impl DataKey {
    pub(crate) fn seal(&self, place: Place, text: &Sensitive<String>) -> Result<Vec<u8>, StoreError> {
        seal_with(&self.0, place, text.expose().as_bytes())
    }

    pub(crate) fn open(&self, place: Place, stored: &[u8]) -> Result<Sensitive<String>, StoreError> {
        let plain = open_with(&self.0, place, stored)?;
        String::from_utf8(plain).map(Sensitive::new).map_err(|_| StoreError::Corrupt("text"))
    }
}

/// The secret of a shared link: it opens the snapshot, and only its hash is stored.
pub(crate) struct ShareKey {
    key: DataKey,
    pub(crate) hash: [u8; 32],
}

impl ShareKey {
    /// A plain hash will do: the secret has 256 random bits.
    pub(crate) fn new(secret: &Secret<[u8; 32]>) -> Self {
        let derive = |purpose: &[u8]| {
            let mut hash = Sha256::new();
            hash.update(purpose);
            hash.update(secret.expose());
            Zeroizing::new(<[u8; 32]>::from(hash.finalize()))
        };
        let key = DataKey(Aes256GcmSiv::new((&*derive(b"rempart share key")).into()));
        Self { key, hash: *derive(b"rempart share row") }
    }

    pub(crate) fn seal(&self, share: ShareId, text: &Sensitive<String>) -> Result<Vec<u8>, StoreError> {
        self.key.seal(Place::of_share(share), text)
    }

    pub(crate) fn open(&self, share: ShareId, stored: &[u8]) -> Result<Sensitive<String>, StoreError> {
        self.key.open(Place::of_share(share), stored)
    }
}

/// What the master key does: wraps data keys, seals e-mail addresses and password hashes, proves itself.
pub(crate) struct Sealer {
    id: String,
    wrapping: Aes256GcmSiv,
    personal: Aes256GcmSiv,
    lookup: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

impl Sealer {
    pub(crate) fn new(master: &MasterKey) -> Self {
        let cipher = |purpose| Aes256GcmSiv::new((&*master.derive(purpose)).into());
        Self {
            id: master.id(),
            wrapping: cipher("wrap data keys"),
            personal: cipher("seal personal data"),
            lookup: master.derive("look up e-mail"),
        }
    }

    /// A fresh data key, wrapped for its row.
    pub(crate) fn make_data_key(&self, account: AccountId) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        getrandom::fill(&mut *bytes).map_err(|_| StoreError::Random)?;
        seal_with(&self.wrapping, Place::of_account(Column::DataKey, account), &*bytes)
    }

    pub(crate) fn open_data_key(&self, account: AccountId, wrapped: &[u8]) -> Result<DataKey, StoreError> {
        let bytes = Zeroizing::new(open_with(&self.wrapping, Place::of_account(Column::DataKey, account), wrapped)?);
        Aes256GcmSiv::new_from_slice(&bytes).map(DataKey).map_err(|_| StoreError::Sealed(Column::DataKey.as_str()))
    }

    pub(crate) fn seal_email(&self, account: AccountId, email: &Sensitive<String>) -> Result<Vec<u8>, StoreError> {
        seal_with(&self.personal, Place::of_account(Column::Email, account), email.expose().as_bytes())
    }

    pub(crate) fn open_email(&self, account: AccountId, stored: &[u8]) -> Result<Sensitive<String>, StoreError> {
        let plain = open_with(&self.personal, Place::of_account(Column::Email, account), stored)?;
        String::from_utf8(plain).map(Sensitive::new).map_err(|_| StoreError::Corrupt("e-mail"))
    }

    /// Password hashes are sealed too: a stolen database alone gives nothing to guess against.
    pub(crate) fn seal_password(&self, account: AccountId, phc: &Secret<String>) -> Result<Vec<u8>, StoreError> {
        seal_with(&self.personal, Place::of_account(Column::Password, account), phc.expose().as_bytes())
    }

    pub(crate) fn open_password(&self, account: AccountId, stored: &[u8]) -> Result<Secret<String>, StoreError> {
        let plain = open_with(&self.personal, Place::of_account(Column::Password, account), stored)?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| StoreError::Corrupt("password hash"))
    }

    /// A factor's secret, in its own row only.
    pub(crate) fn seal_factor(
        &self,
        account: AccountId,
        factor: KeyId,
        data: &Secret<String>,
    ) -> Result<Vec<u8>, StoreError> {
        seal_with(&self.personal, Place::of_factor(account, factor), data.expose().as_bytes())
    }

    pub(crate) fn open_factor(
        &self,
        account: AccountId,
        factor: KeyId,
        stored: &[u8],
    ) -> Result<Secret<String>, StoreError> {
        let plain = open_with(&self.personal, Place::of_factor(account, factor), stored)?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| StoreError::Corrupt("second factor"))
    }

    /// The address that a link confirms.
    pub(crate) fn seal_link(&self, account: AccountId, data: &Sensitive<String>) -> Result<Vec<u8>, StoreError> {
        seal_with(&self.personal, Place::of_account(Column::LinkData, account), data.expose().as_bytes())
    }

    pub(crate) fn open_link(&self, account: AccountId, stored: &[u8]) -> Result<Sensitive<String>, StoreError> {
        let plain = open_with(&self.personal, Place::of_account(Column::LinkData, account), stored)?;
        String::from_utf8(plain).map(Sensitive::new).map_err(|_| StoreError::Corrupt("link"))
    }

    /// Keyed, so that a stolen database does not tell who is in it.
    pub(crate) fn hash_email(&self, email: &Sensitive<String>) -> Vec<u8> {
        let folded = Zeroizing::new(email.expose().trim().to_lowercase());
        let Ok(mut mac) = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*self.lookup) else { return Vec::new() };
        mac.update(folded.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    /// A row that opens with this master key only: the key's id in clear, then the id sealed.
    pub(crate) fn make_check(&self) -> Result<Vec<u8>, StoreError> {
        let mut row = self.id.as_bytes().to_vec();
        row.extend(seal_with(
            &self.wrapping,
            Place::of_account(Column::Check, AccountId::from_bits(0)),
            self.id.as_bytes(),
        )?);
        Ok(row)
    }

    pub(crate) fn verify_check(&self, row: &[u8]) -> Result<(), StoreError> {
        let (id, sealed) = row.split_at_checked(self.id.len()).ok_or(StoreError::Corrupt("master key check"))?;
        match open_with(&self.wrapping, Place::of_account(Column::Check, AccountId::from_bits(0)), sealed) {
            Ok(opened) if opened == id => Ok(()),
            _ => Err(StoreError::WrongMasterKey {
                stored: String::from_utf8_lossy(id).into_owned(),
                given: self.id.clone(),
            }),
        }
    }
}
