#!/usr/bin/env python3
"""Kills the engine's worker, again and again; the platform must answer throughout and the worker be back within two seconds.

usage: worker.py [BINARY] [TIMES] [SECONDS_APART]

A probe asks /healthz and /v1/models all the while. Half of the kills hit a running answer, which must end with `engine_restarted`.
Then the worker is killed as soon as it appears for ten seconds, to show the back-off.
"""

import json
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from common import Platform  # noqa: E402


def worker_of(pid):
    """The child that runs the worker."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                if int(fields[1]) == pid and fields[0] != "Z":
                    return int(entry)
            except (OSError, IndexError):
                pass
    return None


def wait_worker(pid, other_than, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = worker_of(pid)
        if found and found != other_than:
            return found
        time.sleep(0.002)
    return None


def ask(platform, key, max_tokens, timeout=30):
    body = {"messages": [{"role": "user", "content": "Count to one hundred."}], "max_tokens": max_tokens}
    return platform.call("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {key}"}, timeout)


def probe(platform, key, stop, figures):
    while not stop.is_set():
        for path, head in (("/healthz", {}), ("/v1/models", {"Authorization": f"Bearer {key}"})):
            begin = time.monotonic()
            try:
                status = platform.call("GET", path, headers=head, timeout=5)[0]
            except OSError:
                status = 0
            figures.append((status, time.monotonic() - begin))
        time.sleep(0.05)


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/rempart"
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    apart = float(sys.argv[3]) if len(sys.argv) > 3 else 5.0
    platform = Platform(binary, '[server]\nconsole = "127.0.0.1:0"\n')
    platform.start()
    platform.cli("account", "create", "probe", "--standing", "member")
    key = platform.cli("key", "create", "--account", "probe")
    pid = platform.process.pid
    end = time.monotonic() + 120
    while ask(platform, key, 1)[0] != 200:
        if time.monotonic() > end:
            raise SystemExit("the model was not ready within two minutes")
        time.sleep(0.2)
    stop, figures = threading.Event(), []
    watcher = threading.Thread(target=probe, args=(platform, key, stop, figures))
    watcher.start()
    back, in_flight = [], []
    for number in range(times):
        running = None
        if number % 2:
            answers = []
            running = threading.Thread(target=lambda: answers.append(ask(platform, key, 400)))
            running.start()
            time.sleep(0.4)
        victim = worker_of(pid)
        begin = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        while True:
            status, _, text = ask(platform, key, 1)
            if status == 200 and "choices" in json.loads(text):
                break
            if time.monotonic() - begin > 20:
                break
            time.sleep(0.01)
        back.append(time.monotonic() - begin)
        if running:
            running.join()
            in_flight.append("cut" if "engine_restarted" in answers[0][2] else
                             "whole" if '"finish_reason":"' in answers[0][2] else "lost")
        print(f"kill {number + 1}: answered again after {back[-1] * 1000:.0f} ms", flush=True)
        time.sleep(max(0.0, apart - (time.monotonic() - begin)))
    spawns, last, end = [], None, time.monotonic() + 10
    while time.monotonic() < end:
        found = wait_worker(pid, last, 2.5)
        if found:
            spawns.append(time.monotonic())
            last = found
            try:
                os.kill(found, signal.SIGKILL)
            except ProcessLookupError:
                pass
    gaps = [round((b - a) * 1000) for a, b in zip(spawns, spawns[1:])]
    time.sleep(1.5)
    end = time.monotonic() + 15
    while ask(platform, key, 1)[0] != 200 and time.monotonic() < end:
        time.sleep(0.1)
    recovered = ask(platform, key, 1)[0] == 200
    stop.set()
    watcher.join()
    code = platform.stop()
    bad = [f for f in figures if f[0] != 200]
    slowest = max(f[1] for f in figures)
    back.sort()
    print(f"worker killed {times} times: answered again after median {back[len(back) // 2] * 1000:.0f} ms, longest {back[-1] * 1000:.0f} ms")
    print("answers in flight: " + ", ".join(f"{in_flight.count(k)} {k}" for k in ("cut", "whole", "lost"))
          + " (cut: ended with engine_restarted; whole: was over before the kill)")
    print(f"probes {len(figures)}, not 200: {len(bad)}, slowest {slowest * 1000:.0f} ms")
    print(f"tight loop: milliseconds between starts {gaps}; recovered: {recovered}; SIGTERM exit {code}")
    is_good = back[-1] < 2.0 and not bad and "lost" not in in_flight and "cut" in in_flight and recovered and code == 0 and len(gaps) > 3 and max(gaps) >= 900
    print(f"{int(is_good)} passed, {int(not is_good)} failed")
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
