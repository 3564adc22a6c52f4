"""Real etcd servers for the tests beside it: started on free ports with data of their own, paused,
killed, started again, and asked through etcd's HTTP door what engram has stored there. Nothing here
sleeps to wait. Requires etcd in the PATH (package etcd-server), and uses no server of the
machine."""
import base64
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import urllib.request

from pair_kit import DEADLINE_SECONDS, free_port, until


def b64(text):
    return base64.b64encode(text.encode()).decode()


def after(prefix):
    """The end of the range of keys that begin with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


class Key:
    """What etcd has under a key."""

    def __init__(self, row):
        self.key = base64.b64decode(row["key"]).decode()
        self.bytes = base64.b64decode(row.get("value", ""))
        self.created, self.changed = int(row["create_revision"]), int(row["mod_revision"])
        self.lease = int(row.get("lease", 0))

    @property
    def value(self):
        return self.bytes.decode()


class Etcd:
    """One server. `members`: name=url,… of its cluster. Alone, its elections are fast, which makes
    leases of 1 s possible."""

    def __init__(self, directory, name="etcd"):
        self.name, self.process, self.paused = name, None, False
        self.data = pathlib.Path(f"{directory}/{name}")
        self.log = pathlib.Path(f"{directory}/{name}.log")
        self.port, self.peer_port = free_port(), free_port()
        self.members = f"{name}={self.peer_url}"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.address}"

    @property
    def peer_url(self):
        return f"http://127.0.0.1:{self.peer_port}"

    # ---- the process ----

    def start(self):
        beat_ms = 50 if "," in self.members else 10
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                ["etcd", f"--name={self.name}", f"--data-dir={self.data}", "--logger=zap",
                 f"--listen-client-urls={self.url}", f"--advertise-client-urls={self.url}",
                 f"--listen-peer-urls={self.peer_url}",
                 f"--initial-advertise-peer-urls={self.peer_url}",
                 f"--initial-cluster={self.members}", f"--heartbeat-interval={beat_ms}",
                 f"--election-timeout={10 * beat_ms}", "--log-level=warn"],
                stdout=log, stderr=log)
        self.paused = False
        return self

    def ready(self):
        """Waits until it is healthy."""
        def answers():
            if not self.alive():
                raise ChildProcessError(f"{self.name} ended: {self.log.read_text()[-2000:]}")
            return self.healthy()
        until(f"{self.name} is healthy", answers)
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def healthy(self):
        """It has a leader."""
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as reply:
                return json.loads(reply.read())["health"] == "true"
        return False

    def kill9(self):
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    def stop(self):
        """SIGTERM: the exit code."""
        self.process.terminate()
        return self.process.wait(DEADLINE_SECONDS)

    def pause(self):
        """Connections are taken, nothing is answered; waits until it stands still."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        self.paused = True

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def end(self):
        if self.alive():
            self.kill9()

    # ---- what it is asked ----

    def ask(self, path, body, timeout=10):
        """JSON through the HTTP door; an error raises."""
        request = urllib.request.Request(f"{self.url}/v3/{path}", data=json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return json.loads(reply.read())

    def get(self, key, timeout=10):
        """A Key; None when it is not there."""
        rows = self.ask("kv/range", {"key": b64(key)}, timeout).get("kvs", [])
        return Key(rows[0]) if rows else None

    def keys(self, prefix, timeout=10):
        """{key: Key} of all that begin with `prefix`."""
        body = {"key": b64(prefix), "range_end": b64(after(prefix))}
        rows = self.ask("kv/range", body, timeout).get("kvs", [])
        return {row.key: row for row in map(Key, rows)}

    def put(self, key, value, lease=0):
        self.ask("kv/put", {"key": b64(key), "value": b64(value), "lease": lease})

    def erase(self, key):
        """How many there were."""
        return int(self.ask("kv/deleterange", {"key": b64(key)}).get("deleted", 0))

    def leases(self):
        return [int(row["ID"]) for row in self.ask("lease/leases", {}).get("leases", [])]

    def grant(self, seconds):
        return int(self.ask("lease/grant", {"TTL": seconds})["ID"])

    def revoke(self, lease):
        """As if it had run out, now."""
        self.ask("lease/revoke", {"ID": lease})


class Etcds:
    """Members of one cluster; one is a cluster, too."""

    def __init__(self, directory, count=1):
        self.members = [Etcd(directory, f"etcd{i + 1}") for i in range(count)]
        everybody = ",".join(member.members for member in self.members)
        for member in self.members:
            member.members = everybody

    def __getitem__(self, place):
        return self.members[place]

    @property
    def endpoints(self):
        return [member.url for member in self.members]

    def start(self):
        for member in self.members:
            member.start()
        for member in self.members:
            member.ready()
        return self

    def end(self):
        for member in self.members:
            member.end()


@contextlib.contextmanager
def etcds_of(count=1):
    """Started servers in a directory of their own."""
    directory = tempfile.mkdtemp(prefix="engram-etcd-")
    servers = Etcds(directory, count)
    try:
        yield servers.start()
    finally:
        servers.end()
        shutil.rmtree(directory, ignore_errors=True)
