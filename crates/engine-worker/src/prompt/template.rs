//! Chat templates as models bring them: Jinja with the functions and the Python habits of Hugging Face's renderer.
//!
//! What must stay true: a template runs on bounded fuel and depth (a model file is not trusted to end); it reads nothing but what it is
//! given and today's date; what `raise_exception` says goes to the caller as a refusal, any other failure as a plain one.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;

use super::date;

/// Instructions a rendering may take: a long conversation through the longest template we know takes 2 % of it.
const FUEL: u64 = 20_000_000;
/// Nesting of macros and includes.
const RECURSION_MAX: usize = 100;
const NAME: &str = "chat";

/// What a template is given.
#[derive(Debug, Serialize)]
pub(crate) struct TemplateInput {
    pub(crate) messages: serde_json::Value,
    pub(crate) add_generation_prompt: bool,
    pub(crate) bos_token: String,
    pub(crate) eos_token: String,
    /// `tools`, `documents`, and what `chat_template_kwargs` holds.
    #[serde(flatten)]
    pub(crate) more: serde_json::Map<String, serde_json::Value>,
}

/// A compiled template.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
}

/// Why a conversation cannot be rendered; for the caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TemplateRefusal(pub(crate) String);

impl ChatTemplate {
    /// `None` for a source that is no template as we read them.
    pub(crate) fn compile(source: &str) -> Option<Self> {
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().ok()?);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION_MAX);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", |format: &str| date::format(format, date::now()));
        environment.add_filter("tojson", tojson);
        environment.add_template_owned(NAME, source.to_owned()).ok()?;
        Some(Self { environment })
    }

    /// The prompt as text.
    pub(crate) fn render(&self, input: &TemplateInput) -> Result<String, TemplateRefusal> {
        let rendered =
            self.environment.get_template(NAME).and_then(|template| template.render(Value::from(Serde(input))));
        rendered.map_err(|error| match (error.kind(), error.detail()) {
            (ErrorKind::InvalidOperation, Some(detail)) if detail.starts_with(RAISED) => {
                TemplateRefusal(detail.trim_start_matches(RAISED).to_owned())
            }
            _ => TemplateRefusal("the model's chat template cannot render this conversation".to_owned()),
        })
    }
}

const RAISED: &str = "raised: ";

#[allow(clippy::needless_pass_by_value, reason = "the signature minijinja asks for")]
fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, format!("{RAISED}{message}")))
}

/// As Python's `json.dumps` writes it, which models have learned: `", "` and `": "`, nothing escaped for HTML.
#[allow(clippy::needless_pass_by_value, reason = "the signature minijinja asks for")]
fn tojson(value: Value, arguments: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = arguments.get("indent")?;
    // Accepted and of no consequence here: characters are never escaped, keys are never sorted.
    let _: Option<Value> = arguments.get("ensure_ascii")?;
    let _: Option<Value> = arguments.get("separators")?;
    let _: Option<Value> = arguments.get("sort_keys")?;
    arguments.assert_all_used()?;
    let mut out = Vec::new();
    let written = match indent {
        Some(width) => {
            let spaces = " ".repeat(width.min(16));
            let style = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, style))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Pythonic)),
    };
    written.map_err(|_| Error::new(ErrorKind::BadSerialization, "not JSON"))?;
    String::from_utf8(out).map_err(|_| Error::new(ErrorKind::BadSerialization, "not UTF-8"))
}

struct Pythonic;

impl serde_json::ser::Formatter for Pythonic {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
