//! The three languages, and how one is chosen: what the person said first, then what the browser asks for, then English.

/// Name of the cookie that keeps a chosen language.
pub const LOCALE_COOKIE: &str = "rmp_lang";

/// Name of the query parameter by which the links in the footer choose a language.
pub const LOCALE_PARAM: &str = "lang";

/// Languages read from one `Accept-Language`; the rest is ignored.
const ACCEPTED_LANGUAGES_MAX: usize = 16;

/// A language of the pages. All three are equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Locale {
    /// Chinese, simplified.
    Zh,
    /// English: the default, and the language of API errors.
    #[default]
    En,
    /// French.
    Fr,
}

impl Locale {
    /// Every language, in the order of the footer.
    pub const ALL: &'static [Self] = &[Self::Zh, Self::En, Self::Fr];

    /// The tag on the wire, in the cookie and in an account: `zh`, `en`, `fr`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
            Self::Fr => "fr",
        }
    }

    /// The value of HTML's `lang`.
    pub const fn html_lang(self) -> &'static str {
        match self {
            Self::Zh => "zh-Hans",
            Self::En => "en",
            Self::Fr => "fr",
        }
    }

    /// Reads a language tag by its first subtag: `zh-CN`, `fr_CA`, `EN`.
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next()?;
        Self::ALL.iter().copied().find(|locale| locale.as_str().eq_ignore_ascii_case(primary))
    }

    /// Chooses: `said` (query parameter, cookie or account) if it is one of ours, else the best of `Accept-Language`, else English.
    pub fn choose(said: Option<&str>, accept_language: Option<&str>) -> Self {
        said.and_then(Self::parse).or_else(|| Self::best_of(accept_language?)).unwrap_or_default()
    }

    fn best_of(accept_language: &str) -> Option<Self> {
        let mut best: Option<(Self, f32)> = None;
        for entry in accept_language.split(',').take(ACCEPTED_LANGUAGES_MAX) {
            let mut parts = entry.split(';');
            let Some(locale) = parts.next().and_then(Self::parse) else { continue };
            let quality = parts
                .find_map(|part| part.trim().strip_prefix("q=")?.parse::<f32>().ok())
                .map_or(1.0, |q| if q.is_finite() { q.clamp(0.0, 1.0) } else { 0.0 });
            if quality > best.map_or(0.0, |(_, q)| q) {
                best = Some((locale, quality));
            }
        }
        best.map(|(locale, _)| locale)
    }
}

impl std::fmt::Display for Locale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
