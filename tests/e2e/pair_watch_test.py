#!/usr/bin/env python3
"""pair_watch_test.py ENGRAM: whoever watches a space is told every acknowledged change once, over
the death of primaries, by the command and over HTTP; what a failover lost is said; and a replica
refuses reads that want it fresher than it is."""
import http.client
import json
import os
import re
import subprocess
import sys
import threading

from pair_kit import check, finish, pair_of, until

ENDS_WITHIN_SECONDS = 10  # as of any server
ACTIVITIES = "/api/v1/stream/activities"


class Watcher:
    """`engram watch --json` beside the test."""

    def __init__(self, pair, *flags, servers=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith("ENGRAM_")}
        env["ENGRAM_SERVER"] = servers or ",".join(n.grpc for n in pair.nodes)
        self.process = subprocess.Popen([pair.engram, "watch", "--json", *flags], env=env,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.changes = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.changes.append(json.loads(line))

    def ids(self):
        return [change["memory_id"] for change in list(self.changes)]

    def end(self):
        self.process.terminate()
        self.reader.join(10)
        return self.process.stderr.read()


class Events:
    """Server-sent events of one node."""

    def __init__(self, node, query="", last=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", node.ports["http"], timeout=30)
        self.connection.request("GET", ACTIVITIES + query,
                                headers={"Last-Event-ID": last} if last else {})
        self.reply = self.connection.getresponse()
        self.last = last

    def next(self):
        """The next change; ids of heartbeats are taken on the way."""
        data = None
        for raw in self.reply:
            line = raw.decode().rstrip("\n")
            if line.startswith("id: "):
                self.last = line[4:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
            elif not line and data is not None:
                return data
        return None

    def close(self):
        self.connection.sock.close()
        self.connection.close()


class Writer:
    """Writes without a pause; keeps what was acknowledged."""

    def __init__(self, node, **options):
        self.acknowledged, self.over = [], threading.Event()
        self.thread = threading.Thread(target=self.write, args=(node, options), daemon=True)
        self.thread.start()

    def write(self, node, options):
        while not self.over.is_set():
            reply = node.remember(f"note {len(self.acknowledged)} of {node.name}", **options)
            if reply.code == 201:
                self.acknowledged.append(reply.json["memory_id"])

    def wait(self, writes):
        until("writes", lambda: len(self.acknowledged) >= writes)

    def end(self):
        self.over.set()
        self.thread.join(30)
        return self.acknowledged


def watchers(node):
    return node.metric("engram_watchers")


def once(pair):
    """Two failovers under a watch."""
    watcher = Watcher(pair, "--timeout", "60s")
    until("it watches n1", lambda: watchers(pair.n1) == 1)
    acknowledged = []
    for leader, other in ((pair.n1, pair.n2), (pair.n2, pair.n1)):
        writer = Writer(leader)
        writer.wait(50)
        leader.kill9()  # in the middle of a write
        acknowledged += writer.end()
        until("it watches on", lambda: watchers(other) == 1)
        check(pair.promote(other).code == 0, f"{other.name} takes over")
        alone = Writer(other, durability="local")
        alone.wait(20)
        acknowledged += alone.end()
        leader.start().ready()
        pair.wait_replicated()
        both = Writer(other)
        both.wait(20)
        acknowledged += both.end()
    until("all that was acknowledged was told", lambda: set(acknowledged) <= set(watcher.ids()))
    said = watcher.end()
    ids = watcher.ids()
    check(len(acknowledged) >= 180, "writes enough", str(len(acknowledged)))
    check(len(ids) == len(set(ids)), "nothing was told twice",
          str([i for i in ids if ids.count(i) > 1]))
    check([i for i in ids if i in set(acknowledged)] == acknowledged, "… and all in order")
    sequences = [change["sequence"] for change in watcher.changes]
    check(sequences == sorted(sequences), "in the order of the log")
    check(all(change["kind"] == "stored" for change in watcher.changes), "as stored")
    there = pair.run("list", "--all", "--format", "ids", "--page-size", "1000").out.split()
    check(sorted(there) == sorted(ids), "what was told is what is there",
          f"{len(there)} there, {len(ids)} told")
    check(f"Watching on at {pair.n2.grpc}" in said and f"Watching on at {pair.n1.grpc}" in said,
          "the command says where it goes on", said)
    until("nobody watches", lambda: watchers(pair.n1) == 0 and watchers(pair.n2) == 0)
    return watcher.changes


def resumed(pair, changes):
    """From any token, at either node: the rest, and no more."""
    for at in (0, len(changes) // 2, len(changes) - 2):
        rest = changes[at + 1:]
        for node in pair.nodes:
            answer = pair.run("watch", "--json", "--from-token", changes[at]["token"], "--count",
                              str(len(rest)), node=node)
            told = [json.loads(line) for line in answer.out.splitlines()]
            check(answer.code == 0 and told == rest, f"the rest after {at}, at {node.name}",
                  answer.all()[:600])
            check(rest[-1]["token"] in answer.text, "… and how to go on", answer.text)


def by_events(pair, changes):
    sent = pair.n2.metric("engram_watch_changes_sent_total", memory_space="default") or 0
    events = Events(pair.n2, f"?from={changes[-3]['token']}&include_content=true")
    check(events.reply.status == 200
          and events.reply.headers["content-type"] == "text/event-stream", "events",
          str(events.reply.headers))
    two = [events.next(), events.next()]
    check([e["memory_id"] for e in two] == [c["memory_id"] for c in changes[-2:]]
          and all("what" in json.dumps(e) for e in two), "with their content", str(two))
    check(events.last == changes[-1]["token"], "ids are tokens", events.last)
    new = pair.primary().remember("while events are watched").json["memory_id"]
    check(events.next()["memory_id"] == new, "a new one arrives")
    check(watchers(pair.n2) == 1, "a watcher is counted")
    until("and what it was told", lambda: pair.n2.metric(
        "engram_watch_changes_sent_total", memory_space="default") >= sent + 3)
    events.close()
    until("it has gone", lambda: watchers(pair.n2) == 0)
    more = [pair.primary().remember(f"missed {i}").json["memory_id"] for i in range(3)]
    again = Events(pair.n1, last=events.last)  # as a browser does, but at the other node
    check([again.next()["memory_id"] for _ in more] == more, "Last-Event-ID goes on elsewhere")
    again.close()
    text = pair.run("watch", "--from-token", events.last, "--count", "3", "--content")
    check(re.search(r"\dZ  stored +\S+  missed 0$", text.out, re.M), "lines for people", text.all())


def ended(pair):
    """An orderly end of the server is the end of its watches, at once."""
    events = Events(pair.n2)
    until("it watches", lambda: watchers(pair.n2) == 1)
    code, seconds = pair.n2.stop()
    check(code == 0 and seconds < ENDS_WITHIN_SECONDS, "a watch does not hold up a shutdown",
          f"{code} {seconds}")
    check(events.next()["reason"] == "SHUTTING_DOWN", "it says so")
    pair.n2.start().ready()
    pair.wait_replicated()


def stale(pair):
    """n1 leads; n2 is asked."""
    def ask(at_most):
        return pair.n2.http("GET", "/api/v1/memories?page_size=1",
                            headers={"Engram-Max-Staleness": at_most} if at_most else None)
    writer = Writer(pair.n1)
    writer.wait(20)
    codes = {ask("2s").code for _ in range(20)}
    writer.end()
    check(codes == {200}, "a replica that follows is fresh, under load, too", str(codes))
    reply = ask("1s")
    check(reply.code == 200 and reply.json["served_by"]["node"] == "n2", "idle as well, and it is "
          "n2 that answers", reply.all())
    check(ask("150ms").code == 200, "who wants it fresher than a heartbeat waits for the next")
    check(pair.run("list", "--max-staleness", "5s", node=pair.n2).code == 0, "by the command")
    pair.n1.pause()
    refused = until("n2 notices the silence", lambda: (lambda r: r.code == 503 and r)(ask("700ms")))
    about = refused.json
    check(about["reason"] == "TOO_STALE" and about["metadata"]["behind_ms"].isdigit()
          and int(about["metadata"]["behind_ms"]) > 700, "it says how stale it is", refused.all())
    check(about["metadata"].get("primary_grpc") == pair.n1.grpc, "… and where to ask",
          refused.all())
    check(ask(None).code == 200, "who does not mind is answered")
    pair.n1.resume()
    until("fresh again", lambda: ask("700ms").code == 200)
    pair.n1.kill9()
    until("cut off", lambda: not pair.n2.connected("n1"))
    cut = pair.run("list", "--max-staleness", "1h", node=pair.n2)
    check(cut.code == 5 and "TOO_STALE" in cut.text and f"n1 at {pair.n1.grpc}" in cut.text,
          "cut off is too stale, however much is allowed", cut.all())
    pair.n1.start().ready()
    pair.wait_replicated()
    check(pair.n1.http("GET", "/api/v1/memories?page_size=1",
                       headers={"Engram-Max-Staleness": "0s"}).code == 200, "a primary is fresh")


def lost(pair):
    """A local space commits what its primary has alone: what it showed, a failover may lose."""
    made = pair.n1.http("POST", "/api/v1/spaces",
                        {"space": {"id": "drafts", "settings": {"durability": "local"}}})
    check(made.code in (200, 201), "a local space", made.all())
    pair.wait_replicated("drafts")
    pair.n2.kill9()
    watcher = Watcher(pair, "--space", "drafts", servers=pair.n1.grpc)
    until("it watches n1", lambda: watchers(pair.n1) == 1)
    first = pair.n1.remember("only here", space="drafts")
    check(first.code == 201, "a write", first.all())
    until("it was told", lambda: first.json["memory_id"] in watcher.ids())
    watcher.end()
    pair.n1.kill9()
    pair.n2.start().ready()
    check(pair.promote(pair.n2, "drafts").code == 0, "n2 takes over")
    until("n2 goes on", lambda: pair.n2.remember("after", space="drafts").code == 201)
    token = watcher.changes[-1]["token"]
    again = ("watch", "--space", "drafts", "--from-token", token, "--count", "1")
    answer = pair.run(*again, node=pair.n2)
    check(answer.code == 6 and "WRITE_LOST" in answer.text, "who was told of it hears that it is "
          "lost", answer.all())
    problem = Events(pair.n2, f"?space=drafts&from={token}").reply
    check(problem.status == 410 and b"WRITE_LOST" in problem.read(), "over HTTP, too")
    pair.n1.start().ready()
    pair.wait_replicated("drafts")
    answer = pair.run(*again, node=pair.n1)
    check(answer.code == 6, "and at n1, once it follows", answer.all())


def main():
    with pair_of(sys.argv[1]) as pair:
        pair.start()
        print("-- once")
        changes = once(pair)
        for step in (resumed, by_events):
            print(f"-- {step.__name__}")
            step(pair, changes)
        for step in (ended, stale, lost):
            print(f"-- {step.__name__}")
            step(pair)
    finish()


if __name__ == "__main__":
    main()
