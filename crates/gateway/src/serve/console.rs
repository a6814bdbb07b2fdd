//! The operators' side: figures, the journal, the first sign-in. The listener binds loopback only; an operator shows a second factor.

use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{AccountName, GateLevel, Provenance, ReasonCode, Role, Secret, Standing};
use rempart_identity::HashLane;
use rempart_store::{LinkPurpose, NewAccount, StoreError};
use rempart_web::{ConsoleView, EngineRow, FirstRunView, ServiceState};
use serde_json::json;

use crate::observe::Outcome;
use crate::refusal::Refusal;
use crate::serve::accounts::{check_new_password, hash_refusal};
use crate::serve::pages::{
    denied_answer, field_error, fields, page, see_other, sign_in_answer, take_place, try_sign_in, with_page, with_retry,
};
use crate::serve::public::{status_of, text};
use crate::serve::sessions::{Denied, Opening, Proof, add_cookies, open_session};
use crate::serve::{Answer, Call, json, rfc3339, store_refusal};
use crate::upkeep::set_gauges;

/// Records that the page's figures are read from.
const MINUTE_MS: u64 = 60_000;

/// `GET /metrics`.
pub async fn metrics(call: Call) -> Answer {
    set_gauges(&call.gateway);
    text(call.gateway.metrics.render(), "text/plain; version=0.0.4; charset=utf-8")
}

struct Figures {
    served: u64,
    refused: u64,
    refusals: Vec<(ReasonCode, u64)>,
    first_token_ms: Vec<u64>,
}

fn figures(call: &Call) -> Figures {
    let gateway = &call.gateway;
    let since = gateway.clock.now().0.saturating_sub(MINUTE_MS);
    let records = gateway.journal.last(crate::observe::JOURNAL_KEPT);
    let mut figures = Figures { served: 0, refused: 0, refusals: Vec::new(), first_token_ms: Vec::new() };
    for record in records.iter().take_while(|r| r.ended.0 >= since) {
        match record.outcome {
            Outcome::Done | Outcome::Left => figures.served += 1,
            Outcome::Refused(reason) => {
                figures.refused += 1;
                match figures.refusals.iter_mut().find(|(r, _)| *r == reason) {
                    Some((_, count)) => *count += 1,
                    None => figures.refusals.push((reason, 1)),
                }
            }
        }
        if record.first_token_ms > 0 {
            figures.first_token_ms.push(u64::from(record.first_token_ms));
        }
    }
    figures.first_token_ms.sort_unstable();
    figures
}

fn quantile(sorted: &[u64], percent: usize) -> Option<u64> {
    sorted.get((sorted.len().saturating_sub(1)) * percent / 100).copied()
}

/// `GET /` of the console.
pub async fn home(call: Call) -> Answer {
    let gateway = &call.gateway;
    let figures = figures(&call);
    let lanes = gateway.lanes();
    let snapshots: Vec<_> = lanes.iter().map(|l| l.snapshot()).collect();
    let sum = |f: fn(&rempart_admission::GroupState) -> u32| {
        snapshots.iter().flat_map(|s| s.groups.iter()).map(|g| u64::from(f(g))).sum::<u64>()
    };
    let engines = lanes
        .iter()
        .zip(&snapshots)
        .map(|(lane, snapshot)| EngineRow {
            name: lane.engine.name(),
            state: match lane.engine.status() {
                rempart_engine::EngineStatus::Ready => ServiceState::Works,
                rempart_engine::EngineStatus::Loading => ServiceState::Starting,
                rempart_engine::EngineStatus::Down => ServiceState::Down,
            },
            running: lane.engine.load().map(|l| u64::from(l.running)),
            sequences: u64::from(snapshot.capacity.sequences),
            kv_tokens_used: lane.engine.load().map(|l| u64::from(l.kv_tokens_used)),
            kv_tokens: snapshot.capacity.kv_tokens,
        })
        .collect();
    let view = ConsoleView {
        version: gateway.config.version,
        uptime_s: gateway.uptime().as_secs(),
        posture: gateway.posture.level(),
        gate: gateway.gate.level(),
        storage: status_of(gateway).storage,
        served_per_min: figures.served,
        refused_per_min: figures.refused,
        ttft_p50_ms: quantile(&figures.first_token_ms, 50),
        ttft_p99_ms: quantile(&figures.first_token_ms, 99),
        in_flight: sum(|g| g.in_flight),
        in_flight_max: snapshots.iter().map(|s| u64::from(s.capacity.sequences)).sum(),
        queued: sum(|g| g.queued),
        engines,
        refusals: figures.refusals,
        ..ConsoleView::default()
    };
    with_page(&call, None, |ctx| page(StatusCode::OK, rempart_web::console_home_page(ctx, &view)))
}

