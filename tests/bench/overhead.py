#!/usr/bin/env python3
"""What a request costs in front of the scripted engine: the platform with everything on, nginx and HAProxy as bare proxies.

    python3 tests/bench/overhead.py [--rempart FILE[,FILE…]] [--rounds 9] [--seconds 4] [--json FILE] [--only NAMES]

Needs Linux, two cores, nginx, haproxy, wrk and a release build of rempart. It measures CPU time of the server's process (user and
system, all its threads, /proc/PID/stat) for each answered request, because that is what noise on a shared machine moves least. The
server runs on core 0, engine and generator on core 1; the servers take turns, round by round; medians and the spread are told.
Three loads, each over 64 kept connections:

  whole   chat completions of one token in one piece, in a closed loop: saturation
  stream  chat completions streamed in 16 tokens, in a closed loop: saturation
  first   50 streams a second, an open loop: the time to first token, beside the engine's own

Several builds of rempart may be given to compare them in the same run. Everything listens on 127.0.0.1 and ends with this program.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ACCOUNTS = 4096
CONNECTIONS = 64
SERVER_CORE, OTHER_CORE = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")
# The engine's speed for each load: tokens a second of one answer. 50 makes the first token come after 20 ms.
ENGINES = {"whole": 1_000_000, "stream": 1_000, "first": 50}
TOKENS = {"whole": 1, "stream": 16, "first": 16}


def pinned(core, command, **options):
    return subprocess.Popen(["taskset", "-c", core, *command], **options)


class Server:
    """A process that answers at a port; its CPU time is read from /proc."""

    def __init__(self, name, port, process, children=False):
        self.name, self.port, self.process, self.has_workers = name, port, process, children

    def pids(self):
        pid = self.process.pid
        if not self.has_workers:
            return [pid]
        listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, listed)]

    def cpu_us(self):
        total = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total * 1_000_000 / TICKS


class Stage:
    """Everything that runs for one measurement; ended together."""

    def __init__(self, rempart, directory):
        self.rempart, self.directory, self.processes = rempart, pathlib.Path(directory), []
        self.env = {**os.environ, "TOKIO_WORKER_THREADS": "1"}

    def start(self, core, command, **options):
        process = pinned(core, command, env=self.env, **options)
        self.processes.append(process)
        return process

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()

    def written(self, template, name, **values):
        text = (HERE / template).read_text()
        for key, value in {"DIR": self.directory, **values}.items():
            text = text.replace(f"@{key}@", str(value))
        path = self.directory / name
        path.write_text(text)
        return path

    def engine(self, core, tokens_per_second):
        port = free_port()
        command = [self.rempart[0], "engine", "scripted", "--listen", f"127.0.0.1:{port}", "--sequences", "4096",
                   "--kv-tokens", "50000000", "--prefill-tps", "1000000000", "--decode-tps", str(tokens_per_second)]
        process = self.start(core, command, stdout=subprocess.DEVNULL)
        await_port(port)
        return Server("engine", port, process)

    def proxy(self, name, engine):
        port, directory = free_port(), self.directory
        if name == "nginx":
            config = self.written("nginx.conf", f"nginx-{port}.conf", PORT=port, ENGINE=engine.port)
            command = ["nginx", "-p", str(directory), "-e", str(directory / "nginx.log"), "-c", str(config)]
        else:
            config = self.written("haproxy.cfg", f"haproxy-{port}.cfg", PORT=port, ENGINE=engine.port)
            command = ["haproxy", "-db", "-q", "-f", str(config)]
        process = self.start(SERVER_CORE, command)
        await_port(port)
        return Server(name, port, process, children=name == "nginx")

    def platform(self, name, program, engine, keys):
        port = free_port()
        data = self.directory / f"data-{port}"
        config = self.written("rempart.toml", f"rempart-{port}.toml", PORT=port, ENGINE=engine.port)
        base = [program, "--config", str(config), "--data", str(data)]
        accounts = self.directory / "accounts.jsonl"
        if not accounts.exists():
            rows = (json.dumps({"name": f"member{n}", "standing": "member", "keys": 1}) for n in range(ACCOUNTS))
            accounts.write_text("\n".join(rows) + "\n")
        imported = subprocess.run([*base, "account", "import", str(accounts)], check=True, capture_output=True, text=True)
        keys.write_text("".join(f"{json.loads(line)['keys'][0]}\n" for line in imported.stdout.splitlines()))
        process = self.start(SERVER_CORE, [*base, "serve"], stdout=subprocess.DEVNULL)
        await_port(port)
        await_ready(port)
        return Server(name, port, process)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens at port {port}")


def await_ready(port):
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
                if json.load(answer)["engines"] == {"up": "ready"}:
                    return
        except urllib.error.HTTPError:
            pass  # 503: it starts
        time.sleep(0.05)
    sys.exit("the platform does not find its engine")


def question(load):
    text = "What is the capital of France? Answer in one word, please, and do not explain how you came to know it."
    return json.dumps({"model": "scripted", "messages": [{"role": "user", "content": text}], "max_tokens": TOKENS[load],
                       "stream": load != "whole"})


def ask_hard(server, keys, load, seconds):
    """A closed loop of wrk; CPU for each answered request, and how busy the server's core was."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(HERE / "ask.lua"),
               f"http://127.0.0.1:{server.port}/", "--", str(keys), question(load)]
    before, began = server.cpu_us(), time.monotonic()
    ran = subprocess.run(["taskset", "-c", OTHER_CORE, *command], check=True, capture_output=True, text=True)
    spent, lasted = server.cpu_us() - before, time.monotonic() - began
    said = json.loads(re.search(r"^JSON (.*)$", ran.stdout, re.M).group(1))
    if said["bad_status"] or said["broken"] > CONNECTIONS:
        sys.exit(f"{server.name}: not everything was answered: {said}")
    return {"cpu_us": spent / said["requests"], "per_s": said["requests"] / said["seconds"],
            "busy": spent / 1e6 / lasted, "p50_ms": said["p50_ms"], "p99_ms": said["p99_ms"]}


