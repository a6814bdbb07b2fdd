//! The key file `keys/mac.key`: read, checked, and written so that a crash leaves the old file or the new one, never half of one.
//!
//! Text, one key a line, so that an operator can see which ids are in it:
//!
//! ```text
//! rempart mac keys 1
//! root 3f9c2a10 BASE64      what is stored hangs on it (API keys' MAC, look-up hashes): never rotated
//! ticket 2 BASE64           seals
//! ticket 1 BASE64           still opens, until the next rotation
//! ```
//!
//! Mode 0600 in a folder of mode 0700. A file that cannot be understood is an error and is never replaced.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rempart_domain::Secret;
use zeroize::{Zeroize as _, Zeroizing};

use crate::IdentityError;

const HEADER: &str = "rempart mac keys 1";

/// A key file has at most a header and three keys; anything longer is not one.
const BYTES_MAX: u64 = 4096;

/// 32 random bytes.
pub(crate) type KeyBytes = Secret<[u8; 32]>;

/// One key that seals or opens tickets.
pub(crate) struct TicketKeyBytes {
    /// Stands in each ticket; never 0.
    pub(crate) id: u8,
    pub(crate) bytes: KeyBytes,
}

/// What the file holds.
pub(crate) struct KeyFile {
    pub(crate) root_id: u32,
    pub(crate) root: KeyBytes,
    pub(crate) current: TicketKeyBytes,
    pub(crate) previous: Option<TicketKeyBytes>,
}

fn fresh() -> Result<KeyBytes, IdentityError> {
    let mut bytes = [0_u8; 32];
    crate::random::fill(&mut bytes)?;
    let key = Secret::new(bytes);
    bytes.zeroize();
    Ok(key)
}

impl KeyFile {
    /// Fresh keys, ids from the first start.
    pub(crate) fn generate() -> Result<Self, IdentityError> {
        let mut id = [0_u8; 4];
        crate::random::fill(&mut id)?;
        let current = TicketKeyBytes { id: 1, bytes: fresh()? };
        Ok(Self { root_id: u32::from_be_bytes(id), root: fresh()?, current, previous: None })
    }

    /// The same root, a fresh ticket key, and the one that sealed until now as the previous.
    pub(crate) fn rotated(&self) -> Result<Self, IdentityError> {
        let id = self.current.id.checked_add(1).unwrap_or(1);
        Ok(Self {
            root_id: self.root_id,
            root: Secret::new(*self.root.expose()),
            current: TicketKeyBytes { id, bytes: fresh()? },
            previous: Some(TicketKeyBytes { id: self.current.id, bytes: Secret::new(*self.current.bytes.expose()) }),
        })
    }

    /// Reads the file; `None` if there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, IdentityError> {
        let failed = |source| IdentityError::KeyFile { action: "read", path: path.to_path_buf(), source };
        let about = match fs::metadata(path) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if about.len() > BYTES_MAX {
            return Err(IdentityError::KeyFileFormat { path: path.to_path_buf(), what: "it is too long" });
        }
        if about.permissions().mode() & 0o077 != 0 {
            let tightened = fs::set_permissions(path, Permissions::from_mode(0o600)).is_ok();
            tracing::warn!(tightened, "the MAC key file could be read by others; if they did, rotate it");
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
        Self::parse(&text).map(Some).map_err(|what| IdentityError::KeyFileFormat { path: path.to_path_buf(), what })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err("its first line is another");
        }
        let (mut root, mut tickets) = (None, Vec::with_capacity(2));
        for line in lines.filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_ascii_whitespace();
            let (Some(kind), Some(id), Some(key), None) = (words.next(), words.next(), words.next(), words.next())
            else {
                return Err("a line has not three words");
            };
            match kind {
                "root" if root.is_none() => {
                    let id = u32::from_str_radix(id, 16).map_err(|_| "the root's id is no hexadecimal number")?;
                    root = Some((id, parse_key(key)?));
                }
                "ticket" if tickets.len() < 2 => {
                    let id = id.parse().ok().filter(|id| *id != 0).ok_or("a ticket key's id is not 1 to 255")?;
                    tickets.push(TicketKeyBytes { id, bytes: parse_key(key)? });
                }
                _ => return Err("it holds a key too many, or of an unknown kind"),
            }
        }
        let (root_id, root) = root.ok_or("it has no root key")?;
        let mut tickets = tickets.into_iter();
        let current = tickets.next().ok_or("it has no ticket key")?;
        let previous = tickets.next();
        if previous.as_ref().is_some_and(|previous| previous.id == current.id) {
            return Err("two ticket keys have one id");
        }
        Ok(Self { root_id, root, current, previous })
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(512));
        let mut push = |head: String, key: &KeyBytes| {
            let encoded = Zeroizing::new(STANDARD.encode(key.expose()));
            text.push_str(&head);
            text.push_str(&encoded);
            text.push('\n');
        };
        push(format!("{HEADER}\nroot {:08x} ", self.root_id), &self.root);
        for ticket in std::iter::once(&self.current).chain(&self.previous) {
            push(format!("ticket {} ", ticket.id), &ticket.bytes);
        }
        text
    }

    /// Writes the file beside the old one, makes it durable, and puts it in place.
    pub(crate) fn write(&self, path: &Path) -> Result<(), IdentityError> {
        let failed = |action| move |source| IdentityError::KeyFile { action, path: path.to_path_buf(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("write"))?;
        }
        let beside = path.with_extension("key.new");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("write")(error)),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed("write"))?;
        file.write_all(self.to_text().as_bytes()).map_err(failed("write"))?;
        file.sync_all().map_err(failed("make durable"))?;
        fs::rename(&beside, path).map_err(failed("write"))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("make durable"))
    }
}

fn parse_key(text: &str) -> Result<KeyBytes, &'static str> {
    let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| "a key is no base64")?);
    let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| "a key has not 32 bytes")?;
    Ok(Secret::new(*bytes))
}
