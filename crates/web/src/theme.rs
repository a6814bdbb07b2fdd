//! Light or dark: what the device says, unless the person chose.

/// Name of the cookie that keeps a chosen theme on a device.
pub const THEME_COOKIE: &str = "rmp_theme";

/// Which colours a page wears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Theme {
    /// As the device says.
    #[default]
    Auto,
    /// Dark ink on light paper.
    Light,
    /// Light ink on dark paper.
    Dark,
}

impl Theme {
    /// Every theme, in the order of the choice on the account's page.
    pub const ALL: &'static [Self] = &[Self::Auto, Self::Light, Self::Dark];

    /// The word in the cookie, in JSON and in `data-theme`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|theme| theme.as_str() == word)
    }
}
