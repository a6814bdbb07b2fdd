#!/usr/bin/env python3
"""What the front door holds and costs: registration gate and sign-in, measured at the real binary on loopback.

    python3 tests/bench/gate.py cost|flood|issue|guess|timing [--quick] [--quiet S] [--attack S] [--rempart FILE] [--examples DIR] [--json FILE]

  cost    CPU microseconds: the gate's functions, and whole requests on kept and new connections beside a bare hyper server
  flood   registrations in closed loops on new connections from 1, 256 and 4 096 addresses, without and with a solver: members' success and p99
          against the quiet phase of the same run; sessions and known devices; honest newcomers with ALTCHA's library at a phone's pace.
          Then the same before a platform whose gate is off: bare, behind nginx limit_req, behind HAProxy
  issue   challenges asked for as fast as one core generates: how many, and what members' p99 does
  guess   guesses at 10 000 accounts from 4 096 addresses at full speed (tests/sign-in/storm.py)
  timing  can known and unknown accounts be told apart by time? idle and under load

Needs Linux, two cores, a release build of rempart and of the examples guess and bare of rempart-gateway; flood needs Node and what
tests/browser/packages.sh installs, nginx and haproxy. Server and front run on core 0, engine and generators on core 1. Each result is a line of JSON,
appended to --json as it comes. Everything listens on 127.0.0.1 and ends with this program."""

import argparse
import base64
import hashlib
import http.client
import json
import math
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
SERVER, OTHER = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")
PASSWORD = "correct horse battery staple"
# Of that password, by the C reference implementation (19 MiB, 2 passes): what the platform itself would store.
PHC = "$argon2id$v=19$m=19456,t=2,p=1$aOFRunYDpktbE4MDBPSTIg$XwuWHEyK7SVy0RWI2P2QhAN3HfhKvRiLXx456OFyKow"
MEMBERS, KNOWN = 200, 24


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, what):
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"{what} does not listen")


