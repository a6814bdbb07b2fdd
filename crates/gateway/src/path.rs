//! THE PATH. Every step that a request goes through, in order, on this screen. Read this file first.
//!
//! Order is code: a credential is looked at before any rule on addresses; a refusal is written before axum's router is asked, so that
//! it costs microseconds; health is answered before everything, and takes no permit.

use std::sync::Arc;
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use rempart_domain::{Principal, ReasonCode};

use crate::authorise::{authorise, check_origin};
use crate::body::Body;
use crate::ctx::{ConnFacts, Ctx, Side, Source};
use crate::identify::{self, Identified};
use crate::listen::Serving;
use crate::observe::{Observation, Watch};
use crate::refusal::Refusal;
use crate::routes;
use crate::{Gateway, cors, discard, health, pace, respond, serve};

/// Serves one request: listen → identify → admit → serve → meter, observed at the end of its body.
pub async fn run(
    gateway: Arc<Gateway>,
    conn: Arc<ConnFacts>,
    serving: Serving,
    request: Request<Incoming>,
) -> Response<Body> {
    // 1. What is known before anything is asked: time, id, address, route.
    let arrived = Instant::now();
    let (parts, incoming) = request.into_parts();
    let request_id = gateway.next_request_id();
    let source = source_of(&conn, &parts);
    let found = routes::find(conn.side, &parts.method, parts.uri.path());
    let route = found.unwrap_or_else(|| routes::missing(parts.uri.path()));

    // 2. Health: no permit, no identity, no record.
    if let Some(response) = health::answer(&gateway, route, request_id) {
        return response;
    }

    // 3. A browser of another origin asks what it may: answered by list, without identifying anybody.
    if let Some(response) = cors::preflight(&gateway, &parts, request_id) {
        return response;
    }
    let origin = cors::allowed_origin(&gateway, &parts);

    // 4. Who asks? Before where they come from. No I/O for a known caller.
    let identified = identify::identify(&gateway, &parts).await;
    let (principal, key, identity_refusal) = match identified {
        Ok(Identified { principal, key }) => (principal, key, None),
        Err(refusal) => (Principal::VISITOR, None, Some(refusal)),
    };

    // 5. Standing, through the one function: frozen snapshot, then demotions, then what session or key carries.
    let band = gateway.revocations.band(&principal);
    if band.is_member() && gateway.connections.note_member(&conn.manners, conn.source, gateway.clock.now()) {
        // Its connection leaves the strangers' threads before anything is done for it.
        tokio::task::yield_now().await;
    }
    let observation = Arc::new(Observation::default());
    let is_http1 = parts.version <= http::Version::HTTP_11;
    let ctx = Ctx { request_id, conn, source, arrived, route, principal, band, key, is_http1, observation };
    let watch = Watch::new(Arc::clone(&gateway.observer), &ctx, gateway.clock.now());

    // 6. May they? One function before every protocol, then where the call came from, then whether we are stopping.
    let checked = match identity_refusal {
        Some(refusal) if route.access != routes::Access::Open => Err(refusal),
        _ => check(&gateway, &ctx, &parts, found.is_some()),
    };
    if let Err(refusal) = checked {
        discard::take(&gateway, &parts, incoming, ctx.principal.is_known());
        let response = respond::refuse(&gateway, &ctx, &parts, refusal);
        let response = pace(&gateway, &ctx, response).await;
        return finish(&gateway, response, &ctx, watch, serving, origin);
    }

    // 7. Serve: admission to the scarce resource, work, metering. Axum's router is asked here and nowhere else.
    let ctx = Arc::new(ctx);
    let response = serve::call(&gateway, Arc::clone(&ctx), parts, incoming).await;

    // 8. A refusal to a stranger who keeps asking comes ever later; a member's at once.
    let response = pace(&gateway, &ctx, response).await;

    // 9. Observe: one content-free record at the end of the body, however it ends.
    finish(&gateway, response, &ctx, watch, serving, origin)
}

/// Step 8: see [`crate::pace`].
async fn pace(gateway: &Gateway, ctx: &Ctx, mut response: Response<Body>) -> Response<Body> {
    let manners = &ctx.conn.manners;
    // A proxy's connection carries many people: nobody is made to wait behind a refusal of another.
    if ctx.band.is_member() || ctx.conn.side != Side::Public || ctx.conn.is_trusted_proxy {
        return response;
    }
    let Some(reason) = ctx.observation.reason() else {
        manners.note_served();
        return response;
    };
    if !pace::is_paced(reason) {
        return response;
    }
    let in_a_row = manners.note_refused();
    let of_source = gateway.pacer.count(ctx.source, gateway.clock.now());
    let delay = gateway.pacer.delay(in_a_row, of_source);
    let mut held = pace::Held::ToTheEnd;
    if !delay.is_zero() {
        tokio::select! {
            ended = gateway.pacer.hold(in_a_row.max(of_source), delay) => held = ended,
            () = gateway.draining.cancelled() => {}
        }
    }
    if held == pace::Held::Dropped || gateway.has_too_many_strangers() {
        manners.close.notify_one();
        if ctx.is_http1 {
            response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
        }
    }
    response
}

/// Step 6: the checks that need no body.
fn check(gateway: &Gateway, ctx: &Ctx, parts: &http::request::Parts, is_route: bool) -> Result<(), Refusal> {
    if !is_route {
        return Err(ReasonCode::NotFound.into());
    }
    if ctx.conn.side == Side::Console && !is_console_host(parts) {
        return Err(Refusal::new(ReasonCode::NotAllowed, "the console answers to its address and to localhost only"));
    }
    authorise(ctx.route, &ctx.principal, ctx.band)?;
    let expected = gateway.origin_of(ctx.conn.side, parts);
    check_origin(ctx.route, &parts.method, &parts.headers, &ctx.principal, &expected)?;
    if gateway.draining.is_cancelled() {
        return Err(ReasonCode::Draining.into());
    }
    Ok(())
}

/// A page of another site can have its own name lead to this machine (DNS rebinding), but not make its name an address or `localhost`.
fn is_console_host(parts: &http::request::Parts) -> bool {
    let said = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let authority = said.and_then(|host| host.parse::<http::uri::Authority>().ok()).or(parts.uri.authority().cloned());
    authority.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok()
    })
}

fn finish(
    gateway: &Gateway,
    mut response: Response<Body>,
    ctx: &Ctx,
    watch: Watch,
    serving: Serving,
    origin: Option<http::HeaderValue>,
) -> Response<Body> {
    respond::set_common_headers(gateway, &mut response, ctx);
    if let Some(origin) = origin {
        cors::set_headers(&mut response, origin);
    }
    response.map(|body| body.watched(watch, serving))
}

/// The caller's source: the peer, or what a trusted proxy says.
fn source_of(conn: &ConnFacts, parts: &http::request::Parts) -> Source {
    if !conn.is_trusted_proxy {
        return conn.source;
    }
    identify::forwarded_for(parts).map_or(conn.source, |address| Source::of(*address.expose()))
}
