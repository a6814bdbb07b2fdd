//! Housekeeping beside the path: ticks of the queues, usage to the store, parked answers, clocks. None of it is waited for by a request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rempart_domain::{Sensitive, Standing};
use rempart_identity::gate::Purpose;
use rempart_store::Progress;

use crate::Gateway;

const TICK: Duration = Duration::from_millis(50);
const SECOND: Duration = Duration::from_secs(1);
const FLUSH: Duration = Duration::from_secs(5);

/// Starts the tasks.
pub(crate) fn start(gateway: &Arc<Gateway>) {
    gateway.tasks.spawn(
        "tick lanes",
        every(Arc::clone(gateway), TICK, |gateway| {
            let posture = gateway.posture.level();
            for lane in gateway.lanes() {
                lane.tick(posture);
            }
            for lane in gateway.work.all() {
                lane.tick();
            }
        }),
    );
    let seen = Mutex::new(crate::pressure::Seen::default());
    gateway.tasks.spawn(
        "second",
        every(Arc::clone(gateway), SECOND, move |gateway| {
            gateway.tick_posture(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
            gateway.clock.slew();
            gateway.revocations.tick(gateway.clock.seconds());
            gateway.sign_in_guard.tick(gateway.clock.now());
            gateway.generations.forget_old(rempart_domain::Millis(gateway.limits.generation_parked_ms));
        }),
    );
    gateway.tasks.spawn("gate", crate::gate::run(Arc::clone(gateway)));
    gateway.tasks.spawn("waiting lines", crate::gate::keep_lines(Arc::clone(gateway)));
    let checkpointing = Arc::clone(gateway);
    gateway.tasks.spawn("checkpoint", async move {
        let stop = checkpointing.tasks.stopping();
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(checkpointing.limits.checkpoint_ms)) => {}
                () = stop.cancelled() => return,
            }
            checkpoint(&checkpointing).await;
        }
    });
    let flushing = Arc::clone(gateway);
    gateway.tasks.spawn("flush", async move {
        let stop = flushing.tasks.stopping();
        loop {
            tokio::select! {
                () = tokio::time::sleep(FLUSH) => {}
                () = stop.cancelled() => return,
            }
            flushing.store.probe().await;
            flushing.count_good_days().await;
            flushing.flush_usage().await;
            if let Err(error) = flushing.posture.save(&flushing.store).await {
                tracing::debug!(error = %error, "the posture is not stored yet");
            }
            set_gauges(&flushing);
            // Histograms gather samples until they are folded; nobody may ever read the page.
            let _ = flushing.metrics.render();
        }
    });
}

/// Writes how far each answer came that is on its way: what a crash loses of it is the last few seconds. One after the other, so that they
/// never crowd the store's queue.
async fn checkpoint(gateway: &Gateway) {
    for generation in gateway.generations.kept_and_running() {
        let Some(place) = generation.place() else { continue };
        let Some((text, reasoning)) = generation.take_checkpoint() else { continue };
        let reasoning = (!reasoning.is_empty()).then(|| Sensitive::new(reasoning));
        let progress = Progress { text: Sensitive::new(text), reasoning };
        if let Err(error) = gateway.store.checkpoint_message(generation.owner, place.message, progress).await {
            tracing::debug!(error = %error, "an answer on its way was not copied");
        }
    }
}

async fn every(gateway: Arc<Gateway>, period: Duration, work: impl Fn(&Gateway) + Send + 'static) {
    let stop = gateway.tasks.stopping();
    let mut timer = tokio::time::interval(period);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = timer.tick() => work(&gateway),
            () = stop.cancelled() => return,
        }
    }
}

