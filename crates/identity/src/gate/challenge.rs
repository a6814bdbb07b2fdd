//! Challenges: ALTCHA version 2, sold and taken back so that a stranger never chooses what they cost us.
//!
//! A challenge is *deterministic* when it comes from the pool: a thread of low priority under a fixed budget of CPU derived the key
//! beforehand, so that a solution is checked by two MACs and nobody waits longer than the most tries. When the pool is empty, or a network
//! has had its part of it, the challenge is *probabilistic*: it costs a MAC to make, and a solution is checked by one derivation, under a
//! budget of its own ([`Unproved`] is what the caller then checks in a thread).
//!
//! A presented solution passes, each step cheaper than the next: size → base64 and JSON → purpose, network, epoch, time → not used yet →
//! seal → its number is marked as used → proof. A junk solution burns its challenge. Numbers are marked in a ring of bits, so that single
//! use costs no memory by what is presented: a number that left the ring counts as expired.
//!
//! It is a price and not a proof of being human: a graphics card solves a hundred a second. What keeps newcomers from members' capacity is
//! their band.

mod pool;
mod ring;

use std::collections::BTreeMap;
use std::sync::Arc;

use altcha::{
    Challenge, ChallengeParameters, CreateChallengeOptions, HmacAlgorithm, Payload, VerifySolutionOptions,
    create_challenge, sign_challenge, verify_solution,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rempart_domain::{Millis, Secret, UnixSeconds};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use crate::gate::Shares;
use crate::{IdentityError, Keyring};
use pool::Pool;
use ring::Ring;

/// Longest payload that is read, in bytes of base64.
pub const CHALLENGE_BYTES_MAX: usize = 2_048;

/// Derivations that the solver of a challenge needs at most, by effort. One takes 0.6 ms in a browser on a desktop and about 4 ms on a slow
/// phone, one core of each: 2 500 are ten seconds there, and that is the cap.
pub const EFFORTS: [u32; 4] = [400, 800, 1_600, 2_500];

/// Iterations of PBKDF2 in a derivation from the pool: 0.14 ms of a core here.
const COST: u32 = 1_000;

/// Hexadecimal digits that a probabilistic solution's key begins with: 256 tries on the average.
const PREFIX: &str = "00";
const PREFIX_TRIES: u32 = 256;

/// A probabilistic challenge is meant for a quarter of the most tries: four times the mean is passed by one in fifty only.
const MEAN_PART: u32 = 4;

const ALGORITHM: &str = "PBKDF2/SHA-256";

/// What a challenge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A new account.
    Registration,
    /// Sign-in from a device that is not known.
    SignIn,
}

impl Purpose {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::SignIn => "sign-in",
        }
    }

    /// Reads the word on the wire.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Registration, Self::SignIn].into_iter().find(|purpose| purpose.as_str() == word)
    }
}

/// Why a payload is no solution. Callers answer all of them alike: solve another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ChallengeError {
    /// Too long, no base64, no JSON of that shape.
    #[error("not a solution")]
    Malformed,
    /// For something else, from another network, or of an older posture.
    #[error("a challenge for another use")]
    WrongUse,
    /// Its time is over.
    #[error("the challenge has expired")]
    Expired,
    /// Not sealed by us.
    #[error("the seal does not hold")]
    Forged,
    /// Shown before.
    #[error("the challenge was used")]
    Used,
    /// The key is not the one, or does not begin as asked.
    #[error("the solution is wrong")]
    Wrong,
    /// Too many solutions that need a derivation; the challenge is still good.
    #[error("too many solutions to be checked")]
    Busy,
}

/// Bounds.
#[derive(Debug, Clone, Copy)]
pub struct ChallengeOptions {
    /// Challenges in the pool.
    pub pool_len: usize,
    /// Part of a core that the pool is refilled with, in percent.
    pub pool_cpu_percent: u8,
    /// Challenges of the pool that one network gets in ten seconds; more are probabilistic.
    pub pool_share: u16,
    /// Derivations of probabilistic solutions checked in ten seconds, all networks together.
    pub checks: u16,
    /// The same for one network.
    pub checks_share: u16,
    /// How long a challenge is good.
    pub lasts_s: u32,
}

