//! Which engines can serve a model, in the order to ask them.
//!
//! What must stay true: the configured order is the fallback order; an engine that is ready comes before one that is not; a name we
//! cannot judge yet (an engine is still loading) is `Starting` or `Unavailable`, never `ModelNotFound`; nothing here waits or locks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Engine, EngineError, EngineStatus, ModelInfo};

/// The name that means "whatever this platform answers with".
const DEFAULT_NAME: &str = "default";

/// All engines of the platform with the names they answer to. Built once from the configuration.
pub struct Engines {
    entries: Vec<Entry>,
    aliases: BTreeMap<String, String>,
    default_model: String,
}

/// One engine and, where it is known beforehand, what it will serve once loaded.
struct Entry {
    engine: Arc<dyn Engine>,
    /// `None`: only the engine itself can tell.
    expected: Option<Vec<String>>,
}

/// Where a request goes. Ask the candidates in order; on `Unavailable`, `Starting` or `Full` the next.
#[derive(Clone)]
pub struct Route {
    /// At least one.
    pub candidates: Vec<Arc<dyn Engine>>,
    /// The model's name as the engines know it.
    pub model: String,
}

/// A name that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedModel {
    /// What is known of it; `info.id` is the name clients use.
    pub info: ModelInfo,
    /// The NAME of the first engine that serves it.
    pub engine: String,
    /// The model's own name, if `info.id` is an alias from the configuration.
    pub alias_of: Option<String>,
}

impl Engines {
    /// Takes the engines in fallback order, the `[models] aliases` (alias → model, one step) and the default model.
    pub fn new(
        engines: Vec<Arc<dyn Engine>>,
        aliases: BTreeMap<String, String>,
        default_model: impl Into<String>,
    ) -> Self {
        let entries = engines.into_iter().map(|engine| Entry { engine, expected: None }).collect();
        Self { entries, aliases, default_model: default_model.into() }
    }

    /// Says what the engine `name` will serve once it is loaded, so that other names are refused as unknown meanwhile.
    #[must_use]
    pub fn expecting(mut self, name: &str, models: Vec<String>) -> Self {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.engine.name() == name) {
            entry.expected = Some(models);
        }
        self
    }

    /// The engines in fallback order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Engine>> {
        self.entries.iter().map(|entry| &entry.engine)
    }

    /// The engine called `name`.
    pub fn find(&self, name: &str) -> Option<&Arc<dyn Engine>> {
        self.all().find(|engine| engine.name() == name)
    }

    /// The model that an empty name or `default` means.
    pub fn default_model(&self) -> &str {
        &self.default_model
    }

    /// The model's own name for what a client wrote: aliases first, then the empty name and `default`.
    pub fn resolve<'a>(&'a self, model: &'a str) -> &'a str {
        if let Some(target) = self.aliases.get(model) {
            return target;
        }
        if model.is_empty() || model == DEFAULT_NAME {
            return self.aliases.get(&self.default_model).unwrap_or(&self.default_model);
        }
        model
    }

    /// Finds who can serve `model`.
    ///
    /// # Errors
    /// `ModelNotFound` when no engine has it; `Starting` or `Unavailable` while an engine that may have it cannot tell yet.
    pub fn route(&self, model: &str) -> Result<Route, EngineError> {
        let model = self.resolve(model);
        let mut candidates: Vec<(EngineStatus, Arc<dyn Engine>)> = self
            .entries
            .iter()
            .filter(|entry| entry.engine.models().iter().any(|info| info.id == model))
            .map(|entry| (entry.engine.status(), Arc::clone(&entry.engine)))
            .collect();
        if candidates.is_empty() {
            return Err(self.missing(model));
        }
        candidates.sort_by_key(|(status, _)| rank(*status));
        let candidates = candidates.into_iter().map(|(_, engine)| engine).collect();
        Ok(Route { candidates, model: model.to_owned() })
    }

    /// Why nobody lists `model`.
    fn missing(&self, model: &str) -> EngineError {
        let undecided = self.entries.iter().filter(|entry| {
            entry.engine.models().is_empty()
                && entry.expected.as_ref().is_none_or(|names| names.iter().any(|name| name == model))
        });
        let mut error = EngineError::ModelNotFound;
        for entry in undecided {
            match entry.engine.status() {
                EngineStatus::Loading => return EngineError::Starting,
                EngineStatus::Down => error = EngineError::Unavailable,
                EngineStatus::Ready => {}
            }
        }
        error
    }

    /// Every name that can be asked for: models in fallback order, each once, then the aliases whose model is served.
    pub fn models(&self) -> Vec<ServedModel> {
        let mut served: Vec<ServedModel> = Vec::new();
        for engine in self.all() {
            for info in engine.models().iter() {
                if !served.iter().any(|known| known.info.id == info.id) {
                    served.push(ServedModel { info: info.clone(), engine: engine.name().to_owned(), alias_of: None });
                }
            }
        }
        let aliases: Vec<ServedModel> = self
            .aliases
            .iter()
            .filter_map(|(alias, target)| {
                let model = served.iter().find(|model| &model.info.id == target)?;
                let info = ModelInfo { id: alias.clone(), ..model.info.clone() };
                Some(ServedModel { info, engine: model.engine.clone(), alias_of: Some(target.clone()) })
            })
            .collect();
        served.retain(|model| !self.aliases.contains_key(&model.info.id));
        served.extend(aliases);
        served
    }

    /// What is known of one name as a client writes it, aliases included.
    pub fn find_model(&self, model: &str) -> Option<ServedModel> {
        let own = self.resolve(model);
        self.all().find_map(|engine| {
            let info = engine.models().iter().find(|info| info.id == own)?.clone();
            let alias_of = (own != model).then(|| own.to_owned());
            let id = if alias_of.is_some() { model.to_owned() } else { info.id.clone() };
            Some(ServedModel { info: ModelInfo { id, ..info }, engine: engine.name().to_owned(), alias_of })
        })
    }

    /// `/readyz`: each engine's name and status, in fallback order.
    pub fn statuses(&self) -> Vec<(String, EngineStatus)> {
        self.all().map(|engine| (engine.name().to_owned(), engine.status())).collect()
    }
}

/// Ready first.
const fn rank(status: EngineStatus) -> u8 {
    match status {
        EngineStatus::Ready => 0,
        EngineStatus::Loading => 1,
        EngineStatus::Down => 2,
    }
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
