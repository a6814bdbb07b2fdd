//! Honest people who come to register: they do what they are told (solve, wait their turn), and ask one question when they are in.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use http::header::{COOKIE, RETRY_AFTER};
use tokio::task::{JoinSet, LocalSet};

use super::answer::Ending;
use super::ask::Asker;
use super::line::{Line, Told};
use super::solve;
use super::stage::Shared;
use super::writers::cookie_of;
use crate::plan::address_of;
use crate::report::ArrivalFates;
use crate::scenario::Arrivals;
use crate::tally::Group;

/// Whoever is told to come back does so after this time at the soonest.
const COMES_BACK_AFTER: Duration = Duration::from_secs(1);

/// What the thread hands back.
#[derive(Debug, Default)]
pub(super) struct ArrivalFigures {
    pub(super) fates: ArrivalFates,
    /// Names that were acknowledged with 201.
    pub(super) registered: Vec<String>,
}

struct Door {
    plan: Arrivals,
    asker: Asker,
    shared: Arc<Shared>,
    seed: u64,
    figures: RefCell<ArrivalFigures>,
}

/// Lets everybody come at their moment.
pub(super) fn run(
    plan: &Arrivals,
    moments: Vec<f64>,
    asker: Asker,
    shared: Arc<Shared>,
    seed: u64,
) -> std::io::Result<ArrivalFigures> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = RefCell::new(ArrivalFigures::default());
    let door = Rc::new(Door { plan: plan.clone(), asker, shared, seed, figures });
    LocalSet::new().block_on(&runtime, async {
        let mut people = JoinSet::new();
        for (number, at_s) in moments.into_iter().enumerate() {
            let due = door.shared.origin + Duration::from_secs_f64(at_s);
            tokio::time::sleep_until(due.into()).await;
            if door.shared.is_stopped.load(Ordering::Relaxed) {
                break;
            }
            people.spawn_local(Rc::clone(&door).come(number, due));
        }
        while people.join_next().await.is_some() {}
    });
    drop(runtime);
    Rc::into_inner(door)
        .map(|door| door.figures.into_inner())
        .ok_or_else(|| std::io::Error::other("somebody still waits"))
}

impl Door {
    async fn come(self: Rc<Self>, number: usize, due: Instant) {
        let patience = Duration::from_secs_f64(self.plan.patience_s);
        let name = format!("honest{}x{number}", self.seed % 100_000);
        let came = tokio::time::timeout_at((due + patience).into(), self.get_in(&name, number)).await;
        let Some(cookie) = self.note(name, due, came) else { return };
        let is_served = self.ask_once(number, &cookie).await;
        self.figures.borrow_mut().fates.served += u64::from(is_served);
    }

    fn note(
        &self,
        name: String,
        due: Instant,
        came: Result<Option<HeaderValue>, tokio::time::error::Elapsed>,
    ) -> Option<HeaderValue> {
        let mut figures = self.figures.borrow_mut();
        figures.fates.came += 1;
        match came {
            Ok(Some(cookie)) => {
                figures.registered.push(name);
                figures.fates.got_in += 1;
                figures.fates.waited_ms.push(u64::try_from(due.elapsed().as_millis()).unwrap_or(u64::MAX));
                return Some(cookie);
            }
            Ok(None) => figures.fates.turned_away += 1,
            Err(_) => figures.fates.gave_up += 1,
        }
        None
    }

    /// Does what it is told until it has a session; `None` if it is told to go away.
    async fn get_in(&self, name: &str, number: usize) -> Option<HeaderValue> {
        let mut body = serde_json::json!({ "name": name, "password": format!("{name} comes in peace") });
        loop {
            let request = self.asker.post("/api/v1/registrations", None, Bytes::from(body.to_string()));
            let told = self.once(number, request).await;
            let said: serde_json::Value = serde_json::from_slice(&told.body).unwrap_or_default();
            let fields = body.as_object_mut()?;
            match (told.status, &told.ending) {
                (201, _) => return cookie_of(&told.headers),
                (202, _) => {
                    if let Some(ticket) = said.get("ticket") {
                        fields.insert("ticket".to_owned(), ticket.clone());
                    }
                    tokio::time::sleep(retry_after(&told)).await;
                }
                (403, Ending::Refused(reason)) if reason == "challenge_required" => {
                    let asked = self.asker.get("/api/v1/challenge?for=registration", None);
                    let challenge = self.once(number, asked).await;
                    let solved = solve::solve(&challenge.body)?;
                    fields.insert("challenge".to_owned(), solved.into());
                }
                (429 | 503, _) => tokio::time::sleep(retry_after(&told)).await,
                // No connection: anybody tries again.
                (0, _) => tokio::time::sleep(COMES_BACK_AFTER).await,
                _ => return None,
            }
        }
    }

    async fn once(&self, number: usize, request: http::Request<http_body_util::Full<Bytes>>) -> Told {
        let number = u32::try_from(number).unwrap_or(0) % self.plan.addresses.max(1);
        // Beside the newcomers' addresses.
        let address = address_of(Group::Newcomers, 2_048 + number);
        let Ok(stream) = self.asker.target.connect(address, None, Duration::from_secs(20)).await else {
            return Told::broken();
        };
        let Some(mut line) = Line::begin(stream).await else { return Told::broken() };
        line.ask(request, false, "").await
    }

    async fn ask_once(&self, number: usize, cookie: &HeaderValue) -> bool {
        let body = self.asker.chat_body("I am new here. What is this place?", 10, false);
        let mut request = self.asker.chat(None, body);
        request.headers_mut().insert(COOKIE, cookie.clone());
        let asked = tokio::time::timeout(Duration::from_secs(30), self.once(number, request)).await;
        asked.is_ok_and(|told| told.ending == Ending::Done)
    }
}

/// What the answer says, bounded: nobody waits for days.
fn retry_after(told: &Told) -> Duration {
    let said = told.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    Duration::from_secs(said.unwrap_or(1)).clamp(COMES_BACK_AFTER, Duration::from_secs(60))
}
