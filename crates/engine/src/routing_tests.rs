//! Routing: order, aliases, and what is said of a model nobody lists yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use rempart_domain::TokenCount;

use super::Engines;
use crate::{Capacity, Engine, EngineError, EngineStatus, Estimate, EventStream, GenerateRequest, ModelInfo};

struct Fixed {
    name: &'static str,
    status: EngineStatus,
    models: Vec<&'static str>,
}

impl Engine for Fixed {
    fn name(&self) -> &str {
        self.name
    }
    fn status(&self) -> EngineStatus {
        self.status
    }
    fn models(&self) -> Arc<[ModelInfo]> {
        self.models.iter().map(|id| ModelInfo { id: (*id).to_owned(), context_len: None, created: 1 }).collect()
    }
    fn capacity(&self) -> Capacity {
        Capacity { sequences: 1, kv_tokens: 1 }
    }
    fn estimate(&self, _: &GenerateRequest) -> Estimate {
        Estimate { input: TokenCount(1) }
    }
    fn generate(&self, _: Arc<GenerateRequest>) -> EventStream {
        Box::pin(futures_util::stream::empty())
    }
}

fn engine(name: &'static str, status: EngineStatus, models: &[&'static str]) -> Arc<dyn Engine> {
    Arc::new(Fixed { name, status, models: models.to_vec() })
}

fn engines(list: Vec<Arc<dyn Engine>>) -> Engines {
    let aliases = BTreeMap::from([("deepseek-chat".to_owned(), "small".to_owned())]);
    Engines::new(list, aliases, "small")
}

fn names(engines: &Engines, model: &str) -> Result<Vec<String>, EngineError> {
    engines.route(model).map(|route| route.candidates.iter().map(|engine| engine.name().to_owned()).collect())
}

#[test]
fn configured_order_is_kept_and_ready_engines_come_first() {
    let engines = engines(vec![
        engine("a", EngineStatus::Down, &["small"]),
        engine("b", EngineStatus::Ready, &["other"]),
        engine("c", EngineStatus::Loading, &["small"]),
        engine("d", EngineStatus::Ready, &["small"]),
        engine("e", EngineStatus::Ready, &["small"]),
    ]);
    assert_eq!(names(&engines, "small"), Ok(vec!["d".into(), "e".into(), "c".into(), "a".into()]));
}

#[test]
fn alias_empty_name_and_default_lead_to_the_same_model() {
    let engines = engines(vec![engine("a", EngineStatus::Ready, &["small"])]);
    for name in ["small", "deepseek-chat", "", "default"] {
        assert_eq!(engines.route(name).map(|route| route.model), Ok("small".to_owned()), "{name:?}");
    }
}

#[test]
fn unknown_model_is_not_found_when_all_engines_can_tell() {
    let engines = engines(vec![engine("a", EngineStatus::Down, &["small"])]);
    assert_eq!(names(&engines, "gpt-9").err(), Some(EngineError::ModelNotFound));
}

#[test]
fn model_of_a_loading_engine_is_starting_and_a_name_it_will_never_have_is_not_found() {
    let loading = || engine("a", EngineStatus::Loading, &[]);
    assert_eq!(names(&engines(vec![loading()]), "small").err(), Some(EngineError::Starting));
    let told = engines(vec![loading()]).expecting("a", vec!["small".to_owned()]);
    assert_eq!(names(&told, "small").err(), Some(EngineError::Starting));
    assert_eq!(names(&told, "gpt-9").err(), Some(EngineError::ModelNotFound));
}

#[test]
fn model_of_an_engine_that_never_came_up_is_unavailable() {
    let engines = engines(vec![engine("a", EngineStatus::Down, &[])]);
    assert_eq!(names(&engines, "small").err(), Some(EngineError::Unavailable));
}

#[test]
fn list_names_each_model_once_and_aliases_after_their_model() {
    let engines = engines(vec![
        engine("a", EngineStatus::Ready, &["small", "big"]),
        engine("b", EngineStatus::Ready, &["small"]),
    ]);
    let listed: Vec<_> = engines.models().into_iter().map(|m| (m.info.id, m.engine, m.alias_of)).collect();
    assert_eq!(
        listed,
        vec![
            ("small".into(), "a".into(), None),
            ("big".into(), "a".into(), None),
            ("deepseek-chat".into(), "a".into(), Some("small".into())),
        ]
    );
    assert_eq!(engines.find_model("deepseek-chat").map(|m| m.info.id), Some("deepseek-chat".to_owned()));
    assert_eq!(engines.find_model("nothing"), None);
}
