//! Invitations: members make them within a budget, operators without; each is good once, and who invited whom is kept.

use axum::extract::Path;
use bytes::Bytes;
use http::StatusCode;
use rempart_domain::{ReasonCode, Role, UnixSeconds};
use rempart_identity::gate::{InviteFields, seal_invite};
use rempart_store::{Invite, NewInvite};
use rempart_web::{InviteRow, InvitesView};
use serde_json::json;

use crate::refusal::Refusal;
use crate::serve::pages::{check_form, fields, page, with_page};
use crate::serve::{Answer, Call, json, no_content, rfc3339, store_refusal};

/// The time that a member's budget is for, in seconds.
const BUDGET_S: i64 = 30 * 86_400;

/// An invitation that was just made: its address is shown this once.
#[derive(Debug)]
pub struct MadeInvite {
    /// Its number.
    pub id: u64,
    /// Where the invited person goes.
    pub url: String,
    /// Until when.
    pub expires: UnixSeconds,
}

/// How an invitation's number is written.
pub fn invite_id(id: u64) -> String {
    format!("i_{id:016x}")
}

fn parse_id(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("i_").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

/// Makes an invitation for whoever asks: members, as long as their budget lasts.
pub async fn make_invite(call: &Call) -> Result<MadeInvite, Refusal> {
    let gateway = &call.gateway;
    let account = call.account()?;
    if !call.ctx.band.is_member() {
        return Err(Refusal::new(
            ReasonCode::NotAllowed,
            "members invite: newcomers become members with time and good use",
        ));
    }
    let is_operators = call.ctx.principal.role == Role::Operator;
    let id = rempart_identity::random::session_id().map_err(|_| ReasonCode::Internal)?.bits();
    let now = gateway.clock.seconds();
    let lasts = i64::try_from(gateway.limits.invite_lasts_s).unwrap_or(i64::MAX);
    let expires = UnixSeconds(now.0.saturating_add(lasts));
    let most = u32::try_from(gateway.limits.invites_per_member).unwrap_or(u32::MAX);
    let budget = (!is_operators).then_some((most, UnixSeconds(now.0 - BUDGET_S)));
    let new = NewInvite { id, inviter: Some(account), created: now, expires, budget };
    if !gateway.store.create_invite(new).await.map_err(|e| store_refusal(&e))? {
        return Err(Refusal::new(ReasonCode::NotAllowed, "the invitations of these 30 days are made"));
    }
    let fields = InviteFields { id, inviter: Some(account), is_operators, expires };
    let url = format!("{}/register?invite={}", gateway.config.public_url, seal_invite(&gateway.keyring, &fields, now));
    Ok(MadeInvite { id, url, expires })
}

/// The invitations of whoever asks, and how many more they may make now; `None` for who may make none.
pub async fn list_own(call: &Call) -> Result<Option<(Vec<Invite>, u64)>, Refusal> {
    if !call.ctx.band.is_member() {
        return Ok(None);
    }
    let gateway = &call.gateway;
    let invites = gateway.store.list_invites(call.account()?).await.map_err(|e| store_refusal(&e))?;
    let since = gateway.clock.seconds().0 - BUDGET_S;
    let made = invites.iter().filter(|invite| invite.created.0 > since).count() as u64;
    let left = match call.ctx.principal.role {
        Role::Operator => u64::from(u16::MAX),
        Role::None => gateway.limits.invites_per_member.saturating_sub(made),
    };
    Ok(Some((invites, left)))
}

/// Takes one back that nobody used.
pub async fn revoke_own(call: &Call, id: &str) -> Result<(), Refusal> {
    let id = parse_id(id).ok_or(ReasonCode::NotFound)?;
    let is_done = call.gateway.store.revoke_invite(call.account()?, id).await.map_err(|e| store_refusal(&e))?;
    if is_done { Ok(()) } else { Err(ReasonCode::NotFound.into()) }
}

/// `POST /api/v1/invites`.
pub async fn create(call: Call, _body: Bytes) -> Answer {
    let made = make_invite(&call).await?;
    let value = json!({ "id": invite_id(made.id), "url": made.url, "expires": rfc3339(made.expires) });
    json(StatusCode::CREATED, &value)
}

/// `GET /api/v1/invites`.
pub async fn list(call: Call) -> Answer {
    let (invites, left) = list_own(&call).await?.unwrap_or_default();
    let data: Vec<_> = invites
        .iter()
        .map(|invite| {
            json!({
                "id": invite_id(invite.id), "created": rfc3339(invite.created), "expires": rfc3339(invite.expires),
                "used": invite.is_used, "used_by": invite.used_by,
            })
        })
        .collect();
    json(StatusCode::OK, &json!({ "data": data, "next": null, "left": left }))
}

/// `DELETE /api/v1/invites/{id}`.
pub async fn revoke(call: Call, Path(id): Path<String>) -> Answer {
    revoke_own(&call, &id).await?;
    no_content()
}

/// `GET /account/invites`.
pub async fn page_show(call: Call) -> Answer {
    page_answer(&call, None, false).await
}

/// `POST /account/invites`: the field `action` says what.
pub async fn page_form(call: Call, body: Bytes) -> Answer {
    let form = fields(&body)?;
    check_form(&call, &form)?;
    match form.get("action") {
        "create" => {
            let made = make_invite(&call).await?;
            page_answer(&call, Some(&made.url), false).await
        }
        "revoke" => {
            revoke_own(&call, form.get("id")).await?;
            page_answer(&call, None, true).await
        }
        _ => Err(Refusal::parameter("action", "this is create or revoke")),
    }
}

async fn page_answer(call: &Call, new: Option<&str>, is_revoked: bool) -> Answer {
    let own = list_own(call).await?;
    let left = own.as_ref().map(|(_, left)| *left);
    let invites = own.map(|(invites, _)| invites).unwrap_or_default();
    let ids: Vec<String> = invites.iter().map(|invite| invite_id(invite.id)).collect();
    let now = call.gateway.clock.seconds();
    let rows = invites.iter().zip(&ids).map(|(invite, id)| InviteRow {
        id,
        created: invite.created,
        expires: invite.expires,
        is_used: invite.is_used,
        used_by: invite.used_by.as_deref().unwrap_or_default(),
        is_over: invite.expires <= now,
    });
    let view = InvitesView { rows: rows.collect(), left, new, is_revoked };
    with_page(call, Some(""), |ctx| page(StatusCode::OK, rempart_web::invites_page(ctx, &view)))
}
