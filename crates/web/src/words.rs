//! The texts: Fluent files of `locales/`, one look-up for all templates, and the refusals' sentences computed once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::static_loader;
use rempart_domain::{Day, ReasonCode, UnixSeconds};
use unic_langid::{LanguageIdentifier, langid};

use crate::format::{Date, Span, clock, number};
use crate::{FieldError, Locale};

static_loader! {
    static TEXTS = {
        locales: "./locales",
        fallback_language: "en",
        // The texts carry their own spaces; marks around each number would end up in what people copy.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

const ZH: LanguageIdentifier = langid!("zh");
const EN: LanguageIdentifier = langid!("en");
const FR: LanguageIdentifier = langid!("fr");

/// The texts of one language, as templates use them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    locale: Locale,
}

impl Words {
    pub(crate) const fn new(locale: Locale) -> Self {
        Self { locale }
    }

    /// The text of a key; a missing one shows its key (a test sees to it that none is missing).
    pub(crate) fn t(&self, key: &str) -> String {
        self.look_up(key, &[])
    }

    /// A text with one value in it.
    pub(crate) fn with(&self, key: &str, name: &'static str, value: impl AsRef<str>) -> String {
        self.look_up(key, &[(name, FluentValue::from(value.as_ref().to_owned()))])
    }

    /// A text that depends on a number: `{ $count }` chooses the form, `{ $number }` is the number as written.
    pub(crate) fn count(&self, key: &str, count: &u64) -> String {
        let number = number(self.locale, *count);
        self.look_up(key, &[("count", FluentValue::from(*count)), ("number", FluentValue::from(number))])
    }

    /// A place in a line, and about how long.
    pub(crate) fn place(&self, position: u64, time: String) -> String {
        let number = number(self.locale, position);
        let values = [
            ("position", FluentValue::from(position)),
            ("number", FluentValue::from(number)),
            ("time", FluentValue::from(time)),
        ];
        self.look_up("wait-place", &values)
    }

    /// A whole number, grouped.
    pub(crate) fn number(&self, value: &u64) -> String {
        number(self.locale, *value)
    }

    /// A date.
    pub(crate) fn day(&self, day: &Day) -> String {
        self.date(Date::of_day(*day))
    }

    /// A month of a year, as a heading.
    pub(crate) fn month(&self, year: i64, month: u8) -> String {
        self.look_up("month", &[("year", FluentValue::from(year.to_string())), ("month", FluentValue::from(month))])
    }

    /// The date of a time, UTC.
    pub(crate) fn date_of(&self, time: &UnixSeconds) -> String {
        self.date(Date::of_seconds(*time))
    }

    /// Date and time of day, UTC.
    pub(crate) fn moment(&self, time: &UnixSeconds) -> String {
        let date = self.date(Date::of_seconds(*time));
        self.look_up("moment", &[("date", FluentValue::from(date)), ("clock", FluentValue::from(clock(*time)))])
    }

    fn date(&self, date: Date) -> String {
        // The year goes as text: a number would be grouped.
        self.look_up(
            "date",
            &[
                ("year", FluentValue::from(date.year.to_string())),
                ("month", FluentValue::from(date.month)),
                ("day", FluentValue::from(date.day)),
            ],
        )
    }

    /// A length of time, rounded up.
    pub(crate) fn span(&self, seconds: &u64) -> String {
        match Span::of_seconds(*seconds) {
            Span::Seconds(n) => self.count("span-seconds", &n),
            Span::Minutes(n) => self.count("span-minutes", &n),
            Span::Hours(n) => self.count("span-hours", &n),
            Span::Days(n) => self.count("span-days", &n),
        }
    }

    /// What was wrong in a field.
    pub(crate) fn error(&self, error: &FieldError) -> String {
        match (error.key(), error) {
            (Some(key), _) => self.t(key),
            (None, FieldError::Reason(reason)) => message(self.locale, *reason).to_owned(),
            (None, _) => String::new(),
        }
    }

    fn look_up(&self, key: &str, values: &[(&'static str, FluentValue<'static>)]) -> String {
        let lang = match self.locale {
            Locale::Zh => &ZH,
            Locale::En => &EN,
            Locale::Fr => &FR,
        };
        let args: Option<HashMap<Cow<'static, str>, FluentValue<'_>>> = if values.is_empty() {
            None
        } else {
            Some(values.iter().map(|(name, value)| (Cow::Borrowed(*name), value.clone())).collect())
        };
        TEXTS.lookup_single_language(lang, key, args.as_ref()).unwrap_or_else(|_| key.to_owned())
    }
}

/// The Fluent key of a reason: `bad_json` is `reason-bad-json`.
pub(crate) fn reason_key(reason: ReasonCode) -> String {
    format!("reason-{}", reason.as_str().replace('_', "-"))
}

/// Index by reason, one table a language.
struct Messages([Vec<String>; 3]);

static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
    let table = |locale| {
        let words = Words::new(locale);
        ReasonCode::ALL
            .iter()
            .map(|reason| {
                let key = reason_key(*reason);
                let what = words.t(&key);
                let action = words.t(&format!("{key}.action"));
                let values = [("what", FluentValue::from(what)), ("action", FluentValue::from(action))];
                words.look_up("message", &values)
            })
            .collect()
    };
    Messages([table(Locale::Zh), table(Locale::En), table(Locale::Fr)])
});

/// What happened and what to do, in two sentences. Computed once for all reasons: a refusal costs no look-up and no allocation.
pub fn message(locale: Locale, reason: ReasonCode) -> &'static str {
    let [zh, en, fr] = &MESSAGES.0;
    let table = match locale {
        Locale::Zh => zh,
        Locale::En => en,
        Locale::Fr => fr,
    };
    table.get(reason.index()).map_or("", String::as_str)
}
