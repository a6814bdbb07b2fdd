"""What both kill drivers share: a platform in its own folder on a free port, and small HTTP calls. Python's standard library only."""

import http.client
import json
import os
import signal
import subprocess
import tempfile
import time


class Platform:
    """The real binary on a data folder of its own."""

    def __init__(self, binary, config):
        self.binary = binary
        self.dir = tempfile.mkdtemp(prefix="rempart-kill-")
        self.data = os.path.join(self.dir, "data")
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.config = os.path.join(self.dir, "config.toml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(config)
        self.process = None
        self.host = None

    def start(self, listen="127.0.0.1:0"):
        """Starts it and waits for `ready`; returns the seconds that took."""
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [self.binary, "serve", "--config", self.config, "--data", self.data, "--listen", listen],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.process.stdout:
            if line.startswith("public"):
                self.host = line.split()[1].split("//")[1].replace("localhost", "127.0.0.1")
            if line.strip() == "ready":
                return time.monotonic() - begin
        raise SystemExit(f"the platform did not start; its log is {self.log.name}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        return code

    def cli(self, *args, stdin=None):
        done = subprocess.run([self.binary, *args, "--config", self.config, "--data", self.data],
                              input=stdin, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def call(self, method, path, body=None, headers=None, timeout=10):
        """One call on a new connection: (status, headers, text)."""
        connection = http.client.HTTPConnection(self.host, timeout=timeout)
        try:
            payload = None if body is None else json.dumps(body)
            head = {"Content-Type": "application/json"} if payload is not None else {}
            connection.request(method, path, payload, {**head, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()


def cookie_of(headers):
    """The session cookie of an answer."""
    cookies = headers.get_all("Set-Cookie") or []
    return next(c.split(";")[0] for c in cookies if "rmp_session" in c)