impl Default for ChallengeOptions {
    fn default() -> Self {
        Self { pool_len: 2_048, pool_cpu_percent: 5, pool_share: 16, checks: 1_500, checks_share: 60, lasts_s: 240 }
    }
}

/// What a payload turned out to be.
#[derive(Debug)]
pub enum Shown {
    /// A solution.
    Solved,
    /// Ours and unused; whether it is solved takes a derivation: call [`Unproved::check`] in a thread that may block.
    Unproved(Box<Unproved>),
}

/// A solution whose key must be derived: the challenge is used up, whatever comes out.
#[derive(Debug)]
pub struct Unproved {
    payload: Payload,
    secrets: Arc<Secrets>,
}

struct Secrets {
    seal: Secret<String>,
    key: Secret<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

/// Makes challenges and takes solutions back.
#[derive(Debug)]
pub struct Challenges {
    secrets: Arc<Secrets>,
    /// Tells this process's numbers from another's.
    boot: u32,
    ring: Ring,
    pool: Arc<Pool>,
    pool_shares: Shares,
    checks: Shares,
    checks_shares: Shares,
    lasts_s: u32,
}

impl Challenges {
    /// Starts with an empty pool and a thread that fills it.
    pub fn start(keyring: &Keyring, options: ChallengeOptions) -> Result<Self, IdentityError> {
        let [seal, key] = keyring.challenge_secrets();
        let secrets = Arc::new(Secrets { seal: Secret::new(seal), key: Secret::new(key) });
        let mut boot = [0_u8; 4];
        crate::random::fill(&mut boot)?;
        let pool = Pool::start(&options, secrets.key.expose())?;
        let window = Millis(10_000);
        Ok(Self {
            secrets,
            boot: u32::from_le_bytes(boot),
            ring: Ring::default(),
            pool,
            pool_shares: Shares::new(window, options.pool_share),
            checks: Shares::new(window, options.checks),
            checks_shares: Shares::new(window, options.checks_share),
            lasts_s: options.lasts_s,
        })
    }

    /// Challenges in the pool.
    pub fn pool_len(&self) -> usize {
        self.pool.len()
    }

    /// A challenge as JSON. `network` is a keyed hash of where the caller is, `epoch` counts changes of posture, `effort` is an index of
    /// [`EFFORTS`].
    pub fn issue(&self, purpose: Purpose, network: u32, epoch: u32, effort: u8, now: Now) -> Option<String> {
        let pooled = if self.pool_shares.try_take(network, now.clock) { self.pool.take(effort) } else { None };
        let mut parameters = match pooled {
            Some(parameters) => parameters,
            None => probabilistic(effort)?,
        };
        let numbers = [
            ("boot", u64::from(self.boot)),
            ("epoch", u64::from(epoch)),
            ("network", u64::from(network)),
            ("serial", self.ring.next()),
        ];
        let mut data: BTreeMap<String, Value> =
            numbers.into_iter().map(|(name, number)| (name.to_owned(), number.into())).collect();
        data.insert("purpose".to_owned(), purpose.as_str().into());
        parameters.data = Some(data);
        parameters.expires_at = Some(now.date.0 + i64::from(self.lasts_s));
        let seal = self.secrets.seal.expose();
        let challenge = sign_challenge(&HmacAlgorithm::Sha256, &mut parameters, None, seal, None).ok()?;
        serde_json::to_string(&challenge).ok()
    }

    /// Takes a widget's payload: base64 of challenge and solution. `epochs` are the posture's epoch and the one before it.
    pub fn take(
        &self,
        text: &str,
        purpose: Purpose,
        network: u32,
        epoch: u32,
        now: Now,
    ) -> Result<Shown, ChallengeError> {
        if text.len() > CHALLENGE_BYTES_MAX {
            return Err(ChallengeError::Malformed);
        }
        let bytes = STANDARD.decode(text).map_err(|_| ChallengeError::Malformed)?;
        let mut payload: Payload = serde_json::from_slice(&bytes).map_err(|_| ChallengeError::Malformed)?;
        let serial = self.check_use(&payload.challenge, purpose, network, epoch, now.date)?;
        // Looked at and not marked: whoever shows a spent one again does not buy a MAC.
        if self.ring.is_used(serial) {
            return Err(ChallengeError::Used);
        }
        self.check_seal(&mut payload.challenge)?;
        let is_quick = payload.challenge.parameters.key_signature.is_some();
        // A solution that cannot be checked now leaves its challenge good.
        let may_check =
            is_quick || (self.checks_shares.try_take(network, now.clock) && self.checks.try_take(0, now.clock));
        if !may_check {
            return Err(ChallengeError::Busy);
        }
        if !self.ring.mark(serial) {
            return Err(ChallengeError::Used);
        }
        let unproved = Unproved { payload, secrets: Arc::clone(&self.secrets) };
        if is_quick { unproved.check().map(|()| Shown::Solved) } else { Ok(Shown::Unproved(Box::new(unproved))) }
    }