def ask_gently(stage, server, keys, seconds):
    """50 streams a second; the time to first token."""
    command = [stage.rempart[0], "bench", "load", "--mode", "stream", "--rate", "50", "--streams", str(CONNECTIONS),
               "--url", f"http://127.0.0.1:{server.port}/v1/chat/completions", "--model", "scripted", "--keys", str(keys),
               "--duration", str(seconds), "--warmup", "0.5", "--max-tokens", str(TOKENS["first"])]
    before = server.cpu_us()
    ran = subprocess.run(["taskset", "-c", OTHER_CORE, *command], check=True, capture_output=True, text=True)
    spent = server.cpu_us() - before
    said = json.loads(ran.stdout)
    if said["errors"]:
        sys.exit(f"{server.name}: not everything was answered: {said}")
    return {"cpu_us": spent / (said["done"] * (seconds + 0.5) / seconds),
            "ttft_p50_ms": said["ttft_ms"]["p50"], "ttft_p99_ms": said["ttft_ms"]["p99"]}


def run_load(load, args, directory):
    """All rounds of one load: a list of figures for each server."""
    stage = Stage(args.rempart, directory)
    figures = {}
    try:
        own, behind = stage.engine(SERVER_CORE, ENGINES[load]), stage.engine(OTHER_CORE, ENGINES[load])
        servers = [(Server("engine alone", own.port, own.process), None)]
        for name in ("nginx", "haproxy"):
            servers.append((stage.proxy(name, behind), None))
        for number, program in enumerate(args.rempart):
            name = "rempart" if len(args.rempart) == 1 else f"rempart {pathlib.Path(program).name}"
            keys = stage.directory / f"keys-{number}"
            servers.append((stage.platform(name, program, behind, keys), keys))
        some_keys = servers[-1][1]
        for number in range(args.rounds + 1):
            for server, keys in servers:
                keys = keys or some_keys
                if load == "first":
                    told = ask_gently(stage, server, keys, args.seconds)
                else:
                    told = ask_hard(server, keys, load, args.seconds)
                if number > 0:  # The first round warms up.
                    figures.setdefault(server.name, []).append(told)
    finally:
        stage.stop()
    return figures


def spread(rows, field, digits=1):
    values = [row[field] for row in rows]
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


def tell(load, figures):
    columns = ["cpu_us", "ttft_p50_ms", "ttft_p99_ms"] if load == "first" else ["cpu_us", "busy", "per_s", "p50_ms"]
    print(f"\n{load}: median [least-most] of {len(next(iter(figures.values())))} rounds")
    print("| server | " + " | ".join(columns) + " | CPU to nginx's |")
    print("| --- |" + " --- |" * (len(columns) + 1))
    for name, rows in figures.items():
        # Round by round, so that what slows the machine for a while slows both.
        to_nginx = statistics.median(a["cpu_us"] / b["cpu_us"] for a, b in zip(rows, figures["nginx"]))
        digits = {"per_s": 0, "busy": 2, "ttft_p50_ms": 2, "ttft_p99_ms": 2, "p50_ms": 2}
        cells = [spread(rows, column, digits.get(column, 1)) for column in columns]
        print(f"| {name} | " + " | ".join(cells) + f" | {to_nginx:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rempart", default="target/release/rempart", type=lambda text: text.split(","))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", default="whole,stream,first", type=lambda text: text.split(","))
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    for program in ("nginx", "haproxy", "wrk", "taskset"):
        if not shutil.which(program):
            sys.exit(f"{program} is missing")
    if not pathlib.Path("/proc/self/stat").exists() or (os.cpu_count() or 1) < 2:
        sys.exit("this needs Linux and two cores")
    every = {}
    for load in args.only:
        with tempfile.TemporaryDirectory(prefix="rempart-bench-") as directory:
            every[load] = run_load(load, args, directory)
        tell(load, every[load])
    if args.json:
        args.json.write_text(json.dumps(every, indent=1))


if __name__ == "__main__":
    main()
