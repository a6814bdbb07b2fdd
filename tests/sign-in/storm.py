#!/usr/bin/env python3
"""Guesses at ten thousand accounts from 4 096 loopback addresses while their owners sign in; prints what each side got, as JSON.

    tests/sign-in/storm.py REMPART GUESS [GUESSES]      REMPART: the program, GUESS: target/release/examples/guess; either may begin with `taskset -c N`

Refusals are told at once ([limits] refusal_hold_ms = 1), so that the attacker comes at full speed. Known devices sign in from an address of their own and from one that guesses too; unknown devices solve what they are asked. Nothing but the
standard library; the platform lies in a folder of its own and is gone at the end."""

import base64, hashlib, http.client, json, os, re, socket, subprocess, sys, tempfile, threading, time

REMPART, GUESS = sys.argv[1].split(), sys.argv[2].split()
GUESSES = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
ACCOUNTS, KNOWN = 10_000, 24
PASSWORD = "correct horse battery staple"
# Of that password, by the C reference implementation (19 MiB, 2 passes): what the platform itself would store.
PHC = "$argon2id$v=19$m=19456,t=2,p=1$aOFRunYDpktbE4MDBPSTIg$XwuWHEyK7SVy0RWI2P2QhAN3HfhKvRiLXx456OFyKow"


def post(port, path, value, cookie=None, source=None, timeout=30):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout, source_address=(source, 0) if source else None)
    headers = {"content-type": "application/json", **({"cookie": cookie} if cookie else {})}
    connection.request("POST" if value is not None else "GET", path, json.dumps(value) if value is not None else None, headers)
    response = connection.getresponse()
    body = response.read()
    cookies = [value.split(";")[0] for name, value in response.getheaders() if name.lower() == "set-cookie"]
    connection.close()
    return response.status, body, cookies


def sign_in(port, name, cookie=None, source=None, challenge=None):
    body = {"name": name, "password": PASSWORD, **({"challenge": challenge} if challenge else {})}
    before = time.monotonic()
    try:
        status, answer, cookies = post(port, "/api/v1/sessions", body, cookie, source)
    except OSError:
        return 0, 30.0, b"", []
    return status, time.monotonic() - before, answer, cookies


def solve(port, source):
    """ALTCHA 2: a counter whose derived key begins as asked."""
    _, body, _ = post(port, "/api/v1/challenge?for=sign-in", None, None, source)
    challenge = json.loads(body)
    p = challenge["parameters"]
    nonce, salt, prefix = bytes.fromhex(p["nonce"]), bytes.fromhex(p["salt"]), bytes.fromhex(p["keyPrefix"])
    length = p.get("keyLength", 32)
    started, counter = time.monotonic(), 0
    while True:
        key = hashlib.pbkdf2_hmac("sha256", nonce + counter.to_bytes(4, "big"), salt, p["cost"], length)
        if key.startswith(prefix):
            break
        counter += 1
    solution = {"counter": counter, "derivedKey": key.hex(), "time": int((time.monotonic() - started) * 1000)}
    payload = json.dumps({"challenge": challenge, "solution": solution})
    return base64.b64encode(payload.encode()).decode(), time.monotonic() - started


def cpu_of(pid, prefix):
    ticks = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            if open(f"/proc/{pid}/task/{task}/comm").read().startswith(prefix):
                fields = open(f"/proc/{pid}/task/{task}/stat").read().rsplit(")", 1)[1].split()
                ticks += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


def quantiles(values):
    values = sorted(values)
    pick = lambda q: round(values[min(len(values) - 1, int(q * len(values)))], 3) if values else None
    return {"count": len(values), "p50": pick(0.5), "p99": pick(0.99), "max": pick(1)}