def cpu_s(pid):
    """User and system time of a process and its children."""
    pids = [pid, *map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    total = 0
    for one in pids:
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def quantiles(values):
    ordered = sorted(values)
    pick = lambda q: round(ordered[min(len(ordered) - 1, int(q * len(ordered)))], 4) if ordered else None
    return {"count": len(ordered), "p50": pick(0.5), "p99": pick(0.99), "max": pick(1)}


class Stage:
    """Everything that runs for one measurement; ended together."""

    def __init__(self, args):
        self.args, self.processes = args, []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rempart-gate-"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, core, command, **options):
        options = {"stdout": subprocess.DEVNULL, "stderr": open(self.folder / "log", "ab"), **options}
        process = subprocess.Popen(["taskset", "-c", core, *map(str, command)], **options)
        self.processes.append(process)
        return process

    def engine(self):
        """A machine of its own, which a generator that fills the core it stands on must not slow down: before the generators in line."""
        port = free_port()
        first = ["nice", "-n", "-15"] if os.geteuid() == 0 else []
        self.start(OTHER, [*first, self.args.rempart, "engine", "scripted", "--listen", f"127.0.0.1:{port}", "--sequences", "64", "--kv-tokens",
                           "1000000", "--prefill-tps", "1000000", "--decode-tps", "1000", "--tokens", "16"])
        await_port(port, "the engine")
        return port

    def platform(self, more="", accounts=()):
        return Platform(self, more, accounts)


class Platform:
    """The real binary on one core, before a scripted engine on the other; `accounts` are rows of an import beside members with keys."""

    def __init__(self, stage, more, accounts):
        folder, rempart = stage.folder / f"platform-{len(stage.processes)}", stage.args.rempart
        folder.mkdir()
        engine = stage.engine()
        (folder / "rempart.toml").write_text(
            f'[server]\nconsole = "127.0.0.1:0"\ntrusted_proxies = ["127.0.0.1/32"]\n[models]\nfetch = false\ndefault = "scripted"\n'
            f'[engine.up]\nkind = "upstream"\nurl = "http://127.0.0.1:{engine}"\nsequences = 64\nkv_tokens = 1000000\n'
            f'[log]\nlevel = "warn"\n{more}')
        self.options = ["--config", str(folder / "rempart.toml"), "--data", str(folder / "data")]
        self.rempart = rempart
        rows = [{"name": f"member{n}", "standing": "member", "created": "2024-01-01T00:00:00Z", "password_hash": PHC, "keys": 1} for n in range(MEMBERS)]
        text = "\n".join(map(json.dumps, [*rows, *accounts]))
        said = subprocess.run([rempart, "account", "import", "-", *self.options], input=text, capture_output=True, text=True, check=True).stdout
        keys = [row["keys"][0] for row in map(json.loads, said.splitlines()) if row.get("keys")]
        self.keys = folder / "keys"
        self.keys.mkdir()
        (self.keys / "members.txt").write_text("\n".join(keys) + "\n")
        self.process = stage.start(SERVER, [rempart, "serve", "--listen", "127.0.0.1:0", *self.options], stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if match := re.match(r"(public|console)\s+http://\S+:(\d+)", line):
                setattr(self, match[1], int(match[2]))
            if line.strip() == "ready":
                break
        else:
            sys.exit((stage.folder / "log").read_text()[-2000:])
        self.port, self.pid = self.public, self.process.pid
        self.await_engine()

    def await_engine(self):
        body = json.dumps({"model": "scripted", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1})
        key = (self.keys / "members.txt").read_text().split()[0]
        for _ in range(400):
            status, _, _ = self.ask("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
            if status == 200:
                return
            time.sleep(0.05)
        sys.exit("the platform does not find its engine")

    def ask(self, method, path, body=None, headers=None, source=None, port=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout, source_address=(source, 0) if source else None)
        try:
            connection.request(method, path, body, {"content-type": "application/json", **(headers or {})})
            response = connection.getresponse()
            text = response.read()
            cookies = [value.split(";")[0] for name, value in response.getheaders() if name.lower() == "set-cookie"]
            return response.status, text, cookies
        except OSError:
            return 0, b"", []
        finally:
            connection.close()

    def sign_in(self, name, cookie=None, source=None, password=PASSWORD, port=None):
        began = time.monotonic()
        status, _, cookies = self.ask("POST", "/api/v1/sessions", json.dumps({"name": name, "password": password}),
                                      {"cookie": cookie} if cookie else None, source, port)
        return status, time.monotonic() - began, cookies

    def devices(self, count):
        """Members' browsers: cookies of a session and of a device."""
        found = []
        for n in range(count):
            status, _, cookies = self.sign_in(f"member{n}", source=f"127.0.{n + 2}.1")
            if status != 201:
                sys.exit(f"member{n} does not sign in: {status}")
            found.append({kind: next(c for c in cookies if c.startswith(f"rmp_{kind}")) for kind in ("session", "device")})
        return found

    def gate(self, *words):
        subprocess.run([self.rempart, "gate", *words, *self.options], check=True, stdout=subprocess.DEVNULL)


def tell(args, what, value):
    line = json.dumps({"what": what, **value})
    print(line, flush=True)
    if args.json:
        with open(args.json, "a") as file:
            file.write(line + "\n")


def guess(args, port, *more, core=OTHER, nice=0):
    """The generator, to its end; its figures."""
    command = ["taskset", "-c", core, "nice", "-n", str(nice), str(args.examples / "guess"), f"127.0.0.1:{port}", *map(str, more)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


# cost

def solved(platform, purpose="registration"):
    challenge = json.loads(platform.ask("GET", f"/api/v1/challenge?for={purpose}")[1])
    p = challenge["parameters"]
    nonce, salt, prefix = (bytes.fromhex(p[name]) for name in ("nonce", "salt", "keyPrefix"))
    for counter in range(100_000):
        key = hashlib.pbkdf2_hmac("sha256", nonce + counter.to_bytes(4, "big"), salt, p["cost"], p.get("keyLength", 32))
        if key.startswith(prefix):
            return challenge, {"counter": counter, "derivedKey": key.hex()}
    sys.exit("no solution")


def payload(challenge, solution):
    return base64.b64encode(json.dumps({"challenge": challenge, "solution": solution}, separators=(",", ":")).encode()).decode()


def functions(args):
    command = ["cargo", "bench", "-q", "-p", "rempart-identity", "--bench", "gate"]
    ran = subprocess.run(command, cwd=TOP, capture_output=True, text=True)
    for line in ran.stdout.splitlines():
        if line.startswith("{"):
            tell(args, "cost.function", json.loads(line))
    if ran.returncode:
        print(ran.stderr[-1000:], file=sys.stderr)


def cost(args):
    rounds, kept, new = (1, 5_000, 3_000) if args.quick else (5, 20_000, 10_000)
    print(f"about {20 + rounds * 25} s, and the functions", flush=True)
    if not args.no_functions:
        functions(args)
    limits = '[registration]\nlevel = "challenge"\n[limits]\nrefusal_hold_ms = 1\nsign_in_tries_per_device = 1000000\n'
    with Stage(args) as stage:
        platform = stage.platform(limits)
        bare_port = free_port()
        bare = stage.start(SERVER, [args.examples / "bare", f"127.0.0.1:{bare_port}"])
        await_port(bare_port, "the bare server")
        challenge, solution = solved(platform)
        registration = {"name": "flood{n}", "password": "only a flood {n}"}
        used = payload(challenge, solution)
        platform.ask("POST", "/api/v1/registrations", json.dumps({"name": "first-one", "password": PASSWORD, "challenge": used}))
        forged = payload({**challenge, "signature": "0" * 64}, solution)
        post = lambda path, value: ["--post", path, "--body", json.dumps(value)]
        rows = [
            ("bare hyper", bare_port, bare.pid, post("/api/v1/registrations", registration)),
            ("registration refused", platform.port, platform.pid, post("/api/v1/registrations", registration)),
            ("registration, replayed", platform.port, platform.pid, post("/api/v1/registrations", {**registration, "challenge": used})),
            ("registration, forged", platform.port, platform.pid, post("/api/v1/registrations", {**registration, "challenge": forged})),
            ("challenge issued", platform.port, platform.pid, ["--get", "/api/v1/challenge?for=registration"]),
            ("sign-in refused", platform.port, platform.pid, post("/api/v1/sessions", {"name": "nobody-here", "password": "wrong {n}"})),
        ]
        # Three wrong ones are free; what follows is refused before it costs.
        for n in range(8):
            platform.sign_in("nobody-here", password=f"wrong {n}")
        figures = {}
        for _ in range(rounds):
            for name, port, pid, request in rows:
                for connection, count, length in (("kept", kept, 500), ("new", new, 1)):
                    before = cpu_s(pid)
                    told = guess(args, port, *request, "--guesses", count, "--kept", length, "--tasks", 16, "--sources", 256)
                    spent = 1e6 * (cpu_s(pid) - before) / max(1, sum(told["answers"].values()))
                    figures.setdefault((name, connection), []).append((spent, told))
        for (name, connection), values in figures.items():
            us = [spent for spent, _ in values]
            tell(args, "cost.request", {"name": name, "connection": connection, "us": round(statistics.median(us), 1), "least": round(min(us), 1),
                                        "most": round(max(us), 1), "answers": values[-1][1]["answers"], "per_s": round(values[-1][1]["per_s"])})
        device = platform.devices(1)[0]["device"]
        count = 20 if args.quick else 100
        before = cpu_s(platform.pid)
        statuses = [platform.sign_in("member0", device, "127.0.2.1")[0] for _ in range(count)]
        tell(args, "cost.request", {"name": "sign-in done, known device", "us": round(1e6 * (cpu_s(platform.pid) - before) / count),
                                    "done": statuses.count(201), "of": count})


# flood

SCENARIO = """title = "gate"
about = "a cell of tests/bench/gate.py"
[members]
accounts = {members}
rate_per_s = 20.0
whole_within_s = 1.0
[attacks.flood]
kind = "{kind}"
clients = {clients}
sources = {sources}
fresh = {fresh}
solves = {solves}
during = ["attack"]
[[phases]]
name = "warm-up"
seconds = 2
role = "warmup"
[[phases]]
name = "quiet"
seconds = {quiet}
role = "quiet"
[[phases]]
name = "attack"
seconds = {attack}
role = "attack"
[promises]
members_done_percent_min = 99.9
members_total_ratio_max = 1.35
"""


class Probes:
    """Members' browsers: an open session every half second, a known device that signs in every two."""

    def __init__(self, platform, port):
        self.platform, self.port, self.over = platform, port, threading.Event()
        self.devices = platform.devices(KNOWN)
        self.rows = []
        self.threads = [threading.Thread(target=run) for run in (self.look, self.enter)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def look(self):
        turn = 0
        while not self.over.wait(0.5):
            began, source = time.monotonic(), f"127.0.{turn % KNOWN + 2}.1"
            status, _, _ = self.platform.ask("GET", "/api/v1/account", None, {"cookie": self.devices[turn % KNOWN]["session"]}, source, self.port)
            self.rows.append(("session", began, status == 200, time.monotonic() - began))
            turn += 1

    def enter(self):
        turn = 0
        while not self.over.wait(2):
            began, n = time.monotonic(), turn % KNOWN
            status, took, _ = self.platform.sign_in(f"member{n}", self.devices[n]["device"], f"127.0.{n + 2}.1", port=self.port)
            self.rows.append(("known device", began, status == 201, took))
            turn += 1

    def figures(self, start, quiet, attack):
        told = {}
        for phase, begin, end in (("quiet", start + 2, start + 2 + quiet), ("flood", start + 2 + quiet, start + 2 + quiet + attack)):
            for kind in ("session", "known device"):
                rows = [row for row in self.rows if row[0] == kind and begin <= row[1] < end]
                told[f"{kind}, {phase}"] = {"done": sum(row[2] for row in rows), **quantiles([row[3] for row in rows])}
        return told


def front(stage, name, platform):
    """nginx and HAProxy with their own answer to floods: a rate for each address, on what registers."""
    port = free_port()
    if name == "nginx":
        text = (HERE / "peers" / "nginx.conf").read_text()
        text = text.replace('proxy_set_header Connection "";', 'proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr;')
        command = ["nginx", "-p", stage.folder, "-e", stage.folder / "nginx.log", "-c", stage.folder / "nginx.conf"]
        path = stage.folder / "nginx.conf"
    else:
        text = (HERE / "peers" / "haproxy-door.cfg").read_text()
        command = ["haproxy", "-db", "-q", "-f", stage.folder / "haproxy.cfg"]
        path = stage.folder / "haproxy.cfg"
    for key, value in {"DIR": stage.folder, "PORT": port, "ENGINE": platform.port}.items():
        text = text.replace(f"@{key}@", str(value))
    path.write_text(text)
    process = stage.start(SERVER, command)
    await_port(port, name)
    return port, process


def cell(args, kind, sources, solves, quiet, attack, where="rempart", newcomers=0, fresh=True, clients=256):
    # A gate that is off lets in whoever asks: what bounds them then is the pool that hashes.
    more = "" if where == "rempart" else '[registration]\nlevel = "open"\n[limits]\nregistrations_per_minute = 1000000\n'
    with Stage(args) as stage:
        platform = stage.platform(more)
        port, pid = platform.port, platform.pid
        if where in ("nginx", "haproxy"):
            port, _ = front(stage, where, platform)
        values = {"members": MEMBERS, "kind": kind, "clients": clients, "sources": sources, "quiet": quiet, "attack": attack}
        flags = {"solves": str(solves).lower(), "fresh": str(fresh).lower()}
        scenario = stage.folder / "cell.toml"
        scenario.write_text(SCENARIO.format(**values, **flags))
        probes = Probes(platform, port)
        # Members stand for machines of their own: their thread goes before attackers and newcomers on this core.
        first = ["nice", "-n", "-10"] if os.geteuid() == 0 else []
        command = ["taskset", "-c", OTHER, *first, args.rempart, "drill", str(scenario), "--json", "--against", f"http://127.0.0.1:{port}",
                   "--keys", str(platform.keys), "--pid", str(pid)]
        people, start = None, time.monotonic()
        drill = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        stage.processes.append(drill)
        probes.start()
        if newcomers:
            time.sleep(2 + quiet)
            env = {"CHROMIUM": shutil.which("chromium") or "", **os.environ, "NODE_PACKAGES": str(TOP / "target/browser/node_modules")}
            people = subprocess.Popen(["taskset", "-c", OTHER, "nice", "-n", "19", "node", str(HERE / "newcomers.mjs"), f"http://127.0.0.1:{port}", str(newcomers),
                                       str(attack / 2 / newcomers), "600", str(min(args.chromium, newcomers))], stdout=subprocess.PIPE, text=True, env=env)
        out, err = drill.communicate()
        probes.stop()
        level = json.loads(platform.ask("GET", "/api/v1/gate")[1] or b"{}")
        came = [json.loads(line) for line in people.communicate()[0].splitlines()] if people else []
        if not out.strip():
            sys.exit(f"the drill: {err[-2000:]}")
        told = figures(json.loads(out))
        told.update({"where": where, "sources": sources, "solves": solves, "level": level.get("level"), "line": level.get("queue"),
                     **probes.figures(start, quiet, attack)})
        if came:
            waits = [one["wait"] for one in came if one["in"] and one.get("wait")]
            honest = lambda wait: abs(wait["told_s"] - wait["real_s"]) <= max(10, wait["real_s"] / 2)
            told["newcomers"] = {"in Chromium": sum(one["in"] for one in came if one.get("chromium")), "came": len(came), "in": sum(one["in"] for one in came), "seconds": quantiles([one["seconds"] for one in came if one["in"]]),
                                 "solving": quantiles([one.get("solving_s") or 0 for one in came]), "told to wait": len(waits),
                                 "told the truth": sum(map(honest, waits)), "waits": waits, "not in": [one for one in came if not one["in"]][:3]}
        return told


def figures(report):
    quiet = next(phase for phase in report["phases"] if phase["role"] == "quiet")
    attack = next(phase for phase in report["phases"] if phase["role"] == "attack")
    seconds = attack["to_s"] - attack["from_s"]
    members, before, attackers = attack["members"], quiet["members"], attack["attackers"]
    p99 = members["total_ms"]["p99"]
    return {
        "members_done": members["done"], "members_sent": members["sent"], "done_percent": round(100 * members["done"] / max(1, members["sent"]), 2),
        "quiet_done_percent": round(100 * before["done"] / max(1, before["sent"]), 2), "quiet_p99_ms": before["total_ms"]["p99"], "p99_ms": p99,
        "ratio": round(p99 / max(before["total_ms"]["p99"], 0.001), 2) if p99 else None, "reasons": members.get("reasons"),
        "attacks_per_s": round(attackers["sent"] / seconds), "attacks_done": attackers["done"], "attack_reasons": attackers.get("reasons"),
        "server_core": round((attack["cpu_s"] or 0) / seconds, 2), "late_p99_ms": report["generator"]["lateness_ms"]["p99"],
    }


def flood(args):
    quiet, attack = (8, 10) if args.quick else (20, 60)
    quiet, attack = args.quiet or quiet, args.attack or attack
    sources = args.sources or ([256] if args.quick else [1, 256, 4096])
    fronts = args.fronts if args.fronts is not None else ([] if args.quick else ["open", "nginx", "haproxy"])
    cells = [(n, solves, "rempart") for n in sources for solves in (False, True)] + [(n, False, where) for n in sources[-1:] for where in fronts]
    print(f"{len(cells)} cells, about {len(cells) * (quiet + attack + 10)} s, and what newcomers wait", flush=True)
    for count, solves, where in cells:
        newcomers = args.newcomers if where == "rempart" else 0
        told = cell(args, "registrations", count, solves, quiet, attack, where, newcomers, clients=64 if solves else 256)
        tell(args, "flood", told)


def issue(args):
    quiet, attack = (8, 10) if args.quick else (30, 60)
    quiet, attack = args.quiet or quiet, args.attack or attack
    print(f"about {2 * (quiet + attack + 10)} s", flush=True)
    for sources in (1, 256):
        tell(args, "issue", cell(args, "challenges", sources, False, quiet, attack, fresh=False, clients=64))


def storm(args):
    count = 50_000 if args.quick else 1_000_000
    print(f"{count} guesses: about {30 + count // 6000} s", flush=True)
    command = [str(TOP / "tests/sign-in/storm.py"), f"taskset -c {SERVER} {args.rempart}", f"taskset -c {OTHER} {args.examples / 'guess'}", str(count)]
    ran = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    text = ran.stdout
    try:
        told, end = json.JSONDecoder().raw_decode(text)
        tell(args, "guess", {"guesses": count, "told": told, "said": text[end:].strip().splitlines()})
    except ValueError:
        sys.exit(text + ran.stderr)


# timing

def apart(known, unknown):
    """Welch's t and the area under the curve: 0.5 is a coin."""
    mean = statistics.fmean
    spread = statistics.variance(known) / len(known) + statistics.variance(unknown) / len(unknown)
    t = (mean(known) - mean(unknown)) / math.sqrt(spread) if spread else 0.0
    ranked = sorted([(value, 1) for value in known] + [(value, 0) for value in unknown])
    ranks, at = 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        ranks += sum(label for _, label in ranked[at:end]) * (at + end + 1) / 2
        at = end
    auc = (ranks - len(known) * (len(known) + 1) / 2) / (len(known) * len(unknown))
    return {"t": round(t, 2), "auc": round(max(auc, 1 - auc), 4), "known": quantiles(known), "unknown": quantiles(unknown),
            "known_mean_ms": round(1e3 * mean(known), 3), "unknown_mean_ms": round(1e3 * mean(unknown), 3)}


def timing(args):
    samples = 800 if args.quick else 10_000
    accounts, workers = 2_500, 10
    print(f"two passes of {samples} samples, about {2 * samples * 0.27 / workers + 30:.0f} s", flush=True)
    # Below every limit: two guesses at a name, two from a network. The spraying that this is would be seen: that limit is raised.
    limits = "[limits]\nsign_in_spray_accounts = 1000000\nrefusal_hold_ms = 1\n"
    rows = [{"name": f"known-{n}", "standing": "member", "created": "2024-01-01T00:00:00Z", "password_hash": PHC} for n in range(accounts)]
    for is_loaded in (False, True):
        with Stage(args) as stage:
            platform = stage.platform(limits, rows)
            if is_loaded:
                stage.start(OTHER, [args.rempart, "bench", "load", "--url", f"http://127.0.0.1:{platform.port}/v1/chat/completions", "--model", "scripted",
                                    "--keys", platform.keys / "members.txt", "--rate", "200", "--duration", "3600", "--max-tokens", "4"])
            plan = [(f"{kind}-{n % accounts}", kind, n) for n in range(samples // 2) for kind in ("known", "nobody")]
            random.Random(7).shuffle(plan)
            times, statuses, lock = {"known": [], "nobody": []}, {}, threading.Lock()
            work = iter(list(enumerate(plan)))

            def run():
                while True:
                    with lock:
                        number, (name, kind, turn) = next(work, (None, (None, None, None)))
                    if number is None:
                        return
                    source = f"127.{64 + number // 2 // 250}.{number // 2 % 250 + 1}.1"
                    status, took, _ = platform.sign_in(name, source=source, password=f"wrong guess {turn}")
                    with lock:
                        statuses[status] = statuses.get(status, 0) + 1
                        if status == 401:
                            times[kind].append(took)

            threads = [threading.Thread(target=run) for _ in range(workers)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            tell(args, "timing", {"loaded": is_loaded, "statuses": statuses, **apart(times["known"], times["nobody"])})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["cost", "flood", "issue", "guess", "timing"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rempart", default=TOP / "target/release/rempart", type=lambda text: str(pathlib.Path(text).resolve()))
    parser.add_argument("--examples", default=TOP / "target/release/examples", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--no-functions", action="store_true", help="cost: whole requests only")
    parser.add_argument("--sources", type=lambda text: [int(word) for word in text.split(",")], help="flood: addresses")
    parser.add_argument("--fronts", type=lambda text: [word for word in text.split(",") if word], help="flood: open,nginx,haproxy")
    parser.add_argument("--quiet", type=int, help="flood, issue: seconds of the quiet phase")
    parser.add_argument("--attack", type=int, help="flood, issue: seconds of the attack")
    parser.add_argument("--newcomers", type=int, default=20, help="flood: honest people of each cell")
    parser.add_argument("--chromium", type=int, default=5, help="flood: of them, so many in Chromium")
    args = parser.parse_args()
    args.rempart = str(args.rempart)
    if (os.cpu_count() or 1) < 2 or not pathlib.Path("/proc/self/stat").exists():
        sys.exit("this needs Linux and two cores")
    os.sched_setaffinity(0, {int(OTHER)})
    # So that what was started ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    {"cost": cost, "flood": flood, "issue": issue, "guess": storm, "timing": timing}[args.what](args)


if __name__ == "__main__":
    main()
