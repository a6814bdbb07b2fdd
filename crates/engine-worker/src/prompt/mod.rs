//! From a request to prompt tokens: read the messages, render the template, tokenise. Runs on its own thread, beside the steps.
//!
//! What must stay true: a prompt that cannot fit is refused with its length, without being tokenised to its end; nothing a person
//! writes becomes a control token ([`guard`]); roles are of a closed set, for templates write them between control marks.

mod date;
mod guard;
mod messages;
mod template;

use std::sync::mpsc::{Receiver, SyncSender};

use rempart_engine::worker_protocol::{FailureFrame, GenerateParams, PromptFrame};

use crate::inbox::ToStep;
use crate::native::Native;
use crate::schedule::Job;
use crate::vocab::Vocab;
use guard::{Guard, Piece};
use template::{ChatTemplate, TemplateInput, TemplateRefusal};

/// A prompt longer than this many contexts is not tokenised to its end: its length is then told by proportion.
const COUNTED_CONTEXTS: usize = 4;
/// Text tokenised between two looks at that bound, in bytes.
const LOOK_BYTES: usize = 64 << 10;
/// Longest text that may end an answer, in bytes: what might become one is held back.
const STOP_BYTES_MAX: usize = 1024;
/// Longest message to the caller: a template may quote the conversation in what it raises.
const MESSAGE_CHARS_MAX: usize = 500;
/// How a conversation is written for a model without a chat template.
const PLAIN_TEMPLATE: &str = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

/// Renders and tokenises.
pub(crate) struct Prompts<'a> {
    native: &'a Native,
    vocab: &'a Vocab,
    context_len: u32,
    template: Option<ChatTemplate>,
    has_own_template: bool,
    knows_developer: bool,
    guard: Guard,
}

impl<'a> Prompts<'a> {
    /// Reads the template that the model brings.
    pub(crate) fn new(native: &'a Native, vocab: &'a Vocab, context_len: u32) -> Self {
        let source = native.meta("tokenizer.chat_template");
        let own = if source.is_empty() { None } else { ChatTemplate::compile(&source) };
        Self {
            native,
            vocab,
            context_len,
            has_own_template: own.is_some(),
            template: own.or_else(|| ChatTemplate::compile(PLAIN_TEMPLATE)),
            knows_developer: source.contains("developer"),
            guard: Guard::new(vocab.controls(), &source),
        }
    }

    /// Whether the model's own template is used.
    pub(crate) fn has_template(&self) -> bool {
        self.has_own_template
    }

    /// Until the reader hangs up.
    pub(crate) fn serve(&self, prompts: &Receiver<Box<GenerateParams>>, to_step: &SyncSender<ToStep>) {
        while let Ok(params) = prompts.recv() {
            let message = match self.tokens_of(&params) {
                Ok(tokens) => ToStep::Job(Box::new(Job { tokens, params })),
                Err(error) => ToStep::Refuse(params.id, error),
            };
            if to_step.send(message).is_err() {
                return;
            }
        }
    }

    fn tokens_of(&self, params: &GenerateParams) -> Result<Vec<u32>, FailureFrame> {
        if params.sampling.stop.iter().any(|stop| stop.len() > STOP_BYTES_MAX) {
            return Err(rejected("a stop text is too long", "stop"));
        }
        let rendered = match &params.prompt {
            PromptFrame::Chat(messages) => self.render(messages.get(), params)?,
            // There are no roles to protect in a bare completion: whoever writes one writes the whole prompt, marks included.
            PromptFrame::Text(text) => text.clone(),
        };
        let tokens = self.tokenise(&rendered)?;
        if tokens.is_empty() {
            return Err(rejected("the prompt is empty", "prompt"));
        }
        Ok(tokens)
    }

    fn render(&self, messages: &str, params: &GenerateParams) -> Result<String, FailureFrame> {
        let mask = |text: &str| self.guard.mask(text);
        let mut messages =
            messages::read(messages, self.knows_developer, &mask).map_err(|message| rejected(message, "messages"))?;
        let begun = messages::take_begun_answer(&mut messages);
        let more = messages::template_fields(&params.template_fields, &mask)
            .map_err(|field| rejected("this field cannot be read", field))?;
        let bos_token = self.vocab.bos.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
        let input = TemplateInput {
            messages,
            add_generation_prompt: true,
            bos_token,
            eos_token: self.vocab.eos_text.clone(),
            more,
        };
        let template = self.template.as_ref().ok_or(FailureFrame::Internal)?;
        let mut rendered =
            template.render(&input).map_err(|TemplateRefusal(message)| rejected(&message, "messages"))?;
        rendered.push_str(begun.as_deref().unwrap_or_default());
        Ok(rendered)
    }

    fn tokenise(&self, rendered: &str) -> Result<Vec<u32>, FailureFrame> {
        let mut tokens = Vec::with_capacity(rendered.len() / 3 + 1);
        if let (true, Some((bos, _))) = (self.vocab.adds_bos, &self.vocab.bos) {
            tokens.push(*bos);
        }
        let has_added_bos = !tokens.is_empty();
        let most = (self.context_len as usize).saturating_mul(COUNTED_CONTEXTS);
        let mut bytes_read = 0;
        for piece in self.guard.pieces(rendered) {
            match piece {
                // The template wrote the beginning of text itself: once is enough.
                Piece::Control(token) if has_added_bos && bytes_read == 0 && tokens.as_slice() == [token] => {}
                Piece::Control(token) => tokens.push(token),
                Piece::Plain(text) => {
                    for part in crate::native::pieces(&text, LOOK_BYTES) {
                        self.native.tokenise_plain(part, &mut tokens);
                        bytes_read += part.len();
                        if tokens.len() > most {
                            let whole = tokens.len().saturating_mul(rendered.len()) / bytes_read.max(1);
                            return Err(self.too_long(whole.max(tokens.len())));
                        }
                    }
                }
            }
        }
        if tokens.len() >= self.context_len as usize { Err(self.too_long(tokens.len())) } else { Ok(tokens) }
    }

    fn too_long(&self, input: usize) -> FailureFrame {
        FailureFrame::ContextLength { input: u32::try_from(input).unwrap_or(u32::MAX), context_len: self.context_len }
    }
}

fn rejected(message: &str, param: &str) -> FailureFrame {
    let short = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    FailureFrame::Rejected { message: short(message, MESSAGE_CHARS_MAX), param: Some(short(param, 64)) }
}
