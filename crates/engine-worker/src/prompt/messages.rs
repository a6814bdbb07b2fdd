//! The messages of a conversation as chat templates expect them.
//!
//! What must stay true: every text in them went through the mask; roles are of a closed set; parts that are no text are refused, not
//! dropped.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Deeper JSON is refused by the reader itself (serde_json: 128).
const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

/// Reads `messages`; the error is for the caller.
pub(super) fn read(json: &str, knows_developer: bool, mask: &dyn Fn(&str) -> String) -> Result<Value, &'static str> {
    let Ok(Value::Array(messages)) = serde_json::from_str(json) else {
        return Err("messages must be a list of objects");
    };
    let messages: Result<Vec<Value>, &'static str> =
        messages.into_iter().map(|message| read_message(message, knows_developer, mask)).collect();
    messages.map(Value::Array)
}

/// Takes what an assistant said out of the end of the messages: the answer goes on after it, in the turn that the template opens. A call
/// of tools is no beginning of an answer.
pub(super) fn take_begun_answer(messages: &mut Value) -> Option<String> {
    let messages = messages.as_array_mut().filter(|messages| messages.len() > 1)?;
    let last = messages.last()?;
    let is_answer = last.get("role").and_then(Value::as_str) == Some("assistant") && last.get("tool_calls").is_none();
    let said = last.get("content").and_then(Value::as_str).filter(|text| is_answer && !text.is_empty())?.to_owned();
    messages.pop();
    Some(said)
}

fn read_message(message: Value, knows_developer: bool, mask: &dyn Fn(&str) -> String) -> Result<Value, &'static str> {
    let Value::Object(fields) = message else { return Err("messages must be a list of objects") };
    let mut out = Map::new();
    for (name, value) in fields {
        let value = match name.as_str() {
            "role" => role(&value, knows_developer)?,
            "content" => content(value, mask)?,
            "tool_calls" => masked(unpack_arguments(value), mask),
            _ => masked(value, mask),
        };
        out.insert(mask(&name), value);
    }
    out.entry("content").or_insert_with(|| Value::String(String::new()));
    if out.contains_key("role") { Ok(Value::Object(out)) } else { Err("each message needs a role") }
}

fn role(value: &Value, knows_developer: bool) -> Result<Value, &'static str> {
    let Some(role) = value.as_str().filter(|role| ROLES.contains(role)) else {
        return Err("role must be system, developer, user, assistant, tool or function");
    };
    let role = if role == "developer" && !knows_developer { "system" } else { role };
    Ok(Value::String(role.to_owned()))
}

/// Templates of text models expect one string: text parts are joined.
fn content(value: Value, mask: &dyn Fn(&str) -> String) -> Result<Value, &'static str> {
    let text = match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        Value::Array(parts) => {
            let mut text = String::new();
            for part in &parts {
                let part = part.as_str().or_else(|| part.get("text").and_then(Value::as_str));
                text.push_str(part.ok_or("this model reads text only")?);
            }
            text
        }
        _ => return Err("content must be a string, null or a list of parts"),
    };
    Ok(Value::String(mask(&text)))
}

/// OpenAI sends the arguments of a call as a string of JSON; templates expect the object.
fn unpack_arguments(mut calls: Value) -> Value {
    for call in calls.as_array_mut().into_iter().flatten() {
        if let Some(arguments) = call.get_mut("function").and_then(|function| function.get_mut("arguments")) {
            let parsed =
                arguments.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object);
            if let Some(parsed) = parsed {
                *arguments = parsed;
            }
        }
    }
    calls
}

/// Every text in it masked, names included.
fn masked(value: Value, mask: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(mask(&text)),
        Value::Array(values) => Value::Array(values.into_iter().map(|value| masked(value, mask)).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (mask(&name), masked(value, mask))).collect())
        }
        other => other,
    }
}

/// Fields that a template may read beside the messages. `chat_template_kwargs` are spread out, and never replace what we set ourselves.
pub(super) fn template_fields<'f>(
    fields: &'f [(String, Box<RawValue>)],
    mask: &dyn Fn(&str) -> String,
) -> Result<Map<String, Value>, &'f str> {
    let mut out = Map::new();
    for (name, json) in fields {
        let value: Value = serde_json::from_str(json.get()).map_err(|_| name.as_str())?;
        match (name.as_str(), masked(value, mask)) {
            ("chat_template_kwargs", Value::Object(more)) => out.extend(more),
            (_, Value::Null) => {}
            (name, value) => {
                out.insert(name.to_owned(), value);
            }
        }
    }
    for ours in ["messages", "add_generation_prompt", "bos_token", "eos_token"] {
        out.remove(ours);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn upper(text: &str) -> String {
        text.replace('<', "‹")
    }

    #[test]
    fn every_text_is_masked_wherever_it_hides() {
        let given = json!([
            {"role":"user","content":[{"type":"text","text":"<a"},{"type":"text","text":"b"}],"name":"<n"},
            {"role":"assistant","content":null,"tool_calls":[{"function":{"name":"<f","arguments":"{\"<k\":\"<v\"}"}}]},
        ]);
        let read = read(&given.to_string(), true, &upper).unwrap();
        assert_eq!(
            read,
            json!([
                {"role":"user","content":"‹ab","name":"‹n"},
                {"role":"assistant","content":"","tool_calls":[{"function":{"name":"‹f","arguments":{"‹k":"‹v"}}}]},
            ])
        );
        let fields = [(
            "chat_template_kwargs".to_owned(),
            RawValue::from_string(r#"{"enable_thinking":false,"messages":[],"x":"<"}"#.to_owned()).unwrap(),
        )];
        assert_eq!(Value::Object(template_fields(&fields, &upper).unwrap()), json!({"enable_thinking":false,"x":"‹"}));
    }

    #[test]
    fn roles_are_a_closed_set_and_pictures_are_refused() {
        let role_of = |role: &str, knows| read(&json!([{"role":role,"content":"x"}]).to_string(), knows, &upper);
        assert!(role_of("im_end", true).is_err());
        assert_eq!(role_of("developer", false).unwrap(), json!([{"role":"system","content":"x"}]));
        assert_eq!(role_of("developer", true).unwrap(), json!([{"role":"developer","content":"x"}]));
        let picture = json!([{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]);
        assert_eq!(read(&picture.to_string(), true, &upper), Err("this model reads text only"));
        assert!(read(r#"[{"content":"x"}]"#, true, &upper).is_err() && read("{}", true, &upper).is_err());
    }

    #[test]
    fn an_answer_at_the_end_is_begun_not_asked() {
        let mut messages =
            json!([{ "role": "user", "content": "q" }, { "role": "assistant", "content": "The capital" }]);
        assert_eq!(take_begun_answer(&mut messages).as_deref(), Some("The capital"));
        assert_eq!(messages, json!([{ "role": "user", "content": "q" }]));
        assert_eq!(take_begun_answer(&mut messages), None);
        let mut calls =
            json!([{ "role": "user", "content": "q" }, { "role": "assistant", "content": "x", "tool_calls": [] }]);
        assert_eq!(take_begun_answer(&mut calls), None);
    }
}