def main():
    folder = tempfile.mkdtemp(prefix="rempart-storm-")
    config, data = f"{folder}/rempart.toml", f"{folder}/data"
    open(config, "w").write('[server]\nconsole = "127.0.0.1:0"\n[models]\nfetch = false\n[engine.s]\nkind = "scripted"\n[limits]\nrefusal_hold_ms = 1\n')
    options = ["--config", config, "--data", data]
    rows = "\n".join(
        json.dumps({"name": f"victim-{n}", "standing": "member", "created": "2024-01-01T00:00:00Z", "password_hash": PHC}) for n in range(ACCOUNTS)
    )
    subprocess.run([*REMPART, "account", "import", "-", *options], input=rows.encode(), stdout=subprocess.DEVNULL, check=True)
    subprocess.run([*REMPART, "account", "create", "watcher", *options], stdout=subprocess.DEVNULL, check=True)
    key = subprocess.run(
        [*REMPART, "key", "create", "--account", "watcher", "--scope", "metrics", *options], capture_output=True, check=True, text=True
    ).stdout.strip()
    server = subprocess.Popen([*REMPART, "serve", "--listen", "127.0.0.1:0", *options], stdout=subprocess.PIPE, stderr=open(f"{folder}/log", "w"), text=True)
    ports = {}
    for line in server.stdout:
        if match := re.match(r"(public|console)\s+http://\S+:(\d+)", line):
            ports[match[1]] = int(match[2])
        if line.strip() == "ready":
            break
    try:
        print(json.dumps(storm(server.pid, ports, key), indent=1))
    finally:
        was_up = server.poll() is None
        server.terminate()
        server.wait()
        print("the platform was", "up to the end" if was_up else f"gone before: {server.returncode}")
        told = [line for line in open(f"{folder}/log") if "passwords are being tried" in line]
        print("log:", told[0].strip() if told else "said nothing")
        subprocess.run(["rm", "-rf", folder])


def storm(pid, ports, key):
    port = ports["public"]
    devices = {}
    for n in range(KNOWN):
        status, _, answer, cookies = sign_in(port, f"victim-{n}", source=f"127.0.{n + 2}.1")
        assert status == 201, (status, answer)
        devices[n] = next(c for c in cookies if c.startswith("rmp_device"))
    quiet = [sign_in(port, f"victim-{n}", devices[n], f"127.0.{n + 2}.1")[1] for n in range(KNOWN)]

    state = {"spraying_after_s": None}
    over = threading.Event()
    started = time.monotonic()
    cpu_before, all_before = cpu_of(pid, "hash-"), cpu_of(pid, "")
    attack = subprocess.Popen(
        [*GUESS, f"127.0.0.1:{port}", "--accounts", str(ACCOUNTS), "--guesses", str(GUESSES), "--sources", "4096", "--tasks", "64"],
        stdout=subprocess.PIPE, text=True,
    )

    def watch():
        while not over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", ports["console"], timeout=10)
            connection.request("GET", "/metrics", headers={"authorization": f"Bearer {key}"})
            text = connection.getresponse().read().decode()
            connection.close()
            if state["spraying_after_s"] is None and re.search(r'rempart_sign_in\{state="spraying"\} 1', text):
                state["spraying_after_s"] = round(time.monotonic() - started, 2)
            state["metrics"] = dict(re.findall(r'rempart_sign_in\{state="(\w+)"\} (\d+)', text))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    known, shared, unknown, works = [], [], [], []
    statuses = {"known": {}, "shared": {}, "unknown": {}}
    count = lambda who, status: statuses[who].update({status: statuses[who].get(status, 0) + 1})
    turn = 0
    while attack.poll() is None:
        n = turn % KNOWN
        # One allowance of a device is twenty an hour: each device signs in a few times.
        status, took, _, _ = sign_in(port, f"victim-{n}", devices[n], f"127.0.{n + 2}.1")
        count("known", status), known.append(took)
        status, took, _, _ = sign_in(port, f"victim-{(n + 7) % KNOWN}", devices[(n + 7) % KNOWN], f"127.1.{n % 16}.{n + 1}")
        count("shared", status), shared.append(took)
        if turn % 2 == 0:
            name, source = f"victim-{5000 + turn}", f"127.200.{turn % 250}.1"
            status, took, answer, _ = sign_in(port, name, source=source)
            if status == 403:
                challenge, worked = solve(port, source)
                works.append(worked)
                status, more, answer, _ = sign_in(port, name, source=source, challenge=challenge)
                took += worked + more
            count("unknown", status), unknown.append(took)
        turn += 1
        time.sleep(0.25)
    elapsed = time.monotonic() - started
    said = attack.communicate()[0]
    over.set()
    watcher.join()
    return {
        "attack": said.strip().split("\n"),
        "seconds": round(elapsed, 1),
        "known devices before, s": quantiles(quiet),
        "known devices during, s": quantiles(known),
        "known devices at an attacker's address, s": quantiles(shared),
        "unknown devices with work, s": quantiles(unknown),
        "work, s": quantiles(works),
        "statuses": statuses,
        "spraying seen after, s": state["spraying_after_s"],
        "cores spent on hashing": round((cpu_of(pid, "hash-") - cpu_before) / elapsed, 3),
        "cores spent by the platform": round((cpu_of(pid, "") - all_before) / elapsed, 3),
        "microseconds of the platform a guess": round(1e6 * (cpu_of(pid, "") - all_before) / GUESSES, 1),
        "metrics": state.get("metrics"),
    }


main()
