//! The declared state of the system: one atomic snapshot that every step of the path reads, an operator's hand over it, and the freeze
//! of standing that hangs on it.
//!
//! An **incident** is open while the level in force is above `calm`. When it opens, the epoch rises and standing is frozen: what is
//! earned from then on does not count until the incident closes. The level in force is an operator's, if one was set and its time is
//! not over; else that of the pressure ([`rempart_defense::posture`]), which goes on being watched meanwhile.
//!
//! What must stay true: reading costs an atomic load; a change is in force at once and stored as soon as the store takes it, never the
//! other way round (a database that is down keeps nobody from closing the gates); what was in force survives a restart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rempart_defense::{Change, PostureMachine, PostureRules, Reading};
use rempart_domain::{Millis, Posture, UnixSeconds};
use rempart_identity::Revocations;
use rempart_store::{Store, StoreError};
use serde::{Deserialize, Serialize};

/// The setting it is stored under.
const SETTING: &str = "posture";

/// Who declared the level in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The pressure.
    Auto,
    /// An operator.
    Manual,
}

impl Source {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Manual => "manual",
        }
    }
}

/// The state at a moment. Cheap to copy; never changed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostureState {
    /// In force.
    pub level: Posture,
    /// By whom.
    pub source: Source,
    /// Until when an operator's level holds; `None`: until they say otherwise.
    pub until: Option<UnixSeconds>,
    /// Rises whenever an incident opens. What is bound to it (challenges, tickets) is void in the next.
    pub epoch: u32,
    /// When the incident opened that is open.
    pub opened: Option<UnixSeconds>,
    /// What the pressure alone says.
    pub auto: Posture,
}

impl PostureState {
    const CALM: Self =
        Self { level: Posture::Calm, source: Source::Auto, until: None, epoch: 0, opened: None, auto: Posture::Calm };

    /// True while an incident is open.
    pub const fn is_incident(&self) -> bool {
        self.opened.is_some()
    }
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    level: String,
    manual: bool,
    until: Option<i64>,
    epoch: u32,
    opened: Option<i64>,
    auto: String,
}

/// Holds the state and changes it. One for each platform.
pub struct PostureControl {
    state: ArcSwap<PostureState>,
    machine: Mutex<PostureMachine>,
    revocations: Arc<Revocations>,
    is_unsaved: AtomicBool,
}

impl std::fmt::Debug for PostureControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PostureControl").field(&**self.state.load()).finish()
    }
}

impl PostureControl {
    /// In `calm`, by pressure.
    pub fn new(revocations: Arc<Revocations>) -> Arc<Self> {
        Arc::new(Self {
            state: ArcSwap::from_pointee(PostureState::CALM),
            machine: Mutex::new(PostureMachine::new(PostureRules::default())),
            revocations,
            is_unsaved: AtomicBool::new(false),
        })
    }

    /// The state now.
    pub fn state(&self) -> PostureState {
        **self.state.load()
    }

    /// The level in force.
    pub fn level(&self) -> Posture {
        self.state.load().level
    }

    /// Takes over what was in force when the last process ended; called before anything is served.
    ///
    /// # Errors
    /// If the store cannot be read. What it holds and we cannot read counts as nothing.
    pub async fn load(&self, store: &Store, now: UnixSeconds) -> Result<(), StoreError> {
        let Some(text) = store.get_setting(SETTING).await? else { return Ok(()) };
        let Some(state) = read(&text) else {
            tracing::warn!("the stored posture cannot be read: calm");
            return Ok(());
        };
        *self.machine() = PostureMachine::resumed(PostureRules::default(), state.auto, Millis(0));
        let opened = state.opened;
        self.put(state, opened.unwrap_or(now), now);
        // What the time that passed has changed is stored again; else it is as it was.
        self.is_unsaved.store(self.state() != state, Ordering::Release);
        Ok(())
    }

