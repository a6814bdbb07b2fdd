//! What `serve` and the commands on a stopped platform have in common: the opened store, the keys, the tables in memory.
//!
//! What must stay true: whoever makes a [`Platform`] holds the folder's lock; a key file is never made where a database waits for an
//! older one.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rempart_domain::{GateLevel, Millis, Secret};
use rempart_gateway::{Clock, PostureControl};
use rempart_identity::gate::{ControlLimits, GateState, OVERRIDE_SETTING, Override};
use rempart_identity::{
    AccountFacts, Earned, HashError, HashLane, HashPool, HashPoolOptions, Keyring, KnownKey, KnownKeys, Revocations,
};
use rempart_store::{KeyRecord, MasterKey, Store, StoreError, StoreOptions, StoreUrl};

use crate::config::{Config, PlatformLimits, RegistrationLevel};
use crate::folder::DataFolder;
use crate::outcome::Failure;

/// Everything a command needs.
pub(crate) struct Platform {
    /// Accounts, keys, conversations.
    pub(crate) store: Store,
    /// Keys under tickets and API keys.
    pub(crate) keyring: Arc<Keyring>,
    /// What has changed since tickets were issued.
    pub(crate) revocations: Arc<Revocations>,
    /// The declared state, with the freeze that hangs on it.
    pub(crate) posture: Arc<PostureControl>,
    /// API keys that need no look-up.
    pub(crate) known_keys: KnownKeys,
    /// Monotonic time and the date.
    pub(crate) clock: Arc<Clock>,
    /// Hashes passwords that an operator gives.
    pub(crate) hash_pool: OperatorPool,
    /// The registration gate's level.
    pub(crate) gate: Arc<GateState>,
    /// `limits.keys_per_account`.
    pub(crate) keys_per_account: u64,
    /// How people reach the platform, without a slash at its end.
    pub(crate) public_url: String,
}

/// A hashing thread of the operators' own, started with the first password: they never wait behind strangers.
#[derive(Default)]
pub(crate) struct OperatorPool(Mutex<Option<Arc<HashPool>>>);

impl OperatorPool {
    /// Hashes a password that was checked.
    pub(crate) async fn hash(&self, lane: HashLane, password: Secret<String>) -> Result<Secret<String>, HashError> {
        self.pool()?.hash(lane, password).await
    }

    fn pool(&self) -> Result<Arc<HashPool>, HashError> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = slot.as_ref() {
            return Ok(Arc::clone(pool));
        }
        let options = HashPoolOptions { workers: 1, unknown_running_max: 1, ..HashPoolOptions::default() };
        let pool = Arc::new(HashPool::new(options).map_err(|_| HashError::Internal)?);
        *slot = Some(Arc::clone(&pool));
        Ok(pool)
    }
}

impl Platform {
    /// Opens the store (which migrates it) and the keys. The caller holds the folder's lock.
    pub(crate) async fn open(config: &Config, folder: &DataFolder) -> Result<Self, Failure> {
        let store = Store::open(store_options(config, folder)?).await.map_err(|error| store_failure(&error))?;
        let limit = config.limits.platform.breached_filter_bytes;
        let breached = rempart_identity::weak::load_breached(&folder.breached_filter(), limit);
        if let Some(passwords) = breached.map_err(|error| Failure::missing("breached.filter", &error))? {
            tracing::info!(passwords, "breached passwords are refused");
        }
        let keyring = Keyring::load_or_create(&folder.mac_key()).map_err(|error| Failure::missing("keys", &error))?;
        let (clock, revocations) = (Arc::new(Clock::start()), Arc::new(Revocations::default()));
        let posture = PostureControl::new(Arc::clone(&revocations));
        posture.load(&store, clock.seconds()).await.map_err(|error| store_failure(&error))?;
        let gate = gate(config, &store, &clock).await?;
        Ok(Self {
            store,
            gate,
            keyring,
            revocations,
            posture,
            known_keys: KnownKeys::new(config.limits.platform.known_keys),
            clock,
            hash_pool: OperatorPool::default(),
            keys_per_account: config.limits.gateway.keys_per_account,
            public_url: config.server.public_url.trim_end_matches('/').to_owned(),
        })
    }

    /// Reads into memory what is checked without the store from then on: epochs, ended sessions, keys.
    pub(crate) async fn warm_up(&self, key_limit: u64) -> Result<(), Failure> {
        let epochs = self.store.load_epochs().await.map_err(|error| store_failure(&error))?;
        let facts = epochs.into_iter().map(|(account, row)| {
            let earned = row.earned.map(|(at, before)| Earned { at, before });
            (account, AccountFacts { epoch: row.epoch, standing: row.standing, role: row.role, earned })
        });
        self.revocations.load(facts).map_err(|error| Failure::internal("revocations", &error))?;
        let now = self.clock.seconds();
        let ended = self.store.load_ended_sessions_with_accounts(now).await.map_err(|error| store_failure(&error))?;
        let devices = self.store.load_ended_devices(now).await.map_err(|error| store_failure(&error))?;
        for (account, session, expires) in ended.into_iter().chain(devices) {
            let ended = self.revocations.end_session(account, session, expires);
            ended.map_err(|error| Failure::internal("revocations", &error))?;
        }
        let limit = u32::try_from(key_limit).unwrap_or(u32::MAX);
        let keys = self.store.load_keys(limit).await.map_err(|error| store_failure(&error))?;
        keys.into_iter().filter_map(known_key).for_each(|key| self.known_keys.insert(key));
        Ok(())
    }
}

