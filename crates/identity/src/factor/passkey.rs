//! Passkeys (WebAuthn): webauthn-rs with the ceremonies' state sealed into the client's hands.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rempart_domain::{AccountId, Secret, UnixSeconds};
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    CredentialID, DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder,
};

use super::ceremony::{CeremonyError, open_state as open, seal_state as seal};
use crate::Keyring;

const REGISTER: &str = "passkey registration";
const SIGN_IN: &str = "passkey sign-in";

/// The account that a ceremony without a name is for.
const NOBODY: AccountId = AccountId::from_bits(0);

/// Marks our own user handles: the other half is the account's id.
const HANDLE_MARK: u64 = 0x7265_6d70_6172_7401;

/// What the browser is asked, and what it must show again with the answer.
#[derive(Debug)]
pub struct Asked {
    /// WebAuthn's options as JSON, `{"publicKey":{…}}`.
    pub options: Value,
    /// The sealed state.
    pub state: String,
}

/// A passkey as it is stored.
#[derive(Debug)]
pub struct StoredPasskey {
    /// The credential, as JSON.
    pub data: Secret<String>,
    /// Its id, so that no other account takes the same.
    pub credential: Vec<u8>,
}

/// A passkey that proved itself.
#[derive(Debug)]
pub struct UsedPasskey {
    /// Its index in the list that was given.
    pub index: usize,
    /// The credential with its new counter, as JSON.
    pub data: Secret<String>,
    /// Tells this answer from any other: the challenge that was answered.
    pub challenge: Vec<u8>,
}

/// The relying party: one for each platform.
#[derive(Debug)]
pub struct Passkeys {
    webauthn: Webauthn,
}

impl Passkeys {
    /// For the public address; `None` where there are no passkeys: at an address instead of a name, and without TLS but on `localhost`.
    pub fn new(public_url: &str, site: &str) -> Option<Self> {
        let url = Url::parse(public_url).ok()?;
        let host = url.domain()?.to_owned();
        let is_here = host == "localhost";
        if !is_here && url.scheme() != "https" {
            return None;
        }
        // The console is another port of the same machine.
        let builder = WebauthnBuilder::new(&host, &url).ok()?.rp_name(site).allow_any_port(is_here);
        builder.build().ok().map(|webauthn| Self { webauthn })
    }

    /// Asks for a new passkey of that account. `stored`: those it has.
    pub fn start_registration(
        &self,
        keyring: &Keyring,
        account: AccountId,
        name: &str,
        stored: &[&Secret<String>],
        now: UnixSeconds,
    ) -> Result<Asked, CeremonyError> {
        let exclude: Vec<CredentialID> =
            stored.iter().filter_map(|data| parse(data)).map(|key| key.cred_id().clone()).collect();
        let started = self.webauthn.start_passkey_registration(handle_of(account), name, name, Some(exclude));
        let (asked, state) = started.map_err(|_| CeremonyError::Answer)?;
        let mut options = serde_json::to_value(asked).map_err(|_| CeremonyError::Answer)?;
        // A passkey that the browser can offer by itself, where it has room for it: signing in then needs no name.
        if let Some(selection) = options.pointer_mut("/publicKey/authenticatorSelection").and_then(Value::as_object_mut)
        {
            selection.insert("residentKey".into(), "preferred".into());
        }
        let state = serde_json::to_string(&state).map_err(|_| CeremonyError::Answer)?;
        Ok(Asked { options, state: seal(keyring, REGISTER, account, &state, now) })
    }

    /// Takes the new passkey.
    pub fn finish_registration(
        &self,
        keyring: &Keyring,
        account: AccountId,
        state: &str,
        answer: &Value,
        now: UnixSeconds,
    ) -> Result<StoredPasskey, CeremonyError> {
        let state = open(keyring, REGISTER, account, state, now)?;
        let state: PasskeyRegistration = serde_json::from_str(&state).map_err(|_| CeremonyError::State)?;
        let answer: RegisterPublicKeyCredential =
            serde_json::from_value(answer.clone()).map_err(|_| CeremonyError::Answer)?;
        let key = self.webauthn.finish_passkey_registration(&answer, &state).map_err(|_| CeremonyError::Answer)?;
        let data = serde_json::to_string(&key).map_err(|_| CeremonyError::Answer)?;
        Ok(StoredPasskey { data: Secret::new(data), credential: key.cred_id().to_vec() })
    }