/// `GET /api/status` of the console.
pub async fn status(call: Call) -> Answer {
    let gateway = &call.gateway;
    let figures = figures(&call);
    let engines: Vec<_> = gateway
        .lanes()
        .iter()
        .map(|lane| {
            let s = lane.snapshot();
            json!({
                "name": lane.engine.name(), "status": lane.engine.status().as_str(),
                "sequences": s.capacity.sequences, "kv_tokens": s.capacity.kv_tokens,
                "queued": s.groups.iter().map(|g| g.queued).sum::<u32>(),
                "in_flight": s.groups.iter().map(|g| g.in_flight).sum::<u32>(),
            })
        })
        .collect();
    let level: GateLevel = gateway.gate.level();
    json(
        StatusCode::OK,
        &json!({
            "version": gateway.config.version, "uptime_s": gateway.uptime().as_secs(), "posture": gateway.posture.level().as_str(),
            "gate": level.as_str(), "connections": gateway.connections.open(), "engines": engines,
            "requests_last_minute": figures.served, "refused_last_minute": figures.refused,
            "observations_lost": gateway.observer.lost(),
        }),
    )
}

/// `GET /api/journal`: the last records, newest first. Content-free; sources under a key of this start.
pub async fn journal(call: Call) -> Answer {
    let records = call.gateway.journal.last(200);
    let data: Vec<_> = records
        .iter()
        .map(|r| {
            let (outcome, reason) = match r.outcome {
                Outcome::Done => ("done", None),
                Outcome::Left => ("left", None),
                Outcome::Refused(reason) => ("refused", Some(reason.as_str())),
            };
            json!({
                "request_id": r.request_id.to_string(), "band": r.band.as_str(), "outcome": outcome, "reason": reason,
                "account": r.account.map(|a| a.to_string()), "source": format!("{:016x}", r.source_tag),
                "wait_ms": r.wait_ms, "first_token_ms": r.first_token_ms, "total_ms": r.total_ms,
                "input_tokens": r.input_tokens, "output_tokens": r.output_tokens, "bytes_out": r.bytes_out,
            })
        })
        .collect();
    let events = call.gateway.journal.events(100);
    let events: Vec<_> = events.iter().map(|e| json!({ "at": rfc3339(e.at), "what": e.what })).collect();
    let at = rfc3339(call.gateway.clock.seconds());
    json(StatusCode::OK, &json!({ "data": data, "events": events, "next": null, "at": at }))
}

fn query_link(call: &Call) -> Option<String> {
    let query = call.head.uri.query()?;
    query.split('&').find_map(|p| p.strip_prefix("link=")).filter(|l| l.len() <= 128).map(str::to_owned)
}

/// `GET /first-run?link=…`: the form; the link is used only when the form is sent.
pub async fn first_run(call: Call) -> Answer {
    let link = query_link(&call);
    let view = FirstRunView { link: link.as_deref(), name: "", error: None };
    with_page(&call, None, |ctx| page(StatusCode::OK, rempart_web::first_run_page(ctx, &view)))
}