    /// Stores what is in force, if that was not done.
    pub async fn save(&self, store: &Store) -> Result<(), StoreError> {
        if !self.is_unsaved.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let saved = store.set_setting(SETTING, &write(&self.state())).await;
        if saved.is_err() {
            self.is_unsaved.store(true, Ordering::Release);
        }
        saved
    }

    /// An operator declares a level, until a time or until they say otherwise.
    pub fn set(&self, level: Posture, until: Option<UnixSeconds>, now: UnixSeconds) -> PostureState {
        let next = PostureState { level, source: Source::Manual, until, ..self.state() };
        self.change(next, now, now)
    }

    /// An operator leaves it to the pressure again.
    pub fn set_auto(&self, now: UnixSeconds) -> PostureState {
        let state = self.state();
        self.change(PostureState { level: state.auto, source: Source::Auto, until: None, ..state }, now, now)
    }

    /// A second has passed: what the reading and the time change.
    pub fn tick(&self, now: Millis, wall: UnixSeconds, reading: &Reading) -> Option<Change> {
        let change = self.machine().tick(now, reading);
        let state = self.state();
        let is_over = state.source == Source::Manual && state.until.is_some_and(|until| until <= wall);
        let auto = change.as_ref().map_or(state.auto, |change| change.to);
        let next = if state.source == Source::Auto || is_over {
            PostureState { level: auto, source: Source::Auto, until: None, auto, ..state }
        } else {
            PostureState { auto, ..state }
        };
        if next != state {
            // The freeze goes back to where the signs began: what was earned since was earned in the attack.
            let ago = change.as_ref().map_or(0, |change| now.since(change.since).0 / 1_000);
            let began = UnixSeconds(wall.0.saturating_sub(i64::try_from(ago).unwrap_or(0)));
            self.change(next, began, wall);
        }
        change
    }

    fn machine(&self) -> std::sync::MutexGuard<'_, PostureMachine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, next: PostureState, began: UnixSeconds, now: UnixSeconds) -> PostureState {
        let state = self.put(next, began, now);
        self.is_unsaved.store(true, Ordering::Release);
        tracing::warn!(
            posture = state.level.as_str(),
            posture.source = state.source.as_str(),
            posture.epoch = state.epoch,
            "posture changed"
        );
        state
    }

    /// Puts a state in force, with the freeze that belongs to it.
    fn put(&self, next: PostureState, began: UnixSeconds, now: UnixSeconds) -> PostureState {
        let mut next = next;
        if next.source == Source::Manual && next.until.is_some_and(|until| until <= now) {
            next = PostureState { level: next.auto, source: Source::Auto, until: None, ..next };
        }
        match (next.level > Posture::Calm, next.opened) {
            (true, None) => {
                next.epoch = next.epoch.saturating_add(1);
                next.opened = Some(began);
            }
            (false, Some(_)) => next.opened = None,
            _ => {}
        }
        match next.opened {
            Some(opened) => self.revocations.freeze(opened),
            None => self.revocations.thaw(),
        }
        self.state.store(Arc::new(next));
        next
    }
}

fn write(state: &PostureState) -> String {
    let stored = Stored {
        level: state.level.as_str().to_owned(),
        manual: state.source == Source::Manual,
        until: state.until.map(|until| until.0),
        epoch: state.epoch,
        opened: state.opened.map(|opened| opened.0),
        auto: state.auto.as_str().to_owned(),
    };
    serde_json::to_string(&stored).unwrap_or_default()
}

fn read(text: &str) -> Option<PostureState> {
    let stored: Stored = serde_json::from_str(text).ok()?;
    Some(PostureState {
        level: Posture::parse(&stored.level).ok()?,
        source: if stored.manual { Source::Manual } else { Source::Auto },
        until: stored.until.map(UnixSeconds),
        epoch: stored.epoch,
        opened: stored.opened.map(UnixSeconds),
        auto: Posture::parse(&stored.auto).ok()?,
    })
}
