#!/usr/bin/env python3
"""Kills the platform under load, again and again, and looks for everything it had acknowledged.

usage: platform.py [BINARY] [TIMES]

Threads register, make keys and ask questions. What was answered with 201, or with the event `accepted`, is written down. After
each kill -9 and restart the last round's entries are looked up; at the end all are. One that is missing is a failure.
"""

import http.client
import json
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from common import Platform, cookie_of  # noqa: E402

CONFIG = """
[server]
console = "127.0.0.1:0"
[engine.play]
kind = "scripted"
decode_tps = 500
[models]
fetch = false
default = "scripted"
[limits]
"""

PASSWORD = "a password for the kill test"


def work(platform, ledger, stop, seed):
    """Registers, makes a key, begins a conversation, asks; notes each acknowledgement as it comes."""
    rng = random.Random(seed)
    while not stop.is_set():
        name = f"k{rng.getrandbits(40):x}"
        try:
            status, headers, _ = platform.call("POST", "/api/v1/registrations", {"name": name, "password": PASSWORD})
            if status != 201:
                continue
            cookie = {"Cookie": cookie_of(headers)}
            ledger.append(("account", name, cookie, None))
            status, _, text = platform.call("POST", "/api/v1/keys", {"name": "k"}, cookie)
            if status == 201:
                ledger.append(("key", name, cookie, json.loads(text)["key"]))
            status, _, text = platform.call("POST", "/api/v1/conversations", {}, cookie)
            if status != 201:
                continue
            conversation = json.loads(text)["id"]
            for _ in range(3):
                question = f"question {rng.getrandbits(40):x}"
                connection = http.client.HTTPConnection(platform.host, timeout=10)
                connection.request("POST", f"/api/v1/conversations/{conversation}/messages",
                                   json.dumps({"text": question}), {"Content-Type": "application/json", **cookie})
                answer = connection.getresponse()
                if answer.status == 200 and answer.readline().startswith(b"event: accepted"):
                    if json.loads(answer.readline().decode().split("data: ")[1])["kept"]:
                        ledger.append(("message", name, cookie, (conversation, question)))
                    answer.read()
                connection.close()
        except (OSError, http.client.HTTPException, ValueError, StopIteration):
            pass


def is_there(platform, entry):
    kind, name, cookie, what = entry
    if kind == "account":
        status, _, text = platform.call("GET", "/api/v1/account", headers=cookie)
        return status == 200 and json.loads(text)["account"]["name"] == name
    if kind == "key":
        return platform.call("GET", "/v1/models", headers={"Authorization": f"Bearer {what}"})[0] == 200
    conversation, question = what
    status, _, text = platform.call("GET", f"/api/v1/conversations/{conversation}/messages?limit=200", headers=cookie)
    return status == 200 and any(m["text"] == question for m in json.loads(text)["data"])


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/rempart"
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    platform = Platform(binary, CONFIG)
    starts = [platform.start()]
    everything, missing = [], []
    rng = random.Random(1)
    for round_number in range(times):
        ledger, stop = [], threading.Event()
        threads = [threading.Thread(target=work, args=(platform, ledger, stop, rng.random())) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(rng.uniform(0.4, 1.6))
        platform.kill()
        stop.set()
        for thread in threads:
            thread.join()
        starts.append(platform.start())
        missing += [entry for entry in ledger if not is_there(platform, entry)]
        everything += ledger
        print(f"kill {round_number + 1}: {len(ledger)} acknowledged, {len(missing)} missing so far", flush=True)
    missing += [entry for entry in everything if not is_there(platform, entry)]
    code = platform.stop()
    counts = {kind: sum(1 for e in everything if e[0] == kind) for kind in ("account", "key", "message")}
    starts.sort()
    print(f"killed {times} times; acknowledged {counts}; missing {len(missing)}; "
          f"start to ready median {starts[len(starts) // 2] * 1000:.0f} ms, longest {starts[-1] * 1000:.0f} ms; SIGTERM exit {code}")
    for entry in missing[:10]:
        print("missing:", entry[0], entry[1])
    is_good = not missing and code == 0 and all(counts.values())
    print(f"{int(is_good)} passed, {int(not is_good)} failed")
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