/// `POST /first-run`: makes the operator's account, signs it in.
pub async fn first_run_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    let (link, name) = (form.get("link"), form.get("name"));
    let password = Secret::new(form.get("password").to_owned());
    match make_operator(&call, link, name, password).await {
        Ok(opening) => {
            let signed_in = open_session(&call, &opening).await?;
            // The next time a second factor is asked for: it is set first of all.
            let mut response = see_other("/security")?;
            add_cookies(response.headers_mut(), &signed_in.cookies);
            Ok(response)
        }
        Err(refusal) => {
            call.ctx.observation.refused(refusal.reason);
            let is_void = refusal.reason == ReasonCode::NotFound;
            let view = FirstRunView {
                link: (!is_void).then_some(link),
                name,
                error: (!is_void).then(|| field_error(&refusal)),
            };
            let status = crate::refusal::status(refusal.reason);
            with_retry(with_page(&call, None, |ctx| page(status, rempart_web::first_run_page(ctx, &view))), &refusal)
        }
    }
}

async fn make_operator(call: &Call, link: &str, name: &str, password: Secret<String>) -> Result<Opening, Refusal> {
    let gateway = &call.gateway;
    let name = AccountName::parse(name).map_err(|e| Refusal::parameter("name", e.to_string()))?;
    check_new_password("password", password.expose(), name.as_str())?;
    let taken = gateway.store.find_account_by_name(&name).await.map_err(|e| store_refusal(&e))?;
    if taken.is_some() {
        return Err(ReasonCode::NameTaken.into());
    }
    let hash = rempart_identity::random::token_hash(link);
    let found = gateway
        .store
        .take_link(hash, LinkPurpose::Operator, gateway.clock.seconds())
        .await
        .map_err(|e| store_refusal(&e))?;
    let Some(taken) = found else {
        return Err(ReasonCode::NotFound.into());
    };
    let password_hash = match gateway.hash_pool.hash(HashLane::Known, password).await {
        Ok(password_hash) => password_hash,
        Err(error) => {
            // Nothing was made with it: the link is good for another try.
            let put_back = gateway.store.create_link(hash, None, LinkPurpose::Operator, taken.expires).await;
            put_back.map_err(|e| store_refusal(&e))?;
            return Err(hash_refusal(error));
        }
    };
    let id = rempart_identity::random::account_id().map_err(|_| ReasonCode::Internal)?;
    let created = gateway.clock.date();
    let account = NewAccount {
        id,
        name: name.clone(),
        standing: Standing::Trusted,
        role: Role::Operator,
        created,
        email: None,
        password_hash: Some(password_hash),
        locale: None,
        provenance: Provenance::default(),
    };
    gateway.store.create_account(account).await.map_err(|e| match e {
        StoreError::NameTaken => ReasonCode::NameTaken.into(),
        other => store_refusal(&other),
    })?;
    Ok(Opening {
        account: id,
        name,
        standing: Standing::Trusted,
        role: Role::Operator,
        created_day: created.day(),
        epoch: 0,
        proof: Proof::OperatorLink,
        has_second_factor: false,
        provenance: Provenance::default(),
    })
}

/// `GET /sign-in` of the console; `?link=…` is a one-time address of `rempart account link`.
pub async fn sign_in(call: Call) -> Answer {
    sign_in_answer(&call, "/")
}

/// `POST /sign-in` of the console: operators only. Who has no second factor yet sets one first, and sees nothing else before.
pub async fn sign_in_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    if !form.get("wait").is_empty() {
        return take_place(&call, &form, "/");
    }
    match try_sign_in(&call, &form).await {
        Ok(signed_in) if signed_in.role == Role::Operator => {
            let mut response = see_other(if signed_in.is_strong { "/" } else { "/security" })?;
            add_cookies(response.headers_mut(), &signed_in.cookies);
            Ok(response)
        }
        Ok(_) => denied_answer(&call, &form, &Denied::from(ReasonCode::NotAllowed), "/"),
        Err(denied) => denied_answer(&call, &form, &denied, "/"),
    }
}
