//! Scenario files: found by name in a folder or among the embedded ones, parsed by one strict parser.

use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use super::{Scenario, check};

/// Longest scenario file, in bytes.
const FILE_BYTES_MAX: u64 = 65_536;

#[derive(RustEmbed)]
#[folder = "scenarios/"]
struct Embedded;

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Neither a file nor an embedded one.
    #[error("there is no scenario {name:?}; `rempart drill --list` shows them")]
    Unknown {
        /// As given.
        name: String,
    },
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no scenario; a line for each error.
    #[error("{}", lines.iter().map(|line| format!("scenario {name}: {line}")).collect::<Vec<_>>().join("\n"))]
    Invalid {
        /// The scenario.
        name: String,
        /// What is wrong.
        lines: Vec<String>,
    },
}

/// Names and texts of all scenarios: the folder's if one is given, else the embedded ones; by name.
pub fn catalogue(folder: Option<&Path>) -> Result<Vec<(String, String)>, ScenarioError> {
    let mut all = Vec::new();
    match folder {
        Some(folder) => {
            let unreadable = |source| ScenarioError::Unreadable { path: folder.to_owned(), source };
            for entry in std::fs::read_dir(folder).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                if path.extension().is_some_and(|ending| ending == "toml") {
                    all.push((name_of(&path), read(&path)?));
                }
            }
        }
        None => {
            for file in Embedded::iter() {
                if let Some(found) = Embedded::get(&file) {
                    let text = String::from_utf8_lossy(&found.data).into_owned();
                    all.push((name_of(Path::new(file.as_ref())), text));
                }
            }
        }
    }
    all.sort();
    Ok(all)
}

/// The scenario of this name, or in this file if it ends with `.toml`.
pub fn load(name: &str, folder: Option<&Path>) -> Result<Scenario, ScenarioError> {
    let path = Path::new(name);
    if path.extension().is_some_and(|ending| ending == "toml") {
        return parse(&name_of(path), &read(path)?);
    }
    let found = catalogue(folder)?.into_iter().find(|(known, _)| known == name);
    let (name, text) = found.ok_or_else(|| ScenarioError::Unknown { name: name.to_owned() })?;
    parse(&name, &text)
}

/// Reads a scenario's text; every error is told.
pub fn parse(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let invalid = |lines| ScenarioError::Invalid { name: name.to_owned(), lines };
    let mut scenario: Scenario = toml::from_str(text).map_err(|error| invalid(told(&error, text)))?;
    name.clone_into(&mut scenario.name);
    let errors = check::errors(&scenario);
    if errors.is_empty() { Ok(scenario) } else { Err(invalid(errors)) }
}

/// The message on one line, with the line of the file.
fn told(error: &toml::de::Error, text: &str) -> Vec<String> {
    let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
    let message = error.message().replace('\n', " ");
    vec![line.map_or_else(|| message.clone(), |line| format!("line {line}: {message}"))]
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<String, ScenarioError> {
    let unreadable = |source| ScenarioError::Unreadable { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(unreadable(std::io::Error::other("longer than a scenario is")));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}