/// The gate as configured, with what an operator set by hand over it.
async fn gate(config: &Config, store: &Store, clock: &Clock) -> Result<Arc<GateState>, Failure> {
    let gateway = &config.limits.gateway;
    #[allow(clippy::cast_precision_loss, reason = "limits stay far below 2^53")]
    let limits = ControlLimits {
        rate_max: gateway.registrations_per_minute as f64 / 60.0,
        newcomers_share_max: 100_u64.saturating_sub(gateway.members_share_percent) as f64 / 100.0,
        has_mail: config.mail_is_given,
        ..ControlLimits::default()
    };
    let gate = GateState::new(limits, fixed_level(config.registration.level));
    let by_hand = store.get_setting(OVERRIDE_SETTING).await.map_err(|error| store_failure(&error))?;
    gate.set_override(by_hand.as_deref().and_then(Override::parse), clock.seconds());
    Ok(gate)
}

/// `None` is auto.
const fn fixed_level(level: RegistrationLevel) -> Option<GateLevel> {
    match level {
        RegistrationLevel::Auto => None,
        RegistrationLevel::Open => Some(GateLevel::Open),
        RegistrationLevel::Challenge => Some(GateLevel::Challenge),
        RegistrationLevel::Verified => Some(GateLevel::Verified),
        RegistrationLevel::Queue => Some(GateLevel::Queue),
        RegistrationLevel::Closed => Some(GateLevel::Closed),
    }
}

/// A key as the path knows it; `None` for one that is revoked.
pub(crate) fn known_key(record: KeyRecord) -> Option<KnownKey> {
    record.revoked.is_none().then(|| rempart_gateway::identify::known_key(record))
}

/// Where the store is and what opens it.
pub(crate) fn store_options(config: &Config, folder: &DataFolder) -> Result<StoreOptions, Failure> {
    let url = StoreUrl::parse(config.store.url.get(), folder.root()).map_err(|error| store_failure(&error))?;
    let key = master_key(config, folder, &url)?;
    let mut options = StoreOptions::new(url, key);
    options.holding = config.limits.gateway.holding();
    options.queue_len_max = usize::try_from(config.limits.platform.store_queue_len).unwrap_or(usize::MAX);
    Ok(options)
}

fn master_key(config: &Config, folder: &DataFolder, url: &StoreUrl) -> Result<MasterKey, Failure> {
    let key = if let Some(text) = config.store.master_key.get() {
        MasterKey::from_base64(text)
    } else if !config.store.master_key_file.is_empty() {
        MasterKey::load(Path::new(&config.store.master_key_file))
    } else {
        let path = folder.master_key();
        if matches!(url, StoreUrl::Sqlite(file) if file.exists()) && !path.exists() {
            let words =
                "is missing, and the database was made with it: put its copy there, or set store.master_key_file";
            return Err(Failure::Missing(format!("{} {words}", path.display())));
        }
        MasterKey::load_or_create(&path)
    };
    key.map_err(|error| store_failure(&error))
}

/// What a store that does not open is worth.
pub(crate) fn store_failure(error: &StoreError) -> Failure {
    match error {
        StoreError::Sql(_) | StoreError::Sealed(_) | StoreError::Corrupt(_) | StoreError::Random => {
            Failure::internal("store", error)
        }
        _ => Failure::missing("store", error),
    }
}

/// The pool for newcomers' passwords: one thread, whatever is configured.
pub(crate) fn registration_pool(limits: &PlatformLimits) -> Result<HashPool, Failure> {
    let options = HashPoolOptions {
        workers: 1,
        unknown_running_max: 1,
        queue_len_max: usize::try_from(limits.hash_queue_len).unwrap_or(usize::MAX),
        deadline: Millis(limits.hash_deadline_ms),
        ..HashPoolOptions::default()
    };
    HashPool::new(options).map_err(|error| Failure::internal("hashing threads", &error))
}

/// The pool behind sign-in.
pub(crate) fn hash_pool(limits: &PlatformLimits) -> Result<HashPool, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = match usize::try_from(limits.hash_workers).unwrap_or(usize::MAX) {
        0 => cores.div_ceil(2).max(2),
        given => given,
    };
    let options = HashPoolOptions {
        workers,
        unknown_running_max: workers.saturating_sub(1).max(1),
        queue_len_max: usize::try_from(limits.hash_queue_len).unwrap_or(usize::MAX),
        deadline: Millis(limits.hash_deadline_ms),
        ..HashPoolOptions::default()
    };
    HashPool::new(options).map_err(|error| Failure::internal("hashing threads", &error))
}
