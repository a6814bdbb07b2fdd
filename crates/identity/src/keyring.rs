//! The MAC keys of a platform: loaded once, one derived key for each purpose, two ticket keys alive while they rotate.
//!
//! What must stay true: no derived key serves two purposes; nobody outside this crate sees key bytes; what the database stores
//! (API keys' MAC, look-up hashes) hangs on the root, which is never rotated, so that a rotation ends nothing but old tickets,
//! and those only at the rotation after.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rempart_domain::SessionId;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::IdentityError;
use crate::key_file::{KeyBytes, KeyFile, TicketKeyBytes};

/// A keyed MAC that has swallowed its key: cloning it is cheaper than keying anew.
pub(crate) type PreKeyed = Hmac<Sha256>;

/// Keys for tickets, API keys, look-up hashes and form tokens. Cheap to share behind its `Arc`.
pub struct Keyring {
    /// `None` for one that lives in memory only.
    path: Option<PathBuf>,
    /// The raw keys, touched by a rotation only.
    file: Mutex<KeyFile>,
    keys: ArcSwap<Keys>,
}

pub(crate) struct TicketKey {
    pub(crate) id: u8,
    pub(crate) mac: PreKeyed,
}

/// One consistent set of derived keys.
pub(crate) struct Keys {
    pub(crate) current: TicketKey,
    pub(crate) previous: Option<TicketKey>,
    pub(crate) api_key: PreKeyed,
    lookup: PreKeyed,
    form: PreKeyed,
    challenge: PreKeyed,
}

impl Keys {
    fn derive(file: &KeyFile) -> Result<Self, IdentityError> {
        let ticket = |key: &TicketKeyBytes| {
            Ok::<_, IdentityError>(TicketKey { id: key.id, mac: derive(&key.bytes, b"rempart/1/ticket")? })
        };
        Ok(Self {
            current: ticket(&file.current)?,
            previous: file.previous.as_ref().map(ticket).transpose()?,
            api_key: derive(&file.root, b"rempart/1/api-key")?,
            lookup: derive(&file.root, b"rempart/1/look-up")?,
            form: derive(&file.root, b"rempart/1/form")?,
            challenge: derive(&file.root, b"rempart/1/challenge")?,
        })
    }

    /// The ticket key of an id: the current one, or the one before it.
    pub(crate) fn ticket_key(&self, id: u8) -> Option<&TicketKey> {
        if self.current.id == id { Some(&self.current) } else { self.previous.as_ref().filter(|key| key.id == id) }
    }
}

/// The key of one purpose: HMAC of the purpose's name under the parent key, itself the key of a MAC.
fn derive(parent: &KeyBytes, purpose: &[u8]) -> Result<PreKeyed, IdentityError> {
    let mut outer = PreKeyed::new_from_slice(parent.expose()).map_err(|_| IdentityError::MacKey)?;
    outer.update(purpose);
    PreKeyed::new_from_slice(&outer.finalize().into_bytes()).map_err(|_| IdentityError::MacKey)
}

/// The MAC of `bytes` under a key that was swallowed before.
pub(crate) fn tag(key: &PreKeyed, bytes: &[u8]) -> [u8; 32] {
    let mut mac = key.clone();
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

impl Keyring {
    /// Reads `DIR/keys/mac.key`, or makes it on the first start. Blocks on the disk: for the start only.
    pub fn load_or_create(path: &Path) -> Result<Arc<Self>, IdentityError> {
        let file = if let Some(file) = KeyFile::read(path)? {
            file
        } else {
            let file = KeyFile::generate()?;
            file.write(path)?;
            file
        };
        Self::new(Some(path.to_path_buf()), file)
    }

    /// Fresh keys in memory only: for tests, drills and figures. Every ticket dies with it.
    pub fn in_memory() -> Result<Arc<Self>, IdentityError> {
        Self::new(None, KeyFile::generate()?)
    }

    fn new(path: Option<PathBuf>, file: KeyFile) -> Result<Arc<Self>, IdentityError> {
        let keys = ArcSwap::from_pointee(Keys::derive(&file)?);
        Ok(Arc::new(Self { path, file: Mutex::new(file), keys }))
    }

    /// A fresh ticket key seals from now on; the one before still opens, the one before that no longer. Returns the new key's
    /// id. Nothing changes unless the file is durable first. Blocks on the disk: call it from a blocking thread.
    pub fn rotate(&self) -> Result<u8, IdentityError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let next = file.rotated()?;
        let keys = Keys::derive(&next)?;
        if let Some(path) = &self.path {
            next.write(path)?;
        }
        let id = next.current.id;
        *file = next;
        self.keys.store(Arc::new(keys));
        Ok(id)
    }

    /// The id of the key that seals tickets now.
    pub fn ticket_key_id(&self) -> u8 {
        self.keys.load().current.id
    }

    /// A keyed hash for a look-up column or table (an e-mail address, a sign-in name): without the key, the column tells
    /// nothing. `table` keeps equal texts of two tables apart.
    pub fn lookup_hash(&self, table: &'static str, text: &str) -> [u8; 32] {
        let mut mac = self.keys.load().lookup.clone();
        mac.update(table.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The tag of an account's name in device tickets: 32 bits under the root key. A ticket of another name passes for one in four billion,
    /// and then buys one look-up.
    pub fn name_tag(&self, name: &str) -> u32 {
        let [a, b, c, d, ..] = self.lookup_hash("device name", &name.trim().to_lowercase());
        u32::from_le_bytes([a, b, c, d])
    }

    /// The two secrets that seal challenges and their keys, as the texts that ALTCHA's library takes.
    pub(crate) fn challenge_secrets(&self) -> [String; 2] {
        let keys = self.keys.load();
        [b"seal".as_slice(), b"key"].map(|use_of| URL_SAFE_NO_PAD.encode(tag(&keys.challenge, use_of)))
    }

    /// The token that a session's forms carry against cross-site requests: 22 characters, bound to the session, stored nowhere.
    pub fn form_token(&self, session: SessionId) -> String {
        URL_SAFE_NO_PAD.encode(self.form_tag(session))
    }

    /// True if `text` is the form token of that session.
    pub fn is_form_token(&self, session: SessionId, text: &str) -> bool {
        let mut shown = [0_u8; 16];
        text.len() == 22
            && URL_SAFE_NO_PAD.decode_slice(text, &mut shown) == Ok(shown.len())
            && bool::from(shown.ct_eq(&self.form_tag(session)))
    }

    fn form_tag(&self, session: SessionId) -> [u8; 16] {
        let tag = tag(&self.keys.load().form, &session.bits().to_le_bytes());
        let mut half = [0_u8; 16];
        half.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
        half
    }

    /// The derived keys of this moment.
    pub(crate) fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        self.keys.load()
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("ticket_key_id", &self.ticket_key_id()).finish_non_exhaustive()
    }
}
