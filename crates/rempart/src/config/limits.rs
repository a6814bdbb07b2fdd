//! `[limits]`: the gateway's list and the platform's own, read and shown as one table. A limit that is in neither does not exist.

use rempart_gateway::Limits;
use toml::{Table, Value};

use super::section::{ConfigError, Section, section};

section! {
    /// Limits of the parts that the binary starts itself.
    PlatformLimits {
        /// threads that hash passwords, 19 MiB each; 0 is one for two cores
        hash_workers: u64 = 0,
        /// passwords that wait to be hashed
        hash_queue_len: u64 = 64,
        /// longest time from a password's arrival to its hash
        hash_deadline_ms: u64 = 5000,
        /// writes that wait for the store
        store_queue_len: u64 = 1024,
        /// API keys held in memory, so that they outlive a database outage
        known_keys: u64 = 100_000,
        /// memory of the filter of breached passwords (`account breached`); a larger one is refused at the start
        breached_filter_bytes: u64 = 2_147_483_648,
        /// mails that wait to leave, in each lane
        mail_queue_len: u64 = 1024,
        /// mails a minute
        mail_per_minute: u64 = 120,
        /// mails a minute to one domain
        mail_per_domain_per_minute: u64 = 60,
        /// mails an hour to one address
        mail_per_address_per_hour: u64 = 5,
        /// mails kept in the outbox folder, the newest
        mail_outbox_files: u64 = 1000,
        /// days after which a session ends
        session_days: u64 = 30,
    }
}

/// Everything of `[limits]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct LimitsSection {
    /// The gateway's.
    pub(crate) gateway: Limits,
    /// The binary's.
    pub(crate) platform: PlatformLimits,
}

impl LimitsSection {
    /// Reads `[limits]`.
    pub(crate) fn read(table: &Table, errors: &mut Vec<ConfigError>) -> Self {
        let mut gateway = Limits::default();
        let mut own = Table::new();
        for (name, value) in table {
            if let Some(spec) = Limits::SPECS.iter().find(|spec| spec.name == name) {
                // Where none is the default, none may be said.
                let may_be = |number: &u64| *number > 0 || spec.default == 0;
                match value.as_integer().and_then(|number| u64::try_from(number).ok()).filter(may_be) {
                    Some(number) => drop(gateway.set(name, number)),
                    None => errors.push(ConfigError::new(format!("limits.{name}"), "expected a whole number above 0")),
                }
            } else {
                own.insert(name.clone(), value.clone());
            }
        }
        Self { gateway, platform: PlatformLimits::read("limits", &own, errors) }
    }

    /// Name, value and meaning of each limit, in the order of the example file.
    pub(crate) fn rows(&self) -> Vec<(&'static str, u64, &'static str)> {
        let gateway = Limits::SPECS.iter();
        let mut rows: Vec<_> = gateway
            .map(|spec| (spec.name, self.gateway.get(spec.name).unwrap_or(spec.default), spec.meaning))
            .collect();
        let own = PlatformLimits::KEYS.iter().zip(self.platform.show());
        rows.extend(own.map(|(key, value)| {
            let meaning = key.doc.first().copied().unwrap_or_default().trim();
            (key.name, value.parse().unwrap_or_default(), meaning)
        }));
        rows
    }

    /// True for a name of this table.
    pub(crate) fn knows(name: &str) -> bool {
        Limits::SPECS.iter().any(|spec| spec.name == name) || PlatformLimits::KEYS.iter().any(|key| key.name == name)
    }

    /// The whole table in force, for `check-config --json`.
    pub(crate) fn to_table(&self) -> Table {
        self.rows().into_iter().map(|(name, value, _)| (name.to_owned(), number(value))).collect()
    }
}

fn number(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}