    /// Whether the challenge says that it is for this use; the seal says later whether we said so.
    fn check_use(
        &self,
        challenge: &Challenge,
        purpose: Purpose,
        network: u32,
        epoch: u32,
        date: UnixSeconds,
    ) -> Result<u64, ChallengeError> {
        let data = challenge.parameters.data.as_ref().ok_or(ChallengeError::Malformed)?;
        let number = |name: &str| data.get(name).and_then(Value::as_u64).ok_or(ChallengeError::Malformed);
        let serial = number("serial")?;
        let said_epoch = number("epoch")?;
        let is_recent = said_epoch == u64::from(epoch) || said_epoch + 1 == u64::from(epoch);
        let is_for_this = data.get("purpose").and_then(Value::as_str) == Some(purpose.as_str());
        if !is_for_this
            || !is_recent
            || number("network")? != u64::from(network)
            || number("boot")? != u64::from(self.boot)
        {
            return Err(ChallengeError::WrongUse);
        }
        let is_over = challenge.parameters.expires_at.is_none_or(|at| at <= date.0);
        if is_over || self.ring.is_past(serial) { Err(ChallengeError::Expired) } else { Ok(serial) }
    }

    /// Without a derived key, signing changes nothing of the parameters.
    fn check_seal(&self, challenge: &mut Challenge) -> Result<(), ChallengeError> {
        let seal = self.secrets.seal.expose();
        let ours = sign_challenge(&HmacAlgorithm::Sha256, &mut challenge.parameters, None, seal, None)
            .ok()
            .and_then(|ours| ours.signature)
            .ok_or(ChallengeError::Forged)?;
        let shown = challenge.signature.as_deref().ok_or(ChallengeError::Forged)?;
        let holds: bool = ours.as_bytes().ct_eq(shown.as_bytes()).into();
        if holds { Ok(()) } else { Err(ChallengeError::Forged) }
    }
}

impl Unproved {
    /// Checks the proof: two MACs for one of the pool, a derivation (0.05 to 0.4 ms) for a probabilistic one.
    pub fn check(&self) -> Result<(), ChallengeError> {
        let Payload { challenge, solution } = &self.payload;
        let verified = verify_solution(VerifySolutionOptions {
            hmac_key_signature_secret: Some(self.secrets.key.expose().clone()),
            ..VerifySolutionOptions::new(challenge, solution, self.secrets.seal.expose().as_str())
        });
        if verified.is_ok_and(|result| result.verified) { Ok(()) } else { Err(ChallengeError::Wrong) }
    }
}

/// Both clocks of a moment.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Monotonic.
    pub clock: Millis,
    /// The date.
    pub date: UnixSeconds,
}

/// The most derivations of an effort.
fn tries_max(effort: u8) -> u32 {
    let [.., dearest] = EFFORTS;
    EFFORTS.get(usize::from(effort)).copied().unwrap_or(dearest)
}

/// A challenge that is cheap to make.
fn probabilistic(effort: u8) -> Option<ChallengeParameters> {
    let cost = u64::from(tries_max(effort)) * u64::from(COST) / u64::from(MEAN_PART) / u64::from(PREFIX_TRIES);
    let options = CreateChallengeOptions {
        algorithm: ALGORITHM.to_owned(),
        cost: u32::try_from(cost.max(1)).unwrap_or(COST),
        key_prefix: PREFIX.to_owned(),
        ..CreateChallengeOptions::default()
    };
    create_challenge(options).ok().map(|challenge| challenge.parameters)
}
