//! What a configuration value can be: read from TOML with a reason a person can act on, shown again as TOML.
//!
//! What must stay true: reading never panics; a secret is never shown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use rempart_domain::Secret;
use toml::Value;

/// A type that a configuration key may have.
pub(crate) trait ConfigValue: Sized {
    /// What a person should write, for the message: `a whole number of at least 1`.
    const EXPECTED: &'static str;
    /// True when the text of an environment variable is the value as it stands; else it is read as a TOML value.
    const IS_TEXT: bool = false;

    /// Reads the value; `None` is answered with "expected [`ConfigValue::EXPECTED`]".
    fn read(value: &Value) -> Option<Self>;

    /// The value as TOML.
    fn show(&self) -> String;
}

impl ConfigValue for String {
    const EXPECTED: &'static str = "a text";
    const IS_TEXT: bool = true;

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(Self::from)
    }

    fn show(&self) -> String {
        Value::String(self.clone()).to_string()
    }
}

impl ConfigValue for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

macro_rules! number {
    ($($ty:ty),+) => {
        $(impl ConfigValue for $ty {
            const EXPECTED: &'static str = concat!("a whole number that fits ", stringify!($ty));

            fn read(value: &Value) -> Option<Self> {
                value.as_integer().and_then(|number| Self::try_from(number).ok())
            }

            fn show(&self) -> String {
                self.to_string()
            }
        })+
    };
}

number!(u8, u16, u32, u64, usize);

impl ConfigValue for SocketAddr {
    const EXPECTED: &'static str = "an address with a port, such as 127.0.0.1:8080 or [::1]:8080";
    const IS_TEXT: bool = true;

    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl ConfigValue for Vec<SocketAddr> {
    const EXPECTED: &'static str = "a list of addresses with ports, such as [\"127.0.0.1:8080\", \"[::1]:8080\"]";

    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(SocketAddr::read).collect()
    }

    fn show(&self) -> String {
        show_list(self)
    }
}

impl ConfigValue for Vec<String> {
    const EXPECTED: &'static str = "a list of texts, such as [\"a\", \"b\"]";

    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(String::read).collect()
    }

    fn show(&self) -> String {
        show_list(self)
    }
}

impl ConfigValue for BTreeMap<String, String> {
    const EXPECTED: &'static str = "a map of texts, such as { \"a\" = \"b\" }";

    fn read(value: &Value) -> Option<Self> {
        let pairs = value.as_table()?.iter();
        pairs.map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned()))).collect()
    }

    fn show(&self) -> String {
        let pairs: Vec<_> = self.iter().map(|(name, text)| format!("{} = {}", name.show(), text.show())).collect();
        if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
    }
}

/// A secret that stands in the configuration itself (or came from its `…_file` twin). Empty means none.
#[derive(Debug, Clone, Default)]
pub(crate) struct SecretText(Option<Arc<Secret<String>>>);

impl SecretText {
    /// Wraps a secret read from a file.
    pub(crate) fn new(text: String) -> Self {
        Self((!text.is_empty()).then(|| Arc::new(Secret::new(text))))
    }

    /// The secret, if there is one.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref().map(|secret| secret.expose().as_str())
    }

    /// A copy of its own for who takes it over.
    pub(crate) fn to_secret(&self) -> Option<Secret<String>> {
        self.get().map(|text| Secret::new(text.to_owned()))
    }
}

impl ConfigValue for SecretText {
    const EXPECTED: &'static str = "a text";
    const IS_TEXT: bool = true;

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(|text| Self::new(text.to_owned()))
    }

    fn show(&self) -> String {
        "\"\"".to_owned()
    }
}

/// `[store] url`: a secret, because it may hold a password; shown only while it is the default.
#[derive(Debug, Clone)]
pub(crate) struct StoreUrlText(SecretText);

impl StoreUrlText {
    /// The word for the file in the data folder.
    pub(crate) const SQLITE: &str = "sqlite";

    /// The address; never for a log.
    pub(crate) fn get(&self) -> &str {
        self.0.get().unwrap_or(Self::SQLITE)
    }

    /// Wraps an address read from a file.
    pub(crate) fn new(text: String) -> Self {
        Self(SecretText::new(text))
    }
}

impl Default for StoreUrlText {
    fn default() -> Self {
        Self::new(Self::SQLITE.to_owned())
    }
}

impl ConfigValue for StoreUrlText {
    const EXPECTED: &'static str = "\"sqlite\" or \"postgres://…\"";
    const IS_TEXT: bool = true;

    fn read(value: &Value) -> Option<Self> {
        value.as_str().filter(|text| !text.is_empty()).map(|text| Self::new(text.to_owned()))
    }

    fn show(&self) -> String {
        if self.get() == Self::SQLITE { "\"sqlite\"".to_owned() } else { "\"…\"".to_owned() }
    }
}

fn show_list<T: ConfigValue>(list: &[T]) -> String {
    format!("[{}]", list.iter().map(T::show).collect::<Vec<_>>().join(", "))
}

/// A closed set of words as a type: `words!(/** doc */ Name, Variant = "word", …)`; the first is the default.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $expected:literal, $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$vdoc])* $variant),+ }

        impl $crate::config::value::ConfigValue for $name {
            const EXPECTED: &'static str = $expected;
            const IS_TEXT: bool = true;

            fn read(value: &toml::Value) -> Option<Self> {
                match value.as_str()? { $($word => Some(Self::$variant),)+ _ => None }
            }

            fn show(&self) -> String {
                match self { $(Self::$variant => concat!("\"", $word, "\"").to_owned()),+ }
            }
        }
    };
}
pub(crate) use words;