    /// Asks for any passkey of this platform, or for one of `stored`, an account's.
    pub fn start_sign_in(
        &self,
        keyring: &Keyring,
        account: Option<AccountId>,
        stored: &[&Secret<String>],
        now: UnixSeconds,
    ) -> Result<Asked, CeremonyError> {
        let (asked, state) = self.webauthn.start_discoverable_authentication().map_err(|_| CeremonyError::Answer)?;
        let mut options = serde_json::to_value(asked).map_err(|_| CeremonyError::Answer)?;
        if let Some(options) = options.as_object_mut() {
            options.remove("mediation");
        }
        if let Some(public_key) = options.pointer_mut("/publicKey").and_then(Value::as_object_mut) {
            let keys = stored.iter().filter_map(|data| parse(data));
            let allowed: Vec<Value> = keys
                .map(|key| json!({ "type": "public-key", "id": URL_SAFE_NO_PAD.encode(key.cred_id().as_slice()) }))
                .collect();
            public_key.insert("allowCredentials".into(), allowed.into());
        }
        let state = serde_json::to_string(&state).map_err(|_| CeremonyError::Answer)?;
        Ok(Asked { options, state: seal(keyring, SIGN_IN, account.unwrap_or(NOBODY), &state, now) })
    }

    /// Takes the answer: `stored` are the passkeys of the account that it claims to be.
    pub fn finish_sign_in(
        &self,
        keyring: &Keyring,
        account: Option<AccountId>,
        state: &str,
        answer: &Value,
        stored: &[&Secret<String>],
        now: UnixSeconds,
    ) -> Result<UsedPasskey, CeremonyError> {
        let state = open(keyring, SIGN_IN, account.unwrap_or(NOBODY), state, now)?;
        let state: DiscoverableAuthentication = serde_json::from_str(&state).map_err(|_| CeremonyError::State)?;
        let challenge = keyring.lookup_hash("passkey challenge", &serde_json::to_string(&state).unwrap_or_default());
        let answer: PublicKeyCredential = serde_json::from_value(answer.clone()).map_err(|_| CeremonyError::Answer)?;
        let shown = answer.get_credential_id();
        let found = stored.iter().enumerate().find_map(|(index, data)| {
            parse(data).filter(|key| key.cred_id().as_slice() == shown).map(|key| (index, key))
        });
        let (index, mut key) = found.ok_or(CeremonyError::Answer)?;
        let used = self.webauthn.finish_discoverable_authentication_v2(&answer, state, DiscoverableKey::from(&key));
        let used = used.map_err(|_| CeremonyError::Answer)?;
        if !used.user_verified() {
            return Err(CeremonyError::Answer);
        }
        key.update_credential(&used);
        let data = serde_json::to_string(&key).map_err(|_| CeremonyError::Answer)?;
        Ok(UsedPasskey { index, data: Secret::new(data), challenge: challenge.to_vec() })
    }
}

/// Whose passkey an answer claims to be, by the handle that the browser kept; nothing is proved yet.
pub fn claimed_account(answer: &Value) -> Option<AccountId> {
    let answer: PublicKeyCredential = serde_json::from_value(answer.clone()).ok()?;
    let (mark, account) = Uuid::from_slice(answer.get_user_unique_id()?).ok()?.as_u64_pair();
    (mark == HANDLE_MARK).then(|| AccountId::from_bits(account))
}

fn handle_of(account: AccountId) -> Uuid {
    Uuid::from_u64_pair(HANDLE_MARK, account.bits())
}

fn parse(data: &Secret<String>) -> Option<Passkey> {
    serde_json::from_str(data.expose()).ok()
}
