"""What the unmodified official `openai` Python package sees of a platform.

Environment: BASE_URL (without /v1), API_KEY, MODEL (an engine that echoes the last user message), and one model each with a
property: REASONING_MODEL (reasons first), SHORT_MODEL (a context of 64 tokens), SLOW_MODEL (answers for minutes) with SLOW_STATS
(its engine's /stats). REAL_MODEL, a real language model, may be empty: then what needs one is skipped.

Prints a line a check, `passed|failed|skipped: NAME`; exit 1 when one failed. `checks.mjs` says the same for Node.
"""

import asyncio
import json
import os
import sys
import time
import traceback
import urllib.error
import urllib.request

import openai

BASE_URL = os.environ["BASE_URL"].rstrip("/")
API_KEY = os.environ["API_KEY"]
MODEL = os.environ["MODEL"]
REAL_MODEL = os.environ.get("REAL_MODEL", "")
DEADLINE_S = 10
CHINESE = "城门常开，灯火不灭；龙🐉守𠮷门。"

v1 = openai.OpenAI(base_url=f"{BASE_URL}/v1", api_key=API_KEY, max_retries=0, timeout=120)
# DeepSeek's own clients leave /v1 out.
root = openai.OpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0, timeout=120)

CHECKS = []


class Skip(Exception):
    """Why a check could not be made."""


def check(function):
    CHECKS.append(function)
    return function


def user(text):
    return [{"role": "user", "content": text}]


def equal(found, wanted, what="value"):
    assert found == wanted, f"{what} is {found!r}, not {wanted!r}"


def raises(kind, status, code, call):
    """`call` must fail as `kind` with this status and code; the error is returned."""
    try:
        call()
    except kind as error:
        equal(error.status_code, status, "status")
        equal(error.code, code, "code")
        assert error.request_id, "no x-request-id"
        return error
    raise AssertionError(f"no {kind.__name__}")


