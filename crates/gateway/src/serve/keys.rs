//! API keys and usage of the account that asks.

use std::collections::{BTreeMap, HashMap};

use axum::extract::{Path, Query};
use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{Day, KeyId, KeyLimits, KeyScope, ReasonCode, UnixSeconds};
use rempart_identity::KnownKey;
use rempart_store::{KeyRecord, NewKey, UsageDay};
use serde::Deserialize;
use serde_json::json;

use crate::refusal::Refusal;
use crate::serve::accounts::parse;
use crate::serve::{Answer, Call, day_text, json, no_content, parse_day, rfc3339, store_refusal, to_the_end};

/// Longest name of a key, in characters.
const KEY_NAME_CHARS_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    models: Option<Vec<String>>,
    /// Tokens in its life, or in each span of `[limits] key_budget_days`.
    #[serde(default)]
    budget: Option<u64>,
    #[serde(default)]
    requests_per_minute: Option<u64>,
    #[serde(default)]
    in_flight: Option<u32>,
}

/// A key that was just made; the only time its text exists outside its owner's hands.
#[derive(Debug)]
pub struct MadeKey {
    /// Its public half.
    pub id: KeyId,
    /// The whole key.
    pub text: rempart_domain::Secret<String>,
    /// When it ends.
    pub expires: Option<UnixSeconds>,
}

/// `POST /api/v1/keys`.
pub async fn create(call: Call, body: Bytes) -> Answer {
    let wanted: Wanted = parse(&body)?;
    let expires = match &wanted.expires {
        None => None,
        Some(text) => {
            Some(parse_time(text).ok_or_else(|| Refusal::parameter("expires", "this must be an RFC 3339 time"))?)
        }
    };
    let limits = KeyLimits {
        budget_tokens: wanted.budget,
        requests_per_minute: wanted.requests_per_minute,
        in_flight: wanted.in_flight,
    };
    let made = make_key(&call, &wanted.name, expires, wanted.models.clone(), limits).await?;
    json(
        StatusCode::CREATED,
        &json!({
            "id": made.id.to_string(), "key": made.text.expose(), "name": wanted.name.trim(),
            "expires": made.expires.map(rfc3339), "models": wanted.models, "budget": limits.budget_tokens,
            "requests_per_minute": limits.requests_per_minute, "in_flight": limits.in_flight,
        }),
    )
}

/// Makes a key for the account that asks; durable when it returns, and known without a look-up from then on.
pub async fn make_key(
    call: &Call,
    name: &str,
    expires: Option<UnixSeconds>,
    models: Option<Vec<String>>,
    limits: KeyLimits,
) -> Result<MadeKey, Refusal> {
    let gateway = &call.gateway;
    let account = call.account()?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > KEY_NAME_CHARS_MAX {
        return Err(Refusal::parameter("name", "a key's name has 1 to 64 characters"));
    }
    if models.as_ref().is_some_and(|m| m.is_empty() || m.len() > 64 || m.iter().any(|id| id.len() > 256)) {
        return Err(Refusal::parameter("models", "1 to 64 names of models"));
    }
    for (field, is_zero) in [
        ("budget", limits.budget_tokens == Some(0)),
        ("requests_per_minute", limits.requests_per_minute == Some(0)),
        ("in_flight", limits.in_flight == Some(0)),
    ] {
        if is_zero {
            return Err(Refusal::parameter(
                field,
                "a key that may do nothing is of no use: leave it out, or at least 1",
            ));
        }
    }
    if expires.is_some_and(|e| e <= gateway.clock.seconds()) {
        return Err(Refusal::parameter("expires", "this time is over"));
    }
    let held = gateway.store.list_keys(account).await.map_err(|e| store_refusal(&e))?;
    if held.iter().filter(|k| k.revoked.is_none()).count() as u64 >= gateway.limits.keys_per_account {
        return Err(Refusal::new(ReasonCode::NotAllowed, "this account has as many keys as it may"));
    }
    let id = rempart_identity::random::key_id().map_err(|_| ReasonCode::Internal)?;
    let issued = rempart_identity::issue(&gateway.keyring, id).map_err(|_| ReasonCode::Internal)?;
    let new = NewKey {
        id,
        account,
        name: name.to_owned(),
        hash: issued.hash,
        scope: KeyScope::Api,
        models: models.clone(),
        limits,
        created: gateway.clock.seconds(),
        expires,
    };
    gateway.store.create_key(new).await.map_err(|e| store_refusal(&e))?;
    gateway.known_keys.insert(KnownKey {
        id,
        account,
        hash: issued.hash,
        scope: KeyScope::Api,
        standing: call.ctx.principal.carried_standing,
        role: call.ctx.principal.role,
        created_day: call.ctx.principal.created_day,
        created_minute: call.ctx.principal.minute,
        provenance: call.ctx.principal.provenance,
        models: models.map(|m| m.into_iter().map(Into::into).collect()),
        limits,
        expires,
        epoch: gateway.revocations.epoch_of(account),
    });
    Ok(MadeKey { id, text: issued.text, expires })
}

fn key_json(key: &KeyRecord, spent: u64) -> serde_json::Value {
    json!({
        "id": key.id.to_string(), "name": key.name, "scope": key.scope.as_str(), "created": rfc3339(key.created),
        "expires": key.expires.map(rfc3339), "models": key.models, "budget": key.limits.budget_tokens, "spent": spent,
        "requests_per_minute": key.limits.requests_per_minute, "in_flight": key.limits.in_flight,
        "last_used": key.last_used.map(day_text),
    })
}

