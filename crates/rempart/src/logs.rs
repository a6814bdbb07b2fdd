//! The log: on stderr, as the configuration says. Content, secrets and addresses are kept out of it by types (`Secret`, `Sensitive`).

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSection};

/// Starts the log of this process. A second call changes nothing.
pub(crate) fn start(log: &LogSection) {
    let filter = EnvFilter::builder().parse(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Somebody else's subscriber (in a test) is as good.
    drop(match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    });
}

/// The log of commands that do one thing: warnings and errors.
pub(crate) fn start_quiet() {
    start(&LogSection { format: LogFormat::Text, level: "warn".to_owned() });
}
