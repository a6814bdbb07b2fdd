//! One declaration a section: each key's name, type, default and meaning stand once, and reading, the example file and the
//! check for unknown keys all come from it.

use toml::Table;

/// A line of the answer to "what is wrong with this configuration?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError {
    /// Where: `server.listen`, `REMPART__SERVER__LISTEN`, or the file's name.
    pub(crate) place: String,
    /// What is wrong, and what to write instead.
    pub(crate) reason: String,
}

impl ConfigError {
    /// `place` is `section.key`.
    pub(crate) fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// What is known of a key without a value.
pub(crate) struct KeyDoc {
    /// The key.
    pub(crate) name: &'static str,
    /// Its meaning, one line an entry.
    pub(crate) doc: &'static [&'static str],
    /// An environment variable's text is the value as it stands.
    pub(crate) is_text: bool,
}

/// A table of the configuration.
pub(crate) trait Section: Default {
    /// What the section is for, one line an entry.
    const DOC: &'static [&'static str];
    /// Its keys, in the order of the example file.
    const KEYS: &'static [KeyDoc];

    /// Reads the keys that are there, keeps the default for the others, and adds a line for each that is wrong or unknown.
    fn read(place: &str, table: &Table, errors: &mut Vec<ConfigError>) -> Self;

    /// Each value as TOML, in the order of [`Section::KEYS`].
    fn show(&self) -> Vec<String>;
}

/// Adds a line for each key of `table` that `keys` does not know.
pub(crate) fn refuse_unknown(place: &str, table: &Table, keys: &[KeyDoc], errors: &mut Vec<ConfigError>) {
    for name in table.keys().filter(|name| keys.iter().all(|key| key.name != name.as_str())) {
        errors.push(ConfigError::new(format!("{place}.{name}"), "unknown key"));
    }
}

/// Reads one key of `table` into `target`, if it is there.
pub(crate) fn read_key<T: super::value::ConfigValue>(
    target: &mut T,
    place: &str,
    name: &str,
    table: &Table,
    errors: &mut Vec<ConfigError>,
) {
    let Some(value) = table.get(name) else { return };
    match T::read(value) {
        Some(read) => *target = read,
        None => errors.push(ConfigError::new(format!("{place}.{name}"), format!("expected {}", T::EXPECTED))),
    }
}

/// Declares a section: `section! { /// what it is for  Name { /// meaning  key: Type = default, … } }`.
macro_rules! section {
    ($(#[doc = $title:literal])+ $name:ident { $($(#[doc = $doc:literal])+ $key:ident: $ty:ty = $default:expr,)+ }) => {
        $(#[doc = $title])+
        #[derive(Debug, Clone)]
        pub(crate) struct $name { $($(#[doc = $doc])+ pub(crate) $key: $ty,)+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        impl $crate::config::section::Section for $name {
            const DOC: &'static [&'static str] = &[$($title),+];
            const KEYS: &'static [$crate::config::section::KeyDoc] = &[$($crate::config::section::KeyDoc {
                name: stringify!($key),
                doc: &[$($doc),+],
                is_text: <$ty as $crate::config::value::ConfigValue>::IS_TEXT,
            }),+];

            fn read(place: &str, table: &toml::Table, errors: &mut Vec<$crate::config::section::ConfigError>) -> Self {
                $crate::config::section::refuse_unknown(place, table, Self::KEYS, errors);
                let mut section = Self::default();
                $($crate::config::section::read_key(&mut section.$key, place, stringify!($key), table, errors);)+
                section
            }

            fn show(&self) -> Vec<String> {
                vec![$($crate::config::value::ConfigValue::show(&self.$key)),+]
            }
        }
    };
}
pub(crate) use section;