def raw(method, path, body=None, key=API_KEY):
    """A request without the SDK: status, headers, JSON."""
    headers = {"Authorization": f"Bearer {key}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(BASE_URL + path, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.load(error)


def slow_stats():
    with urllib.request.urlopen(os.environ["SLOW_STATS"], timeout=DEADLINE_S) as answer:
        return json.load(answer)


def wait_for_slow(is_reached, what):
    """Asks the slow engine until it says so; each ask is a round trip."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_reached(stats := slow_stats()):
        assert time.monotonic() < deadline, f"{what}: {stats}"
    return stats


def text_of(stream):
    """A stream's text, the reason of its end, and its usage chunks."""
    text, reason, usages = "", None, []
    for chunk in stream:
        if chunk.usage:
            usages.append(chunk)
        for choice in chunk.choices:
            piece = choice.delta.content if hasattr(choice, "delta") else choice.text
            text += piece or ""
            reason = choice.finish_reason or reason
    return text, reason, usages


@check
def models_are_listed_and_found():
    ids = [model.id for model in v1.models.list()]
    assert MODEL in ids, ids
    equal(v1.models.retrieve(MODEL).object, "model")
    raises(openai.NotFoundError, 404, "model_not_found", lambda: v1.models.retrieve("no-such-model"))


@check
def a_chat_is_answered():
    answer = v1.chat.completions.create(model=MODEL, messages=user("open the gate please"), max_tokens=4)
    choice = answer.choices[0]
    equal((answer.object, answer.model, len(answer.choices)), ("chat.completion", MODEL, 1))
    equal((choice.message.role, choice.message.content), ("assistant", "open the gate please"))
    equal(choice.finish_reason, "length")
    equal((answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens), (5, 4, 9))
    assert abs(answer.created - time.time()) < 60, answer.created


@check
def an_answer_carries_its_request_id_and_what_is_left():
    answer = v1.chat.completions.with_raw_response.create(model=MODEL, messages=user("hello"), max_tokens=1)
    equal(answer.parse().choices[0].message.content, "hello")
    assert answer.headers.get("x-request-id"), "no x-request-id"
    names = [f"x-ratelimit-{what}-{of}" for of in ("requests", "tokens") for what in ("limit", "remaining", "reset")]
    told = [name for name in names if answer.headers.get(name)]
    # An account without a limit on tokens is told none.
    assert told in (names, names[:3]), f"told only {told}"


@check
def a_stream_says_the_same_as_a_plain_answer():
    ask = {"model": MODEL, "messages": user("one two three four five six seven"), "max_tokens": 12}
    plain = v1.chat.completions.create(**ask).choices[0].message.content
    text, reason, usages = text_of(v1.chat.completions.create(**ask, stream=True))
    equal((text, reason, usages), (plain, "length", []))
    equal(len(text.split()), 12)


@check
def a_stream_ends_with_its_usage_when_asked():
    stream = v1.chat.completions.create(
        model=MODEL, messages=user("count me"), max_tokens=5, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    equal(chunks[-1].choices, [])
    usage = chunks[-1].usage
    equal((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (2, 5, 7))
    assert all(chunk.usage is None for chunk in chunks[:-1])
    equal(len({chunk.id for chunk in chunks}), 1, "number of ids")


@check
def the_async_client_streams_several_answers_at_once():
    async def ask(client, word):
        stream = await client.chat.completions.create(
            model=MODEL, messages=user(word), max_tokens=8, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def ask_all():
        async with openai.AsyncOpenAI(base_url=f"{BASE_URL}/v1", api_key=API_KEY, max_retries=0) as client:
            return await asyncio.gather(*(ask(client, f"word{n}") for n in range(4)))

    for n, text in enumerate(asyncio.run(ask_all())):
        equal(text, " ".join([f"word{n}"] * 8))


@check
def both_names_of_the_limit_limit():
    for name in ("max_tokens", "max_completion_tokens"):
        answer = v1.chat.completions.create(model=MODEL, messages=user("a b c d e f"), **{name: 3})
        equal((answer.choices[0].message.content, answer.choices[0].finish_reason), ("a b c", "length"), name)
        equal(answer.usage.completion_tokens, 3, name)


@check
def stop_texts_end_the_answer_and_are_not_in_it():
    for stop in (" gate", ["nowhere", " gate"]):
        answer = v1.chat.completions.create(model=MODEL, messages=user("keep the gate shut"), stop=stop)
        equal((answer.choices[0].message.content, answer.choices[0].finish_reason), ("keep the", "stop"))


@check
def seeds_temperatures_and_what_is_unknown_are_taken():
    ask = {"model": MODEL, "messages": user("same again"), "max_tokens": 6, "seed": 7, "temperature": 0, "top_p": 0.9}
    answers = {v1.chat.completions.create(**ask).choices[0].message.content for _ in range(2)}
    equal(len(answers), 1, "number of answers")
    v1.chat.completions.create(
        model=MODEL, messages=user("x"), max_tokens=1, user="somebody", metadata={"a": "b"},
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        extra_body={"thinking": {"type": "disabled"}, "nobody_knows_this": [1, 2]})


@check
def a_json_object_is_one():
    answer = v1.chat.completions.create(
        model=MODEL, messages=user("json please"), response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


@check
def messages_of_many_shapes_are_read():
    answer = v1.chat.completions.create(model=MODEL, max_tokens=3, messages=[
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "second part"}, {"type": "text", "text": " third"}]},
    ])
    equal(answer.choices[0].message.content, "second part third")


@check
def chinese_comes_back_character_for_character():
    ask = {"model": MODEL, "messages": user(CHINESE), "max_tokens": len(CHINESE)}
    equal(v1.chat.completions.create(**ask).choices[0].message.content, CHINESE)
    text, _, _ = text_of(v1.chat.completions.create(**ask, stream=True))
    equal(text, CHINESE)


@check
def completions_are_answered():
    answer = v1.completions.create(model=MODEL, prompt="round and round", max_tokens=3)
    equal((answer.object, answer.choices[0].text), ("text_completion", "round and round"))
    stream = v1.completions.create(model=MODEL, prompt="round and round", max_tokens=3, stream=True)
    equal(text_of(stream)[:2], ("round and round", "length"))


@check
def a_wrong_key_is_refused():
    guessed = API_KEY[:-1] + ("0" if API_KEY[-1] != "0" else "1")
    for key in ("sk-nothing", "rmp_" + "a" * 49, guessed, "密钥".encode().hex()):
        client = openai.OpenAI(base_url=f"{BASE_URL}/v1", api_key=key, max_retries=0)
        error = raises(openai.AuthenticationError, 401, "invalid_api_key", client.models.list)
        equal(error.type, "authentication_error")
        ask = lambda: client.chat.completions.create(model=MODEL, messages=user("x"))
        raises(openai.AuthenticationError, 401, "invalid_api_key", ask)


@check
def bad_json_is_refused():
    for body in (b"{", b"\xff\xfe", b'{"model": "x", }'):
        status, headers, answer = raw("POST", "/v1/chat/completions", body)
        equal((status, answer["error"]["code"], answer["error"]["type"]), (400, "bad_json", "invalid_request_error"))
        assert headers["x-request-id"]


@check
def bad_parameters_are_named():
    ask = lambda **more: v1.chat.completions.create(**{"model": MODEL, "messages": user("x"), **more})
    for name, value in (("temperature", "hot"), ("max_tokens", 0), ("messages", []), ("messages", "x"), ("stream", 7)):
        error = raises(openai.BadRequestError, 400, "bad_parameter", lambda: ask(**{name: value}))
        equal((error.type, (error.param or "").split("[")[0].split(".")[0]), ("invalid_request_error", name))


@check
def an_unknown_model_is_refused():
    ask = lambda: v1.chat.completions.create(model="no-such-model", messages=user("x"))
    error = raises(openai.NotFoundError, 404, "model_not_found", ask)
    equal(error.type, "invalid_request_error")


@check
def too_long_a_prompt_is_refused():
    for stream in (False, True):
        ask = lambda: list(v1.chat.completions.create(
            model=os.environ["SHORT_MODEL"], messages=user("long " * 400), stream=stream))
        error = raises(openai.BadRequestError, 400, "context_length_exceeded", ask)
        equal(error.type, "invalid_request_error")
    short = v1.chat.completions.create(model=os.environ["SHORT_MODEL"], messages=user("short"), max_tokens=1)
    equal(short.choices[0].message.content, "short")


@check
def too_large_a_body_is_refused():
    ask = lambda: v1.chat.completions.create(model=MODEL, messages=user("x" * 3 * 1024 * 1024))
    for _ in range(5):  # the refusal must outlive what the client still sends
        raises(openai.APIStatusError, 413, "too_large", ask)


@check
def leaving_a_stream_frees_the_engine():
    before = slow_stats()
    stream = v1.chat.completions.create(model=os.environ["SLOW_MODEL"], messages=user("stay"), stream=True)
    for count, _ in enumerate(stream):
        if count == 3:
            break
    equal(slow_stats()["running"], 1, "running")
    stream.close()
    after = wait_for_slow(lambda stats: stats["running"] == 0, "still running")
    equal(after["cancelled"], before["cancelled"] + 1, "cancelled")


@check
def leaving_before_a_plain_answer_frees_the_engine():
    before = slow_stats()
    client = v1.with_options(timeout=0.4)
    try:
        client.chat.completions.create(model=os.environ["SLOW_MODEL"], messages=user("stay"))
        raise AssertionError("an answer")
    except openai.APITimeoutError:
        pass
    after = wait_for_slow(lambda stats: stats["running"] == 0 and stats["waiting"] == 0, "still running")
    equal(after["cancelled"], before["cancelled"] + 1, "cancelled")


@check
def deepseek_root_paths_answer():
    assert MODEL in [model.id for model in root.models.list()]
    answer = root.chat.completions.create(model=MODEL, messages=user("at the root"), max_tokens=3)
    equal(answer.choices[0].message.content, "at the root")
    text, _, _ = text_of(root.chat.completions.create(
        model=MODEL, messages=user("at the root"), max_tokens=3, stream=True))
    equal(text, "at the root")
    equal(root.completions.create(model=MODEL, prompt="a b", max_tokens=2).choices[0].text, "a b")


@check
def deepseek_reasoning_stands_beside_the_content():
    ask = {"model": os.environ["REASONING_MODEL"], "messages": user("why"), "max_tokens": 64}
    answer = root.chat.completions.create(**ask)
    message = answer.choices[0].message
    equal(message.reasoning_content, "Let me think about it")
    assert message.content.startswith("The fortress"), message.content
    equal(answer.usage.completion_tokens_details.reasoning_tokens, 5)
    content, reasoning, order = "", "", []
    for chunk in root.chat.completions.create(**ask, stream=True):
        for choice in chunk.choices:
            piece = getattr(choice.delta, "reasoning_content", None)
            if piece:
                reasoning += piece
                order.append("reasoning")
            if choice.delta.content:
                content += choice.delta.content
                order.append("content")
    equal((content, reasoning), (message.content, message.reasoning_content))
    equal(order, sorted(order, reverse=True), "order")


@check
def deepseek_usage_tells_what_the_cache_held():
    ask = {"model": MODEL, "messages": user("what did the cache hold")}
    usages = [root.chat.completions.create(**ask).usage]
    usages += [chunk.usage for chunk in text_of(root.chat.completions.create(**ask, stream=True))[2]]
    equal(len(usages), 2, "number of usages")
    for usage in usages:
        equal(usage.prompt_cache_hit_tokens + usage.prompt_cache_miss_tokens, usage.prompt_tokens)
        assert usage.prompt_tokens > 0


@check
def deepseek_balance_is_told():
    status, _, answer = raw("GET", "/user/balance")
    equal(status, 200)
    equal(answer["is_available"], True)
    equal(answer["balance_infos"], [
        {"currency": "USD", "total_balance": "0.00", "granted_balance": "0.00", "topped_up_balance": "0.00"}])
    equal(raw("GET", "/user/balance", key="rmp_wrong")[0], 401)


@check
def deepseek_parameter_errors_are_422():
    ask = lambda: root.chat.completions.create(model=MODEL, messages=user("x"), temperature="hot")
    raises(openai.UnprocessableEntityError, 422, "bad_parameter", ask)
    equal(raw("POST", "/chat/completions", b"{")[0], 400)


def real_model():
    if not REAL_MODEL:
        raise Skip("no real model on this machine")
    return REAL_MODEL


@check
def a_real_model_knows_the_capital_of_france():
    ask = {"model": real_model(), "messages": user("What is the capital of France?"), "temperature": 0, "max_tokens": 40}
    answer = v1.chat.completions.create(**ask)
    assert "Paris" in answer.choices[0].message.content, answer.choices[0].message.content
    text, reason, _ = text_of(v1.chat.completions.create(**ask, stream=True))
    assert "Paris" in text and reason in ("stop", "length"), (text, reason)
    assert answer.usage.prompt_tokens > 5 and answer.usage.completion_tokens > 1, answer.usage


@check
def a_real_model_keeps_chinese_whole():
    # The default model speaks little Chinese; a text that it goes on repeating shows that every character comes whole.
    line = "春天的花园里有一只猫😀。"
    ask = {"model": real_model(), "prompt": f"{line}\n" * 4, "temperature": 0, "max_tokens": 48, "stop": "\n"}
    text = "".join(part.choices[0].text for part in v1.completions.create(**ask, stream=True) if part.choices)
    assert text.startswith(line[:11]) and "\ufffd" not in text, text


@check
def a_real_model_writes_a_json_object():
    answer = v1.chat.completions.create(
        model=real_model(), messages=user("Describe Paris as a json object."), temperature=0, max_tokens=120,
        response_format={"type": "json_object"})
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content), dict)
    else:
        assert answer.choices[0].message.content.lstrip().startswith("{"), answer.choices[0].message.content


def main(only):
    has_failed = False
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        if only and not any(word in function.__name__ for word in only):
            continue
        try:
            function()
            print(f"passed: {name}", flush=True)
        except Skip as reason:
            print(f"skipped: {name}: {reason}", flush=True)
        except Exception as error:  # every failure is a line; the next check is made all the same
            has_failed = True
            where = traceback.extract_tb(error.__traceback__)
            line = next((frame.lineno for frame in reversed(where) if frame.filename == __file__), 0)
            print(f"failed: {name}: line {line}: {type(error).__name__}: {str(error)[:400]}", flush=True)
    return 1 if has_failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
