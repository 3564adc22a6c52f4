#!/usr/bin/env python3
"""kill_cycles.py ENGRAM --cycles N: a real server under load is killed with -9 at a random moment,
N times over the same directory. After each start every acknowledged episode is looked up by id and
its content compared; at the end `engram wal verify` must find the logs good."""
import argparse
import json
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

READY_SECONDS = 30
WRITERS = 4


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, engram, directory):
        self.http, self.ops = free_port(), free_port()
        command = [engram, "serve", "--data-dir", f"{directory}/data", "--grpc", "127.0.0.1:0",
                   "--http", f"127.0.0.1:{self.http}", "--ops", f"127.0.0.1:{self.ops}"]
        self.log = open(f"{directory}/server.log", "a")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + READY_SECONDS
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the server is not ready: see {directory}/server.log")

    def ready(self):
        try:
            url = f"http://127.0.0.1:{self.ops}/health/ready"
            with urllib.request.urlopen(url, timeout=1) as reply:
                return reply.status == 200
        except OSError:
            return False

    def call(self, path, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}/api/v1/memories/{path}",
                                         json.dumps(body).encode(),
                                         {"content-type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=10))

    def get(self, memory_id):
        url = f"http://127.0.0.1:{self.http}/api/v1/memories/{memory_id}"
        return json.load(urllib.request.urlopen(url, timeout=10))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def write(server, acknowledged, stop, seed):
    """Writes until the server is gone; what was answered goes into `acknowledged`."""
    rng = random.Random(seed)
    while not stop.is_set():
        what = f"note {rng.getrandbits(64):x} " + "x" * rng.randrange(200)
        try:
            reply = server.call("remember", {"what": what, "session": f"s{seed % 7}"})
        except (OSError, urllib.error.HTTPError, ValueError):
            return
        acknowledged[reply["memory_id"]] = what


def cycle(engram, directory, rng, ledger):
    server = Server(engram, directory)
    lost = [i for i, what in ledger.items() if (server.get(i).get("what") != what)]
    if lost:
        sys.exit(f"LOST after kill -9: {len(lost)} of {len(ledger)}, such as {lost[0]}")
    acknowledged, stop = {}, threading.Event()
    threads = [threading.Thread(target=write,
                                args=(server, acknowledged, stop, rng.getrandbits(32)))
               for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    wanted = rng.randrange(1, 200)
    deadline = time.monotonic() + READY_SECONDS
    while len(acknowledged) < wanted and time.monotonic() < deadline:
        pass
    server.kill()
    stop.set()
    for thread in threads:
        thread.join()
    ledger.update(acknowledged)
    return len(acknowledged)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engram")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    engram = str(pathlib.Path(options.engram).resolve())
    rng, ledger = random.Random(options.seed), {}
    with tempfile.TemporaryDirectory() as directory:
        for number in range(options.cycles):
            count = cycle(engram, directory, rng, ledger)
            print(f"cycle {number + 1}: {count} acknowledged, {len(ledger)} in all")
        server = Server(engram, directory)
        lost = sum(server.get(i).get("what") != what for i, what in ledger.items())
        server.kill()
        verify = subprocess.run([engram, "wal", "verify", "--data-dir", f"{directory}/data"])
        print(f"{len(ledger)} acknowledged, {lost} lost, wal verify exit {verify.returncode}")
        sys.exit(6 if lost or verify.returncode else 0)


if __name__ == "__main__":
    main()
