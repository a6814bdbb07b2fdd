//! What a person chose for the pages: language, light or dark, time zone.

use rempart_domain::AccountId;

use crate::conn::{Value, args};
use crate::lane::Lane;
use crate::{Store, StoreError, queries};

/// What was chosen; the caller checks the words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preferences {
    /// `zh`, `en`, `fr`; `None` follows the browser.
    pub locale: Option<String>,
    /// `light` or `dark`; `None` follows the system.
    pub theme: Option<String>,
    /// An IANA name; `None` is UTC.
    pub time_zone: Option<String>,
}

/// What is to be changed; the outer `None` leaves it, the inner one clears it.
#[derive(Debug, Clone, Default)]
pub struct PreferenceChange {
    /// The language.
    pub locale: Option<Option<String>>,
    /// Light or dark.
    pub theme: Option<Option<String>>,
    /// The time zone.
    pub time_zone: Option<Option<String>>,
}

impl Store {
    /// What the account chose; `NotFound` if it is gone.
    pub async fn find_preferences(&self, account: AccountId) -> Result<Preferences, StoreError> {
        let row = self.read_one(Lane::Other, queries::ACCOUNT_FIND_PREFERENCES, args![account.to_sql()]).await?;
        let mut row = row.ok_or(StoreError::NotFound)?;
        Ok(Preferences { locale: row.opt_text(0)?, theme: row.opt_text(1)?, time_zone: row.opt_text(2)? })
    }

    /// Changes what is asked for, all of it or nothing.
    pub async fn set_preferences(&self, account: AccountId, change: PreferenceChange) -> Result<(), StoreError> {
        let steps = [
            (queries::ACCOUNT_SET_LOCALE, change.locale),
            (queries::ACCOUNT_SET_THEME, change.theme),
            (queries::ACCOUNT_SET_TIME_ZONE, change.time_zone),
        ];
        self.write(Lane::Other, move |c| {
            Box::pin(async move {
                for (sql, value) in steps {
                    if let Some(value) = value {
                        c.execute_one(sql, vec![account.to_sql().into(), Value::from(value)]).await?;
                    }
                }
                Ok(())
            })
        })
        .await
    }
}
