"""Real servers that keep copies of each other's spaces, most often two: started from TOML files on
free ports, killed, paused, asked, and linked through bad networks (tcp_proxy.py) where a test wants
them. Helper of the tests beside it; nothing here sleeps to wait, but `until` looks again and again
for a state, up to a deadline."""
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import tcp_proxy

LAST_LINES = 20  # of a log
DEADLINE_SECONDS = 30
DOORS = ("grpc", "http", "ops", "replication")
failures = []


def check(condition, what, detail=""):
    print(("ok      " if condition else "FAILED  ") + what, flush=True)
    if not condition:
        failures.append(what)
        print(detail, flush=True)
    return bool(condition)


held_ports = []


def free_port():
    """Below the ports that connections are given: a node that was killed gets its own again. No
    other test is given it while this process lives."""
    while True:
        port = random.SystemRandom().randrange(15000, 32000)
        held = socket.socket(socket.AF_UNIX)
        with socket.socket() as s, contextlib.suppress(OSError):
            held.bind(f"\0engram-test-port-{port}")
            s.bind(("127.0.0.1", port))
            held_ports.append(held)
            return port
        held.close()


def until(what, condition, seconds=DEADLINE_SECONDS):
    """Waits for a state: the first true answer of `condition`. A state that does not come fails the
    test at once, since what follows builds on it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


class Answer:
    """A finished command, or an HTTP reply."""

    def __init__(self, code, out, text):
        self.code, self.out, self.text = code, out, text

    @property
    def json(self):
        return json.loads(self.out)

    def all(self):
        return f"exit {self.code}\n{self.out}\n{self.text}"


class Node:
    def __init__(self, engram, directory, name):
        self.program = [engram]  # what `start` runs
        self.name, self.process = name, None
        self.data = pathlib.Path(f"{directory}/{name}")
        self.config = pathlib.Path(f"{directory}/{name}.toml")
        self.log = pathlib.Path(f"{directory}/{name}.log")
        self.ports = {door: free_port() for door in DOORS}
        self.paused = False

    def entry(self, **other):
        doors = {door: f"127.0.0.1:{port}" for door, port in self.ports.items()}
        doors.update(other)
        pairs = {"name": self.name, **doors}.items()
        return "{ " + ", ".join(f'{key} = "{value}"' for key, value in pairs) + " }"

    @property
    def grpc(self):
        return f"127.0.0.1:{self.ports['grpc']}"

    # ---- the process ----

    def start(self, *more):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                [*self.program, "serve", "--config", str(self.config), *more],
                stdout=log, stderr=log)
        self.paused = False
        return self

    def ready(self):
        """Waits until it answers. False when it ended instead."""
        return until(f"{self.name} is ready", lambda: self.alive_and_up() or not self.alive()) \
            and self.alive()

    def alive_and_up(self):
        return self.get("ops", "/health/ready").code == 200

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def refused(self, *more):
        """A start that must fail: exit code and text."""
        run = subprocess.run([*self.program, "serve", "--config", str(self.config), *more],
                             capture_output=True, text=True, timeout=DEADLINE_SECONDS)
        return Answer(run.returncode, run.stdout, run.stderr)

    def kill9(self):
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def stop(self):
        """SIGTERM: exit code and seconds."""
        began = time.monotonic()
        self.process.terminate()
        return self.process.wait(DEADLINE_SECONDS), time.monotonic() - began

    def said(self, pattern):
        return re.search(pattern, self.log.read_text(errors="replace"), re.S)

    # ---- what it is asked ----

    def http(self, method, path, body=None, door="http", timeout=10, headers=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports[door]}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as reply:
                return Answer(reply.status, reply.read().decode(), "")
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            return Answer(error.code, text, text)
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, "", str(error) or type(error).__name__)

    def get(self, door, path):
        return self.http("GET", path, door=door, timeout=5)

    def remember(self, what, space="default", durability="", key="", timeout=15):
        options = {k: v for k, v in (("durability", durability), ("idempotency_key", key)) if v}
        body = {"what": what, "space": space, **({"options": options} if options else {})}
        return self.http("POST", "/api/v1/memories/remember", body, timeout=timeout)

    def memory(self, memory_id, space="default"):
        return self.get("http", f"/api/v1/memories/{memory_id}?space={space}")

    def cluster(self):
        reply = self.get("ops", "/cluster/health")
        return json.loads(reply.out) if reply.out.startswith("{") else {"spaces": [], "nodes": []}

    def tell(self):
        """Prints how it stands, for whoever reads of a test that failed."""
        state = "stopped" if not self.alive() else "paused" if self.paused else self.cluster()
        print(f"        {self.name}: {json.dumps(state)}")
        for line in self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]:
            print(f"        {self.name}.log: {line}")

    def space(self, name="default"):
        """How this node sees the space; {} when it does not have it."""
        return next((s for s in self.cluster().get("spaces", []) if s["space"] == name), {})

    def connected(self, other):
        return any(n["name"] == other and n.get("connected") for n in self.cluster()["nodes"])

    def metrics(self):
        """{'name{labels}': value}"""
        lines = self.get("ops", "/metrics").out.split("\n")
        return {k: float(v) for k, _, v in (line.rpartition(" ") for line in lines)
                if k and not line_is_comment(k)}

    def metric(self, name, **labels):
        """One series, found by some of its labels; None when there is none."""
        wanted = [f'{k}="{v}"' for k, v in labels.items()]
        for series, value in self.metrics().items():
            if series.split("{")[0] == name and all(label in series for label in wanted):
                return value
        return None

    def segments(self, space="default"):
        return sorted(pathlib.Path(f"{self.data}/spaces/{space}/wal").glob("*.log"))


def line_is_comment(text):
    return text.startswith("#")


class Nodes:
    """n1, the first primary, n2 and so on. `links`: what one dials of another passes a proxy of its
    own, `link(one, other)`."""

    def __init__(self, engram, directory, count=2, links=False, mode="static", **settings):
        self.engram, self.directory = str(pathlib.Path(engram).resolve()), str(directory)
        self.nodes = [Node(self.engram, directory, f"n{i + 1}") for i in range(count)]
        self.n1, self.n2 = self.nodes[:2]
        self.mode, self.proxies = mode, {}
        if links:
            self.proxies = {(one.name, other.name): tcp_proxy.Proxy(other.ports["replication"])
                            for one in self.nodes for other in self.nodes if one is not other}
        self.configure(**settings)

    def configure(self, more="", cluster="", names=None, **entries):
        """Writes all files; n1={"grpc": …} changes what the list says of n1."""
        for node in self.nodes:
            rows = ",\n  ".join(self._entry(node, other, entries) for other in self.nodes)
            name = (names or {}).get(node.name, node.name)
            node.config.write_text(
                f'[node]\nname = "{name}"\ndata_dir = "{node.data}"\n\n'
                f'[cluster]\nmode = "{self.mode}"\n'
                f'first_primary = "n1"\n{cluster}nodes = [\n  {rows}\n]\n{more}')

    def _entry(self, node, other, entries):
        """What the file of `node` says of `other`."""
        proxy = self.proxies.get((node.name, other.name))
        said = {"replication": proxy.address} if proxy else {}
        return other.entry(**{**said, **entries.get(other.name, {})})

    def start(self):
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.ready()
        self.wait_replicated()
        return self

    def link(self, one, other):
        """Both proxies between two nodes: the earlier dials, the later may knock."""
        return [self.proxies[one.name, other.name], self.proxies[other.name, one.name]]

    def run(self, *command, node=None, stdin=None):
        """A command of the program against all nodes, or against one."""
        servers = node.grpc if node else ",".join(n.grpc for n in self.nodes)
        env = {k: v for k, v in os.environ.items() if not k.startswith("ENGRAM_")}
        env.update(ENGRAM_SERVER=servers, NO_COLOR="1")
        run = subprocess.run([self.engram, *command], env=env, capture_output=True, text=True,
                             input=stdin, timeout=2 * DEADLINE_SECONDS)
        return Answer(run.returncode, run.stdout, run.stderr)

    def primary(self, space="default"):
        return next((n for n in self.nodes if n.space(space).get("role") == "primary"), None)

    def create_local(self, *spaces, seconds=DEADLINE_SECONDS):
        """Spaces of durability `local`, led by n1. Every node has to say that it has none."""
        for space in spaces:
            body = {"space": {"id": space, "settings": {"durability": "local"}},
                    "if_not_exists": True}
            until(f"the space {space}",
                  lambda body=body: self.n1.http("POST", "/api/v1/spaces", body).code == 201,
                  seconds)

    def wait_replicated(self, *spaces, seconds=DEADLINE_SECONDS):
        """Each space has a primary that accepts replicated writes, and all nodes vote: whoever
        joined a set has become a voter by an epoch of its own. With an etcd: all are in the set."""
        members = "in_sync" if self.mode == "etcd" else "voters"
        def accepted():
            seen = {s["space"]: s for n in self.nodes if not n.paused and n.alive()
                    for s in n.cluster().get("spaces", []) if s.get("role") == "primary"}
            return all(seen.get(space, {}).get("writes_replicated")
                       and len(seen[space]["record"][members]) == len(self.nodes)
                       for space in spaces or ("default",))
        until(f"replicated writes in {spaces or 'default'}", accepted, seconds)

    def wait_equal(self, *spaces, seconds=DEADLINE_SECONDS):
        """All show all of the same log."""
        def equal():
            for space in spaces or ("default",):
                states = [n.space(space) for n in self.nodes]
                ends = {s.get(k) for s in states for k in ("log_end", "committed_through")}
                epochs = {s.get("epoch") for s in states}
                if not all(states) or len(ends) != 1 or len(epochs) != 1:
                    return False
            return True
        until(f"equal logs of {spaces or 'default'}", equal, seconds)

    def stop_all(self):
        """Of stopped nodes: (exit codes, longest stop in seconds)."""
        ends = [node.stop() for node in self.nodes if node.alive()]
        return {code for code, _ in ends}, max(seconds for _, seconds in ends)

    def digests(self, space="default"):
        answers = [self.run("wal", "digest", "--data-dir", str(node.data), "--space", space)
                   for node in self.nodes]
        return [re.sub(re.escape(str(node.data)), "DATA", answer.out if answer.code == 0
                       else answer.all() + node.name)
                for node, answer in zip(self.nodes, answers)]

    def end(self):
        for node in self.nodes:
            if node.alive():
                node.resume()
                node.kill9()
        for proxy in self.proxies.values():
            proxy.close()


class Pair(Nodes):
    """n1 and n2."""

    def other(self, node):
        return self.nodes[1 - self.nodes.index(node)]

    def promote(self, node, space="default", stopped=True):
        more = ["--primary-is-stopped", self.other(node).name] if stopped else []
        return self.run("promote", node.name, "--space", space, *more)

    def stop_both(self):
        return self.stop_all()


@contextlib.contextmanager
def nodes_of(engram, kind=Nodes, **settings):
    """Nodes in a directory of their own, which is kept when something went wrong."""
    directory = tempfile.mkdtemp(prefix="engram-pair-")
    before = len(failures)
    nodes = kind(engram, directory, **settings)
    try:
        yield nodes
    except Exception as error:
        check(False, f"{type(error).__name__}: {error}")
    finally:
        if len(failures) != before:
            for node in nodes.nodes:
                node.tell()
        nodes.end()
    if len(failures) == before:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        print(f"logs and data stay in {directory}")


def pair_of(engram, **settings):
    return nodes_of(engram, Pair, **settings)


def finish():
    print(f"{len(failures)} failed" + "".join(f"\n  {what}" for what in failures))
    sys.exit(1 if failures else 0)
