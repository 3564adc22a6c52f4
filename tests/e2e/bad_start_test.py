#!/usr/bin/env python3
"""bad_start_test.py ENGRAM: a real server on bad ground. Each case gets a clear error with a
reason, nothing is lost, and what is not concerned is still served."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

READY_SECONDS = 30
failures = []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def check(condition, what, detail=""):
    print(("ok      " if condition else "FAILED  ") + what)
    if not condition:
        failures.append(what)
        print(detail)


class Ground:
    """A directory, and commands against the server on it."""

    def __init__(self, engram, directory):
        self.engram, self.directory, self.process = engram, str(directory), None
        self.ports = [free_port() for _ in range(3)]

    def serve_command(self, *more):
        doors = zip(("--grpc", "--http", "--ops"), self.ports)
        addresses = [part for door, port in doors for part in (door, f"127.0.0.1:{port}")]
        return [self.engram, "serve", "--data-dir", f"{self.directory}/data", *addresses, *more]

    def start(self, *more):
        self.process = subprocess.Popen(self.serve_command(*more), stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + READY_SECONDS
        while self.run("health").returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the server is not ready")

    def stop(self):
        self.process.terminate()
        return self.process.wait(READY_SECONDS)

    def kill(self):
        self.process.kill()
        self.process.wait(READY_SECONDS)

    def run(self, *command):
        env = dict(os.environ, ENGRAM_SERVER=f"127.0.0.1:{self.ports[0]}", NO_COLOR="1")
        return subprocess.run([self.engram, *command], env=env, capture_output=True, text=True)

    def refused(self, *more):
        """A start that must fail: exit code and text."""
        run = subprocess.run(self.serve_command(*more), capture_output=True, text=True,
                             timeout=READY_SECONDS)
        return run.returncode, run.stderr

    def segments(self, space):
        return sorted(pathlib.Path(f"{self.directory}/data/spaces/{space}/wal").glob("*.log"))


def four_parts(text, reason):
    return f"({reason})" in text and "Expected:" in text and "Suggestion:" in text


def in_use(ground):
    ground.start()
    other = Ground(ground.engram, ground.directory)
    code, text = other.refused()
    check(code == 1 and four_parts(text, "CONFIGURATION"), "a data directory in use", text)
    other = Ground(ground.engram, ground.directory + "/other")
    other.ports[0] = ground.ports[0]
    code, text = other.refused()
    check(code == 1 and str(ground.ports[0]) in text and "(CONFIGURATION)" in text,
          "a port in use", text)
    check(ground.run("remember", "still here").returncode == 0, "the first server goes on")
    check(ground.stop() == 0, "SIGTERM ends with 0")


def no_directory(ground):
    code, text = Ground(ground.engram, "/proc/engram-test").refused()
    check(code == 1 and re.search(r"\((IO|CONFIGURATION)\)", text),
          "a directory that cannot be written", text)


def configuration(ground):
    for name, flags, hint in (
            ("an unknown key", ["--set", "wal.fsync_mod=none"], "wal.fsync_mode"),
            ("a value out of range", ["--set", "wal.segment_bytes=1KiB"], "64KiB"),
            ("an address beyond loopback", ["--set", "listen.http=0.0.0.0:7432"], "loopback")):
        code, text = ground.refused(*flags)
        check(code == 1 and hint in text and "(CONFIGURATION)" in text, name, text)


def full_disk(ground):
    ground.start("--set", "node.min_free_disk=1TiB")
    write = ground.run("remember", "no room for this")
    check(write.returncode == 5 and "(DISK_FULL)" in write.stderr,
          "a full disk refuses writes", write.stderr)
    read = ground.run("recall", "still here")
    check(read.returncode == 0 and "still here" in read.stdout,
          "a full disk serves reads", read.stderr)
    ground.stop()


def damaged(ground):
    """One flipped bit in the middle of one space's log: that space is read-only, others go on."""
    ground.start()
    ground.run("space", "create", "hurt")
    for i in range(50):
        ground.run("remember", f"number {i}", "--space", "hurt")
    ground.kill()
    segment = ground.segments("hurt")[0]
    data = bytearray(segment.read_bytes())
    at = data.index(b"number 20")
    data[at] ^= 1
    segment.write_bytes(data)
    verify = ground.run("wal", "verify", "--data-dir", f"{ground.directory}/data", "--json")
    report = {space["space"]: space for space in json.loads(verify.stdout)}
    check(verify.returncode == 6 and not report["hurt"]["good"] and report["default"]["good"],
          "wal verify finds a flipped bit", verify.stdout)
    ground.start()
    write = ground.run("remember", "more", "--space", "hurt")
    check(write.returncode != 0 and "CORRUPTION" in write.stderr,
          "a damaged space refuses writes", write.stderr)
    check(ground.run("remember", "fine").returncode == 0, "the other spaces are served")
    ground.stop()
    check(data == segment.read_bytes(), "nothing of the damaged log was cut or changed")


def misplaced(ground):
    """A segment of another space: refused by name, and the others are served."""
    ground.start()
    for space in ("left", "right"):
        ground.run("space", "create", space)
        ground.run("remember", f"in {space}", "--space", space)
    ground.stop()
    shutil.copy(ground.segments("left")[0], ground.segments("right")[0])
    ground.start()
    read = ground.run("recall", "in", "--space", "right")
    check(read.returncode != 0 and ground.segments("right")[0].name in read.stderr,
          "a segment of another space is refused by name", read.stderr + read.stdout)
    check(ground.run("list", "--space", "left").stdout.count("in left") == 1, "its owner is served")
    ground.stop()


def newer(ground):
    meta = pathlib.Path(f"{ground.directory}/data/node.meta")
    data = bytearray(meta.read_bytes())
    data[8] = 9
    meta.write_bytes(data)
    code, text = ground.refused()
    check(code == 1 and "(UNSUPPORTED_VERSION)" in text, "a newer format version", text)


def main():
    with tempfile.TemporaryDirectory() as directory:
        ground = Ground(str(pathlib.Path(sys.argv[1]).resolve()), directory)
        for case in (in_use, no_directory, configuration, full_disk, damaged, misplaced, newer):
            case(ground)
    print(f"{len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
