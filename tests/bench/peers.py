#!/usr/bin/env python3
"""The drill's scenarios against Rempart and against others in their best configurations, interleaved in one run.

    python3 tests/bench/peers.py --cells token-flood,invalid-keys-inside [--fronts nothing,nginx,haproxy,haproxy-held,smg,litellm,rempart,rempart-unheld]
                                 [--rempart FILE] [--rounds 3] [--quiet 6] [--attack 8] [--smg FILE] [--litellm FILE] [--json FILE]

A cell is a scenario of `rempart drill --list`; its phases are shortened to --quiet and --attack seconds (long-answers keeps its minute).
Every front stands before a scripted engine of the scenario's shape. Front and engine share one core, the drill has another; the
drill measures how late its own generator was, and a run in which that was over 5 ms (p99) is marked and does not count. Told are
medians of the rounds: members' success, p99 of the time that the scenario judges to that of the same run's quiet phase, CPU
microseconds of the front for each attacker's request. Everything listens on 127.0.0.1 and ends with this program.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
SERVER_CORE = "0"
FRONTS = ["nothing", "nginx", "haproxy", "haproxy-held", "smg", "litellm", "rempart", "rempart-unheld"]
SHAPE = {"sequences": 8, "kv_tokens": 1_000_000, "prefill_tps": 1_000_000, "decode_tps": 100, "tokens": 1000}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, directory, seconds=60):
    for _ in range(seconds * 20):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens at port {port}: {(directory / 'log').read_text()[-2000:]}")


class Stage:
    """What runs for one measurement; ended together."""

    def __init__(self, args, directory):
        self.args, self.directory, self.processes = args, pathlib.Path(directory), []

    def start(self, command, **options):
        env = {**os.environ, "TOKIO_WORKER_THREADS": "1", **options.pop("env", {})}
        log = open(self.directory / "log", "ab")
        process = subprocess.Popen(["taskset", "-c", SERVER_CORE, *command], env=env, stdout=log, stderr=log, **options)
        self.processes.append(process)
        return process

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def written(self, template, name, **values):
        text = (HERE / "peers" / template).read_text()
        for key, value in {"DIR": self.directory, **values}.items():
            text = text.replace(f"@{key}@", str(value))
        (self.directory / name).write_text(text)
        return self.directory / name

    def engine(self, shape):
        port = free_port()
        numbers = [part for key, value in shape.items() for part in (f"--{key.replace('_', '-')}", str(value))]
        process = self.start([self.args.rempart, "engine", "scripted", "--listen", f"127.0.0.1:{port}", *numbers])
        await_port(port, self.directory)
        return port, process

    def front(self, name, engine, keys):
        """Starts a front; its port and process."""
        port = free_port()
        if name == "nginx":
            config = self.written("nginx.conf", "nginx.conf", PORT=port, ENGINE=engine)
            command, env = ["nginx", "-p", str(self.directory), "-e", str(self.directory / "nginx.log"), "-c", str(config)], {}
        elif name.startswith("haproxy"):
            members = (keys / "members.txt").read_text().split()
            (self.directory / "members.map").write_text("".join(f"{key} 1\n" for key in members))
            refuse = "tarpit" if name == "haproxy-held" else "deny"
            config = self.written("haproxy.cfg", "haproxy.cfg", PORT=port, ENGINE=engine, REFUSE=refuse)
            command, env = ["haproxy", "-db", "-q", "-f", str(config)], {}
        elif name == "smg":
            command, env = smg_command(self, port, engine, keys)
        elif name == "litellm":
            config = self.written("litellm.yaml", "litellm.yaml", ENGINE=engine)
            self.written("litellm_auth.py", "litellm_auth.py")
            command = [self.args.litellm, "--config", str(config), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1"]
            env = {"DRILL_KEYS": str(keys), "LITELLM_MASTER_KEY": f"sk-{os.urandom(24).hex()}"}
        else:
            sys.exit(f"no front {name}")
        process = self.start(command, env=env)
        await_port(port, self.directory)
        return port, process


def smg_command(stage, port, engine, keys):
    """The priority scheduler on: members are tenants of class interactive, which has four of eight sequences for itself."""
    policies, arguments = [], []
    for group in ("members", "newcomers", "new", "turned"):
        for number, key in enumerate((keys / f"{group}.txt").read_text().split()):
            arguments += ["--tenant-api-key", f"{group}{number}:{key}"]
            if group in ("members", "turned"):
                policies.append(f'  "auth:{group}{number}":\n    max_class: interactive\n')
    config = stage.written("smg.yaml", "smg.yaml")
    config.write_text(config.read_text() + "".join(policies))
    return [stage.args.smg, "launch", "--backend", "openai", "--worker-urls", f"http://127.0.0.1:{engine}", "--host", "127.0.0.1",
            "--port", str(port), "--max-concurrent-requests", "8", "--disable-retries", "--disable-circuit-breaker",
            "--priority-scheduler-enabled", "--priority-scheduler-config", str(config),
            "--prometheus-port", str(free_port()), "--log-level", "error", *arguments], {}


def shortened(text, quiet, attack):
    """The scenario with shorter phases and none after the attack: what is compared is the attack against the quiet phase."""
    head, *blocks = text.split("[[phases]]\n")
    tail = ""
    if "\n[" in blocks[-1]:
        at = blocks[-1].index("\n[")
        blocks[-1], tail = blocks[-1][:at + 1], blocks[-1][at + 1:]
    kept = []
    for block in blocks:
        role = re.search(r'role = "(\w+)"', block).group(1)
        seconds = float(re.search(r"seconds = ([\d.]+)", block).group(1))
        if role == "after":
            continue
        seconds = {"warmup": 1, "quiet": quiet, "attack": seconds if seconds >= 60 else attack}.get(role, seconds)
        kept.append("[[phases]]\n" + re.sub(r"seconds = [\d.]+", f"seconds = {seconds}", block))
    head = re.sub(r"\[writers\]\n(?:[^\[\n].*\n|\n)*", "", head)
    return head + "".join(kept) + tail


def measure(args, cell, name):
    with tempfile.TemporaryDirectory(prefix="rempart-peers-") as directory:
        stage = Stage(args, directory)
        scenario = stage.directory / f"{cell}.toml"
        text = (args.scenarios / f"{cell}.toml").read_text()
        short = shortened(text, args.quiet, args.attack)
        if name == "rempart-unheld":
            # What a refusal costs is seen where refusals are not held.
            head, line = "[platform.limits]\n", "refusal_hold_ms = 1\n"
            short = short.replace(head, head + line) if head in short else f"{short}\n{head}{line}"
        scenario.write_text(short)
        shape = {**SHAPE, **tomllib.loads(text).get("engine", {})}
        keys = stage.directory / "keys"
        subprocess.run([args.rempart, "drill", str(scenario), "--write-keys", str(keys)], check=True)
        command = [args.rempart, "drill", str(scenario), "--json"]
        try:
            if not name.startswith("rempart"):
                port, process = stage.engine(shape)
                if name != "nothing":
                    port, process = stage.front(name, port, keys)
                command += ["--against", f"http://127.0.0.1:{port}", "--pid", str(process.pid)]
                if name == "smg":
                    command += ["--header", "x-smg-priority: interactive"]
            ran = subprocess.run(command, capture_output=True, text=True)
        finally:
            stage.stop()
        if not ran.stdout.strip():
            sys.exit(f"{cell} against {name}: {ran.stderr}")
        return figures(json.loads(ran.stdout), bool(tomllib.loads(text)["members"].get("stream")))


def figures(report, is_stream):
    quiet = next(phase for phase in report["phases"] if phase["role"] == "quiet")
    attack = next(phase for phase in report["phases"] if phase["role"] == "attack")
    time_of = (lambda m: m["ttft_ms"]["p99"]) if is_stream else (lambda m: m["total_ms"]["p99"])
    members, attackers = attack["members"], attack["attackers"]
    length = attack["to_s"] - attack["from_s"]
    own = quiet["cpu_s"] / (quiet["to_s"] - quiet["from_s"]) * length if quiet["cpu_s"] else 0
    spent = (attack["cpu_s"] or 0) - own
    served = [p for p in report["phases"] if p["role"] in ("quiet", "attack")]
    return {
        "done": members["done"], "sent": members["sent"], "done_percent": 100 * members["done"] / max(1, members["sent"]),
        "quiet_p99": time_of(quiet["members"]), "p99": time_of(members), "p50": members["ttft_ms"]["p50"], "quiet_p50": quiet["members"]["ttft_ms"]["p50"],
        "attacks_per_s": attackers["sent"] / length, "attacks_done": attackers["done"],
        # Of a few held refusals a second nothing can be told.
        "cpu_us": 1e6 * spent / attackers["sent"] if attackers["sent"] and spent > 0.1 * length else None,
        "core": (attack["cpu_s"] or 0) / length, "late_ms": report["generator"]["lateness_ms"]["p99"],
        "memory_mb": report["memory_mb"]["max"], "newcomers": attack["newcomers"]["done"] / max(1, attack["newcomers"]["sent"]),
        "phases": [p["name"] for p in served],
    }


def tell(cell, every):
    print(f"\n### {cell}")
    print("| front | members done % | sent | quiet p50 ms | p50 ms | quiet p99 ms | p99 ms | p99 / quiet | newcomers % | attacks/s | front's core | CPU us/attack | generator late p99 ms |")
    print("| --- |" + " --- |" * 12)
    for name, rows in every.items():
        def mid(field, digits=1):
            values = [row[field] for row in rows if row[field] is not None]
            return f"{statistics.median(values):.{digits}f}" if values else "-"
        ratio = statistics.median(row["p99"] / max(row["quiet_p99"], 0.001) for row in rows)
        least, most = min(r["done_percent"] for r in rows), max(r["done_percent"] for r in rows)
        spread = f" [{least:.1f}-{most:.1f}]" if most - least > 0.05 else ""
        late = max(row["late_ms"] for row in rows)
        print(f"| {name} | {mid('done_percent', 2)}{spread} | {sum(r['sent'] for r in rows)} | {mid('quiet_p50', 0)} | {mid('p50', 0)} | {mid('quiet_p99', 0)} | {mid('p99', 0)} | {ratio:.2f} | "
              f"{100 * statistics.median(r['newcomers'] for r in rows):.0f} | {mid('attacks_per_s', 0)} | {mid('core', 2)} | {mid('cpu_us')} | "
              f"{late:.1f}{' (does not count)' if late > 5 else ''} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", required=True, type=lambda text: text.split(","))
    parser.add_argument("--fronts", default="nothing,nginx,haproxy,haproxy-held,rempart", type=lambda text: text.split(","))
    parser.add_argument("--rempart", default="target/release/rempart", type=lambda text: str(pathlib.Path(text).resolve()))
    parser.add_argument("--scenarios", default=HERE.parent.parent / "crates/drill/scenarios", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quiet", type=float, default=6)
    parser.add_argument("--attack", type=float, default=8)
    parser.add_argument("--smg", default="smg")
    parser.add_argument("--litellm", default="litellm")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    if unknown := set(args.fronts) - set(FRONTS):
        sys.exit(f"no front {', '.join(unknown)}")
    result = {}
    for cell in args.cells:
        every = {name: [] for name in args.fronts}
        for _ in range(args.rounds):
            for name in args.fronts:
                every[name].append(measure(args, cell, name))
        result[cell] = every
        tell(cell, every)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