/// Gauges are read from where the numbers live, when somebody asks or every few seconds.
pub(crate) fn set_gauges(gateway: &Gateway) {
    let metrics = &gateway.metrics;
    for lane in gateway.lanes() {
        let state = lane.snapshot();
        let engine = lane.engine.name().to_owned();
        let mut held = 0_u64;
        for (group, band) in state.groups.iter().zip([Standing::Member, Standing::Newcomer, Standing::Visitor]) {
            let labels = [("resource", engine.clone()), ("band", band.as_str().to_owned())];
            metrics.set_gauge("rempart_queue_len", &labels, f64::from(group.queued));
            metrics.set_gauge("rempart_in_flight", &labels, f64::from(group.in_flight));
            held += group.kv_tokens;
        }
        // Of the members': what is many times as much as members usually ask.
        let heavy = [("resource", format!("{engine}-heavy")), ("band", Standing::Member.as_str().to_owned())];
        metrics.set_gauge("rempart_queue_len", &heavy, f64::from(state.heavy.queued));
        metrics.set_gauge("rempart_in_flight", &heavy, f64::from(state.heavy.in_flight));
        let kv = |word: &str, value: u64| {
            let labels = [("engine", engine.clone()), ("state", word.to_owned())];
            #[allow(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
            metrics.set_gauge("rempart_engine_kv_tokens", &labels, value as f64);
        };
        kv("reserved", held);
        kv("capacity", state.capacity.kv_tokens);
        if let Some(load) = lane.engine.load() {
            kv("used", u64::from(load.kv_tokens_used));
        }
    }
    set_mail_gauges(gateway);
    set_sign_in_gauges(gateway);
    for lane in gateway.work.all() {
        for (group, band) in
            lane.snapshot().groups.iter().zip([Standing::Member, Standing::Newcomer, Standing::Visitor])
        {
            let labels = [("resource", lane.name.to_owned()), ("band", band.as_str().to_owned())];
            metrics.set_gauge("rempart_queue_len", &labels, f64::from(group.queued));
            metrics.set_gauge("rempart_in_flight", &labels, f64::from(group.in_flight));
        }
    }
    let hashing = gateway.hash_pool.load();
    for (band, queued) in [(Standing::Member, hashing.queued_known), (Standing::Visitor, hashing.queued_unknown)] {
        let labels = [("resource", "hashing".to_owned()), ("band", band.as_str().to_owned())];
        #[allow(clippy::cast_precision_loss, reason = "a queue's length")]
        metrics.set_gauge("rempart_queue_len", &labels, queued as f64);
    }
    for purpose in [Purpose::Registration, Purpose::SignIn] {
        let labels =
            [("resource", format!("{}-line", purpose.as_str())), ("band", Standing::Visitor.as_str().to_owned())];
        #[allow(clippy::cast_precision_loss, reason = "a queue's length")]
        metrics.set_gauge("rempart_queue_len", &labels, gateway.gate.line(purpose).len() as f64);
    }
    metrics.set_gauge("rempart_gate_level", &[], gateway.gate.level() as u8 as f64);
    metrics.set_gauge("rempart_posture", &[], f64::from(gateway.posture.level() as u8));
    #[allow(clippy::cast_precision_loss, reason = "a number of accounts")]
    metrics.set_gauge("rempart_demoted_accounts", &[], gateway.revocations.demoted_len() as f64);
    #[allow(clippy::cast_precision_loss, reason = "a number of connections")]
    metrics.set_gauge("rempart_refusals_held", &[], gateway.pacer.held() as f64);
    #[allow(clippy::cast_precision_loss, reason = "a number of connections")]
    metrics.set_gauge("rempart_connections_ended", &[], gateway.connections.ended() as f64);
    #[allow(clippy::cast_precision_loss, reason = "a number of connections")]
    metrics.set_gauge("rempart_connections_open", &[], gateway.connections.open() as f64);
}

fn set_mail_gauges(gateway: &Gateway) {
    let counts = gateway.mailer.counts();
    let rows = [
        ("queued_account", counts.queued_account),
        ("queued_registration", counts.queued_registration),
        ("sent", counts.sent),
        ("retried", counts.retried),
        ("refused", counts.refused),
        ("expired", counts.expired),
        ("held_back", counts.held_back),
    ];
    for (state, count) in rows {
        #[allow(clippy::cast_precision_loss, reason = "a number of mails")]
        gateway.metrics.set_gauge("rempart_mail", &[("state", state.to_owned())], count as f64);
    }
}

fn set_sign_in_gauges(gateway: &Gateway) {
    let (spray, pool) = (gateway.sign_in_guard.spraying(), gateway.hash_pool.load());
    let to_u64 = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let rows = [
        ("spraying", u64::from(spray.is_open)),
        ("attempts_per_s", u64::from(spray.attempts_per_s)),
        ("accounts_per_minute", u64::from(spray.accounts)),
        ("attempts", spray.attempts_total),
        ("incidents", spray.incidents_total),
        ("hashed", pool.hashed_total),
        ("hash_refused", pool.refused_total),
        ("hash_running", to_u64(pool.running)),
        ("hash_queued_known", to_u64(pool.queued_known)),
        ("hash_queued_unknown", to_u64(pool.queued_unknown)),
    ];
    for (state, count) in rows {
        #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        gateway.metrics.set_gauge("rempart_sign_in", &[("state", state.to_owned())], count as f64);
    }
}
