//! What a person chose for the pages: language, light or dark, time zone.

use bytes::Bytes;
use http::StatusCode;
use rempart_domain::AccountId;
use rempart_store::{PreferenceChange, Preferences};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::serve::accounts::parse;
use crate::serve::conversations::nullable;
use crate::serve::{Answer, Call, json, store_refusal};

/// Longest IANA name, in bytes; the longest there is has 32.
const TIME_ZONE_BYTES_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default, deserialize_with = "nullable")]
    locale: Option<Option<String>>,
    #[serde(default, deserialize_with = "nullable")]
    theme: Option<Option<String>>,
    #[serde(default, deserialize_with = "nullable")]
    time_zone: Option<Option<String>>,
}

/// `PATCH /api/v1/account`: what is absent stays, null goes back to what the browser says (a time zone: to UTC).
pub async fn change(call: Call, body: Bytes) -> Answer {
    let asked: Change = parse(&body)?;
    let change = PreferenceChange {
        locale: asked.locale.map(check_locale).transpose()?,
        theme: asked.theme.map(check_theme).transpose()?,
        time_zone: asked.time_zone.map(check_time_zone).transpose()?,
    };
    let account = call.account()?;
    call.gateway.store.set_preferences(account, change).await.map_err(|e| store_refusal(&e))?;
    json(StatusCode::OK, &preferences_json(&find_preferences(&call, account).await?))
}

/// What the account chose.
pub async fn find_preferences(call: &Call, account: AccountId) -> Result<Preferences, Refusal> {
    call.gateway.store.find_preferences(account).await.map_err(|e| store_refusal(&e))
}

/// `locale`, `theme`, `time_zone` as the API says them.
fn preferences_json(preferences: &Preferences) -> Value {
    json!({
        "locale": preferences.locale, "theme": theme_word(preferences),
        "time_zone": preferences.time_zone,
    })
}

/// `light`, `dark`, or `auto` where nothing was chosen.
pub(crate) fn theme_word(preferences: &Preferences) -> &str {
    preferences.theme.as_deref().unwrap_or("auto")
}

fn check_locale(asked: Option<String>) -> Result<Option<String>, Refusal> {
    let Some(asked) = asked else { return Ok(None) };
    let locale = rempart_web::Locale::parse(&asked).ok_or_else(|| Refusal::parameter("locale", "zh, en or fr"))?;
    Ok(Some(locale.as_str().to_owned()))
}

fn check_theme(asked: Option<String>) -> Result<Option<String>, Refusal> {
    match asked.as_deref() {
        None | Some("auto") => Ok(None),
        Some("light" | "dark") => Ok(asked),
        Some(_) => Err(Refusal::parameter("theme", "light, dark or auto")),
    }
}

fn check_time_zone(asked: Option<String>) -> Result<Option<String>, Refusal> {
    let Some(asked) = asked else { return Ok(None) };
    let is_known = asked.len() <= TIME_ZONE_BYTES_MAX && jiff::tz::TimeZone::get(&asked).is_ok();
    if is_known { Ok(Some(asked)) } else { Err(Refusal::parameter("time_zone", "this is no IANA time zone")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_time_zone_is_one_of_those_there_are() {
        let checked = |name: &str| check_time_zone(Some(name.to_owned())).is_ok();
        assert!(checked("Asia/Shanghai") && checked("Europe/Paris") && checked("America/New_York") && checked("UTC"));
        assert!(!checked("Mars/Olympus") && !checked("") && !checked("../../etc/passwd") && !checked(&"x".repeat(65)));
    }
}