/// `GET /api/v1/keys`.
pub async fn list(call: Call) -> Answer {
    let account = call.account()?;
    let keys = call.gateway.store.list_keys(account).await.map_err(|e| store_refusal(&e))?;
    let spent = spent_by_keys(&call).await?;
    let row = |key: &KeyRecord| key_json(key, spent.get(&key.id).copied().unwrap_or(0));
    let data: Vec<_> = keys.iter().filter(|k| k.revoked.is_none()).map(row).collect();
    json(StatusCode::OK, &json!({ "data": data, "next": null }))
}

/// Tokens that each key of the account has spent of its budget: in its life, or in the present span of `[limits] key_budget_days`.
pub async fn spent_by_keys(call: &Call) -> Result<HashMap<KeyId, u64>, Refusal> {
    let (account, first) = (call.account()?, call.gateway.metering.first_key_day());
    let (unwritten, guard) = call.gateway.metering.unwritten(account).await;
    let written = call.gateway.store.read_spent_by_key(account, first).await.map_err(|e| store_refusal(&e))?;
    drop(guard);
    let mut spent: HashMap<KeyId, u64> = written.into_iter().collect();
    for row in unwritten.into_iter().filter(|row| row.day.0 >= first.0) {
        if let Some(key) = row.key {
            *spent.entry(key).or_default() += row.input + row.output;
        }
    }
    Ok(spent)
}

/// `DELETE /api/v1/keys/{id}`.
pub async fn revoke(call: Call, Path(id): Path<String>) -> Answer {
    let id: KeyId = id.parse().map_err(|_| ReasonCode::NotFound)?;
    if revoke_own(&call, id).await? { no_content() } else { Err(ReasonCode::NotFound.into()) }
}

/// Revokes a key of the account that asks: here first, then in the store. A revocation that was cut off half-way is done when it is
/// asked for again, and never leaves a key that works here and is gone from the list.
pub async fn revoke_own(call: &Call, id: KeyId) -> Result<bool, Refusal> {
    let (account, gateway) = (call.account()?, std::sync::Arc::clone(&call.gateway));
    to_the_end(&call.gateway, async move {
        let found = gateway.store.find_key(id).await.map_err(|e| store_refusal(&e))?;
        if found.is_none_or(|key| key.account != account) {
            return Ok(false);
        }
        gateway.known_keys.revoke(id);
        gateway.store.revoke_key(account, id).await.map_err(|e| store_refusal(&e))
    })
    .await
}

#[derive(Deserialize)]
/// `?from&to`, days.
pub struct Span {
    from: Option<String>,
    to: Option<String>,
}

/// `GET /api/v1/usage?from&to`: days in UTC, the last 30 by default.
pub async fn usage(call: Call, Query(span): Query<Span>) -> Answer {
    let today = call.gateway.clock.date().day();
    let day = |name: &'static str, text: Option<&String>, default: Day| match text {
        None => Ok(default),
        Some(text) => parse_day(text).ok_or_else(|| Refusal::parameter(name, "this must be a day, YYYY-MM-DD")),
    };
    let to = day("to", span.to.as_ref(), today)?;
    let from = day("from", span.from.as_ref(), Day(to.0.saturating_sub(29)))?;
    let days = read_usage(&call, from, to).await?;
    let data: Vec<_> = days
        .iter()
        .map(|d| json!({ "day": day_text(d.day), "requests": d.requests, "input_tokens": d.input, "output_tokens": d.output }))
        .collect();
    let metering = &call.gateway.metering;
    metering.recall_key(&call.ctx, &call.gateway.store, &call.gateway.key_lookups).await?;
    let budget = call.ctx.key.as_ref().and_then(|key| {
        let (days, spent) = metering.spent_by_key(key.id);
        key.limits.budget_tokens.map(|limit| json!({ "tokens": limit, "spent": spent, "days": days }))
    });
    json(StatusCode::OK, &json!({ "data": data, "budget": budget }))
}

/// Usage by day, with what has not been written yet.
pub async fn read_usage(call: &Call, from: Day, to: Day) -> Result<Vec<UsageDay>, Refusal> {
    let account = call.account()?;
    let (unwritten, guard) = call.gateway.metering.unwritten(account).await;
    let written = call.gateway.store.read_usage(account, from, to).await.map_err(|e| store_refusal(&e))?;
    drop(guard);
    let mut days: BTreeMap<Day, UsageDay> = written.into_iter().map(|d| (d.day, d)).collect();
    for row in unwritten.into_iter().filter(|r| (from..=to).contains(&r.day)) {
        let day = days.entry(row.day).or_insert(UsageDay {
            day: row.day,
            requests: 0,
            input: 0,
            output: 0,
            cached: 0,
            reasoning: 0,
        });
        day.requests += row.requests;
        day.input += row.input;
        day.output += row.output;
        day.cached += row.cached;
        day.reasoning += row.reasoning;
    }
    Ok(days.into_values().collect())
}

/// RFC 3339, `Z` or an offset, or a plain day (its end).
fn parse_time(text: &str) -> Option<UnixSeconds> {
    let day = i64::from(parse_day(text)?.0) * 86_400;
    let Some(clock) = text.get(10..).filter(|c| !c.is_empty()) else {
        return Some(UnixSeconds(day + 86_400));
    };
    let clock = clock.strip_prefix(['T', 't', ' '])?;
    let number = |at: usize| clock.get(at..at + 2)?.parse::<i64>().ok();
    let (hour, minute, second) = (number(0)?, number(3)?, number(6)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = clock.get(8..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let sign = if zone.starts_with('+') { 1 } else { -1 };
            let (h, m) = zone.get(1..)?.split_once(':')?;
            let (hours, minutes) = (h.parse::<u8>().ok()?, m.parse::<u8>().ok()?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60)
        }
    };
    Some(UnixSeconds(day + hour * 3600 + minute * 60 + second - offset))
}
