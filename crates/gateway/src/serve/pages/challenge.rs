//! What a form carries besides its fields when work is asked for: a challenge, or a place in the line.
//!
//! What must stay true: looking at a form counts nothing and asks nobody; a form says beforehand what its network is asked for anyway, and
//! what is asked for an account only after somebody tried it.

use http::StatusCode;
use rempart_domain::Millis;
use rempart_identity::gate::{EFFORTS, Purpose};
use rempart_web::{ChallengePurpose, ChallengeView, PageCtx, WaitView, WaitingView};

use super::{Fields, is_console, page, with_page};
use crate::serve::gate::effort_of;
use crate::serve::registration::look_after;
use crate::serve::{Answer, Call};

/// A challenge for a form.
pub(crate) fn challenge_view(call: &Call, purpose: ChallengePurpose) -> ChallengeView<'static> {
    let (url, of) = match purpose {
        ChallengePurpose::Registration => ("/api/v1/challenge?for=registration", Purpose::Registration),
        ChallengePurpose::SignIn | ChallengePurpose::Mail => ("/api/v1/challenge?for=sign-in", Purpose::SignIn),
    };
    let tries_max = EFFORTS.get(usize::from(effort_of(call, of))).copied().unwrap_or_default();
    ChallengeView { url, tries_max, purpose }
}

/// The challenge that the form of sign-in carries: for a browser that is not known, when its network is asked for work anyway, or was for
/// this account.
pub(super) fn for_sign_in(call: &Call, was_asked: bool) -> Option<ChallengeView<'static>> {
    let gateway = &call.gateway;
    let is_asked = was_asked
        || (crate::identify::device(gateway, &call.head).is_none()
            && gateway.sign_in_guard.asks_work(gateway.clock.now(), call.ctx.source.network()));
    is_asked.then(|| challenge_view(call, ChallengePurpose::SignIn))
}

/// The same for the form that asks for a mailed link.
pub(super) fn for_mail(call: &Call, was_asked: bool) -> Option<ChallengeView<'static>> {
    let gateway = &call.gateway;
    let is_asked =
        was_asked || gateway.sign_in_guard.asks_work_for_mail(gateway.clock.now(), call.ctx.source.network());
    is_asked.then(|| challenge_view(call, ChallengePurpose::Mail))
}

/// True for a form whose sender cannot solve what it carries and takes a place in the line.
pub(super) fn asks_for_place(form: &Fields) -> bool {
    !form.get("wait").is_empty()
}

/// A place that its holder came back with.
#[derive(Clone, Copy)]
pub(crate) struct Held<'a> {
    /// The address that keeps it.
    pub(crate) link: &'a str,
    pub(crate) ticket: &'a str,
    /// Whom it was taken for; empty where the link must not say it.
    pub(crate) name: &'a str,
    pub(crate) position: u64,
    pub(crate) eta: Millis,
    /// False while nobody is let in.
    pub(crate) is_moving: bool,
}

/// The page of somebody who waits.
pub(crate) fn waiting_answer(call: &Call, purpose: ChallengePurpose, held: Held<'_>) -> Answer {
    let Held { link, ticket, name, position, eta, is_moving } = held;
    let wait = WaitView {
        position,
        eta_s: is_moving.then(|| eta.0.div_ceil(1000)),
        look_after_s: look_after(eta).0.div_ceil(1000),
    };
    let view = WaitingView { purpose, link, ticket, name, wait: Some(wait), mailed: None };
    let html = |ctx: &PageCtx<'_>| page(StatusCode::ACCEPTED, rempart_web::waiting_page(ctx, is_console(call), &view));
    with_page(call, None, html)
}

/// For an address: what a name or a ticket is made of, nothing else.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect()
}
