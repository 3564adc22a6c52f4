"""Clients that write down what they asked and what they were told, as history.Op. They contend for
a few ids, follow the primary, try again with the same key while the outcome is not known, and read
from any node, with and without tokens."""
import random
import threading
import time

from history import OK, REFUSED, UNKNOWN, Op

TIMEOUT_SECONDS = 2  # of one attempt, and a little less on the server's side
PATIENCE_SECONDS = 8  # of a write with its retries
LOOK_SECONDS = 0.02
KINDS = {"remember": 22, "update": 16, "suppress": 8, "restore": 8, "delete": 7, "confirmed": 20,
         "any": 9, "at_least": 10}
# Refused before anything was written: docs/api.md.
NOT_CARRIED_OUT = {"OVERLOADED", "NOT_PRIMARY", "NO_PRIMARY", "NOT_ENOUGH_IN_SYNC", "DISK_FULL",
                   "RECOVERING", "SHUTTING_DOWN"}
NOT_CONNECTED = "Connection refused"


def reason_of(reply):
    return reply.json.get("reason", "") if reply.out.startswith("{") and reply.code >= 400 else ""


class Record:
    """What all clients saw. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self.ops, self.wrong = [], []

    def add(self, op):
        with self._lock:
            self.ops.append(op)

    def fault(self, what):
        """An answer that is wrong by itself."""
        with self._lock:
            self.wrong.append(what)

    def count(self, outcome):
        with self._lock:
            return sum(op.outcome == outcome for op in self.ops)


class Client(threading.Thread):
    def __init__(self, pair, number, seed, ids, record):
        super().__init__(daemon=True)
        self.nodes, self.number, self.ids, self.record = pair.nodes, number, ids, record
        self.rng, self.ending = random.Random(seed), threading.Event()
        self.home = self.rng.choice(self.nodes)  # whom it takes for the primary
        self.name_of_life, self.calls, self.newest = f"{number}-{seed:x}", 0, None

    def run(self):
        while not self.ending.is_set():
            kind = self.rng.choices(list(KINDS), KINDS.values())[0]
            id = self.rng.choice(self.ids)
            if kind in ("confirmed", "any"):
                self.read(id, kind)
            elif kind == "at_least":
                if self.newest is not None and self.newest[0].id in self.ids:
                    self.read(self.newest[0].id, kind)
            else:
                self.write(kind, id)

    def call(self, node, method, path, body, key=""):
        headers = {"Engram-Timeout": f"{TIMEOUT_SECONDS * 900}ms"}
        if key:
            headers["Idempotency-Key"] = key
        return node.http(method, path, body, timeout=TIMEOUT_SECONDS, headers=headers)

    def elsewhere(self, node):
        self.home = next(n for n in self.nodes if n is not node)
        self.ending.wait(LOOK_SECONDS)

    # ---- writes ----

    def request(self, op):
        path, options = f"/api/v1/memories/{op.id}", {"options": {"durability": "replicated"}}
        if op.kind == "remember":
            return "POST", "/api/v1/memories/remember", {"id": op.id, "what": op.text, **options}
        if op.kind == "update":
            return "PATCH", path, {"what": op.text, **options}
        if op.kind == "restore":
            return "POST", "/api/v1/memories/restore", {"ids": [op.id], **options}
        return "POST", "/api/v1/memories/forget", {"memory_id": op.id, "mode": op.kind, **options}

    def write(self, kind, id):
        self.calls += 1
        key = f"{self.name_of_life}-{self.calls}"
        op = Op(kind, id, time.monotonic(), client=self.number, outcome=REFUSED)
        if kind in ("remember", "update"):
            op.text = f"{kind} {key}"
        impatient = self.rng.random() < 0.05  # gives up at once, and leaves the outcome open
        ends = op.invoked + PATIENCE_SECONDS
        while True:
            node = self.home
            reply = self.call(node, *self.request(op), key=key)
            op.node = node.name
            if reply.code in (200, 201):
                self.answered(op, reply.json, node, key)
                break
            reason = reason_of(reply)
            if reason in NOT_CARRIED_OUT or (reply.code == 0 and NOT_CONNECTED in reply.text):
                pass  # says nothing about an earlier attempt
            elif reply.code == 0 or reason in ("COMMIT_UNKNOWN", "WAL_POISONED"):
                op.outcome = UNKNOWN
                if impatient:
                    break
            elif reason == "MEMORY_NOT_FOUND":
                break
            else:
                self.record.fault(f"{op} was answered {reply.all()}")
                break
            if time.monotonic() > ends or (self.ending.is_set() and op.outcome == REFUSED):
                break
            self.elsewhere(node)
        if op.outcome == REFUSED:
            op.returned = time.monotonic()
        self.record.add(op)

    def answered(self, op, json, node, key):
        if op.outcome == UNKNOWN and json["outcome"] == "unchanged":
            return  # nothing is kept for the key: an earlier attempt may still be on its way
        op.returned, op.outcome = time.monotonic(), OK
        op.changed, op.version = json["outcome"] != "unchanged", json["version"]
        if json["durability"] != "replicated":
            self.record.fault(f"{op} reached only {json['durability']}")
        if not op.changed:
            return
        op.position = (json["epoch"], json["sequence"])
        if op.kind in ("remember", "update"):
            self.newest = (op, json["token"])
        if self.rng.random() < 0.05:
            again = self.call(node, *self.request(op), key=key)
            if again.code in (200, 201):
                op.again.append((again.json["epoch"], again.json["sequence"]))

    # ---- reads ----

    def read(self, id, how):
        op = Op("read", id, time.monotonic(), client=self.number, confirmed=how == "confirmed")
        read = {"confirmed": True} if op.confirmed else {}
        if how == "at_least":
            op.token_of, read["at_least_token"] = self.newest
        node = self.home if op.confirmed else self.rng.choice(self.nodes)
        reply = look(node, id, read, lambda *request: self.call(node, *request))
        op.node = node.name
        if reason_of(reply) == "WRITE_LOST":
            op.lost, op.returned = True, time.monotonic()
        elif reply.code != 200:
            if op.confirmed or reply.code == 0:
                self.elsewhere(node)
            return
        else:
            seen(op, reply.json)
        self.record.add(op)


def look(node, id, read, call=None):
    """Recall by id: found or not, with the place in the log at which that is so."""
    body = {"filter": {"ids": [id], "include_suppressed": True}, "read": read}
    request = ("POST", "/api/v1/memories/recall", body)
    return call(*request) if call else node.http(*request)


def seen(op, json):
    op.returned = time.monotonic()
    op.position = (json["served_by"]["epoch"], json["served_by"]["visible_through"])
    for memory in json.get("memories", []):
        stored = memory["stored"]
        op.found, op.text, op.version = True, memory["content"], stored["version"]
        op.suppressed = stored.get("suppressed", False)
        op.content_at = (stored["epoch"], stored["sequence"])
