//! Templates as models bring them render as Hugging Face's renderer has it.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

fn render(source: &str, messages: serde_json::Value, more: serde_json::Value) -> Result<String, TemplateRefusal> {
    let serde_json::Value::Object(more) = more else { unreachable!() };
    ChatTemplate::compile(source).unwrap().render(&TemplateInput {
        messages,
        add_generation_prompt: true,
        bos_token: "<s>".to_owned(),
        eos_token: "</s>".to_owned(),
        more,
    })
}

const CHATML: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

#[test]
fn chatml_keeps_a_system_prompt_and_adds_its_own_without_one() {
    let with =
        render(CHATML, json!([{"role":"system","content":"S"},{"role":"user","content":"春"}]), json!({})).unwrap();
    assert_eq!(with, "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n春<|im_end|>\n<|im_start|>assistant\n");
    let without = render(CHATML, json!([{"role":"user","content":"U"}]), json!({})).unwrap();
    assert!(without.starts_with("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nU"));
}

#[test]
fn python_habits_work() {
    let source = "{%- set ns = namespace(n=0) -%}\n{%- for m in messages %}\n    {%- set text = m.content.strip() %}\n    {%- if text.startswith('a') and '</think>' in text %}\n        {{- text.split('</think>')[-1].lstrip('\\n') | trim }}\n    {%- endif %}\n    {%- for k, v in m.items() %}{{- k.upper() }}{% endfor %}\n    {%- set ns.n = ns.n + 1 %}\n{%- endfor %}\n{{- ns.n }}{{ missing.part.x }}{{ messages[::-1][0].role }}{{ messages[0].get('none', '-') }}";
    let out = render(source, json!([{"role":"user","content":" abc</think>\nd "}]), json!({})).unwrap();
    assert_eq!(out, "dROLECONTENT1user-");
}

#[test]
fn what_a_template_raises_is_the_callers_to_read_and_other_failures_are_not() {
    let raised = render("{{ raise_exception('no system role') }}", json!([]), json!({})).unwrap_err();
    assert_eq!(raised.0, "no system role");
    let other = render("{{ 1 + 'a' }}", json!([{"role":"user","content":"secret"}]), json!({})).unwrap_err();
    assert!(other.0.starts_with("the model's chat template") && !other.0.contains("secret"));
    assert!(ChatTemplate::compile("{% if %}").is_none());
}

#[test]
fn a_template_that_would_never_end_is_stopped() {
    let endless = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
    assert!(render(endless, json!([]), json!({})).is_err());
    let deep = "{% macro again(n) %}{{ again(n + 1) }}{% endmacro %}{{ again(0) }}";
    assert!(render(deep, json!([]), json!({})).is_err());
}

#[test]
fn tools_are_written_as_python_writes_them() {
    let more = json!({"tools":[{"type":"function","function":{"name":"<f>","x":[1,true,null]}}]});
    let out =
        render("{% for t in tools %}{{ t | tojson }}{% endfor %}|{{ tools | tojson(indent=2) }}", json!([]), more)
            .unwrap();
    assert!(out.starts_with(r#"{"type": "function", "function": {"name": "<f>", "x": [1, true, null]}}|["#), "{out}");
    assert!(out.contains("\n  {\n    \"type\": \"function\""));
}

#[test]
fn blocks_leave_no_lines_of_their_own_and_loop_controls_work() {
    let source = "{% for m in messages %}\n    {% if m.role == 'x' %}\n        {% continue %}\n    {% endif %}\n{{ m.content }}\n{% break %}\n{% endfor %}\n{{ strftime_now('%Y') | length }}";
    assert_eq!(
        render(source, json!([{"role":"x","content":"no"},{"role":"y","content":"yes"}]), json!({})).unwrap(),
        "yes\n4"
    );
}
