#!/usr/bin/env python3
"""Do world and live agree? Members' success and p99 of the time to first token, world beside the median of live runs.

    python3 tests/bench/agree.py [--scenarios quiet-day,token-flood,…] [--rempart FILE] [--runs 3] [--quiet 4] [--attack 6]

They agree if success lies within 1 point and p99 within 30 % or 20 ms, whichever is more. Phases are shortened as in peers.py.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from peers import HERE, shortened


def run(args, file, *more):
    ran = subprocess.run([args.rempart, "drill", str(file), "--json", *more], capture_output=True, text=True)
    if not ran.stdout.strip():
        sys.exit(ran.stderr)
    report = json.loads(ran.stdout)
    phases = report["phases"]
    phase = next((p for p in phases if p["role"] == "attack"), next(p for p in phases if p["role"] == "quiet"))
    members = phase["members"]
    late = report["generator"]["lateness_ms"]["p99"] if report["generator"] else 0
    return 100 * members["done"] / members["sent"], members["ttft_ms"]["p99"], late


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", default="quiet-day,token-flood,token-flood-inside,prompt-bombs,disconnects", type=lambda text: text.split(","))
    parser.add_argument("--rempart", default="target/release/rempart", type=lambda text: str(pathlib.Path(text).resolve()))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quiet", type=float, default=4)
    parser.add_argument("--attack", type=float, default=6)
    args = parser.parse_args()
    print("| scenario | world done % | live done % | world p99 ms | live p99 ms | agree | generator late p99 ms |\n| --- | --- | --- | --- | --- | --- | --- |")
    is_apart = False
    for name in args.scenarios:
        text = (HERE.parent.parent / "crates/drill/scenarios" / f"{name}.toml").read_text()
        with tempfile.TemporaryDirectory(prefix="rempart-agree-") as folder:
            file = pathlib.Path(folder) / f"{name}.toml"
            file.write_text(shortened(text, args.quiet, args.attack))
            world = run(args, file, "--world")
            lives = [run(args, file) for _ in range(args.runs)]
        done, p99 = (statistics.median(live[at] for live in lives) for at in (0, 1))
        agree = abs(world[0] - done) <= 1 and abs(world[1] - p99) <= max(20, 0.3 * p99)
        is_apart |= not agree
        print(f"| {name} | {world[0]:.2f} | {done:.2f} | {world[1]:.0f} | {p99:.0f} | {'yes' if agree else '**no**'} | {max(live[2] for live in lives):.1f} |", flush=True)
    sys.exit(is_apart)


if __name__ == "__main__":
    main()
