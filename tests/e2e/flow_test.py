#!/usr/bin/env python3
"""flow_test.py ENGRAM [--seconds S] [--megabytes M]: one replica of three is stopped, hangs on a
slow link, or answers late, while writers are busy. Whoever does not wait for it is not slowed by
it; the primary's memory is bounded; a busy space does not starve a quiet one on the slow link; and
once the trouble is over, the replica catches up to equal logs. Latencies are printed, and judge
nothing: what fails is a write that was refused, or no more writes than waiting for the replica
leaves room for. `make flow SECONDS=60` keeps each trouble up for a minute."""
import argparse
import os
import statistics
import threading
import time

from pair_kit import check, finish, nodes_of, until

SPACES = ("aside", "quiet")  # of durability `local`; `default` is `replicated`, and the busy one
LINK_BYTES_PER_SECOND = 1_000_000
LATE_SECONDS = 5
STREAM_MAX_BYTES = 100_000_000  # of what is held for one replica
GROWTH_MAX_BYTES = 400 << 20  # of the process: indexes, caches and what waits for them, too
EPISODE_BYTES, BATCH = 60_000, 20
QUIET_WRITES = 5
PATIENCE_SECONDS = 120


class Writer(threading.Thread):
    """Writes to one space, one after the other, until it is told to end."""

    def __init__(self, node, space, level):
        super().__init__(daemon=True)
        self.node, self.space, self.level = node, space, level
        self.took, self.refused, self.ending = [], [], threading.Event()

    def run(self):
        while not self.ending.wait(0.005):
            began = time.monotonic()
            reply = self.node.remember("a note of some length", self.space, self.level)
            if reply.code == 201:
                self.took.append((began, time.monotonic() - began))
            else:
                self.refused.append((began, reply.text))

    def since(self, began):
        return sorted(took for at, took in self.took if at >= began)


class Flow:
    def __init__(self, nodes, seconds):
        self.nodes, self.seconds, self.calm = nodes, seconds, threading.Event()
        self.n1, self.n2, self.n3 = nodes.nodes

    @property
    def writes_of_who_waits(self):
        """As many as a writer can have in a phase if it waits for an answer that is late."""
        return 1 + self.seconds / LATE_SECONDS

    def link(self):
        return self.nodes.link(self.n1, self.n3)

    def in_set(self, space="default"):
        return self.n1.space(space).get("record", {}).get("in_sync", [])

    def leave_out_n3(self):
        """The static store never shrinks the set by itself: an operator does."""
        def left():
            self.nodes.run("replicas", "remove", "n3", "--space", "default")
            return "n3" not in self.in_set()
        until("n3 is left out of the set", left, PATIENCE_SECONDS)

    def lag_bytes(self, space):
        return self.n1.metric("engram_replication_lag_bytes", memory_space=space, replica_id="n3")

    def whole_again(self, *spaces):
        self.nodes.wait_equal("default", *spaces, seconds=PATIENCE_SECONDS)
        self.nodes.wait_replicated(seconds=PATIENCE_SECONDS)


def measured(flow, what, begin=lambda: None):
    """Both kinds of writes, from when `begin` has done its part, with n3 out of the set or well."""
    writers = [Writer(flow.n1, "aside", "local"), Writer(flow.n1, "default", "replicated")]
    for writer in writers:
        writer.start()
    try:
        begin()
        set_before, began = flow.in_set(), time.monotonic()
        flow.calm.wait(flow.seconds)
        same_set = set_before == flow.in_set()
    finally:
        for writer in writers:
            writer.ending.set()
    for writer in writers:
        writer.join()
        judge(flow, what, writer, began, same_set)


def judge(flow, what, writer, began, same_set):
    took = writer.since(began)
    refused = [why for at, why in writer.refused if at >= began]
    check(not refused, f"{what}: no {writer.level} write is refused", str(refused[:1]))
    if same_set or writer.level == "local":
        check(len(took) > flow.writes_of_who_waits,
              f"{what}: {writer.level} writes do not wait for n3",
              f"{len(took)} in {flow.seconds} s")
    if took:
        median, p99 = statistics.median(took), took[len(took) * 99 // 100]
        print(f"        {what}: {writer.level}: median {median * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} "
              f"ms, longest {took[-1] * 1e3:.0f} ms, {len(took)} writes"
              + ("" if same_set else "; n3 came back into the set meanwhile"))


def all_well(flow):
    measured(flow, "all well")


def stopped(flow):
    def begin():
        flow.n3.pause()
        flow.leave_out_n3()
    measured(flow, "n3 stopped", begin)
    flow.n3.resume()
    flow.whole_again("aside")


def answers_late(flow):
    def begin():
        for proxy in flow.link():
            proxy.back.delay = LATE_SECONDS
        flow.leave_out_n3()
    measured(flow, f"n3 answers after {LATE_SECONDS} s", begin)
    for proxy in flow.link():
        proxy.mend()
    flow.whole_again("aside")


# ---- the slow link ----


def fill(flow, megabytes):
    """Many times what the link carries meanwhile: metadata, which nothing indexes. Should n3 come
    back into the set before there is enough for it to be behind, it is left out again."""
    def stored():
        reply = flow.n1.http("POST", "/api/v1/memories/batch",
                             {"episodes": episodes, "options": {"durability": "local"}}, timeout=30)
        if reply.code != 200:
            flow.leave_out_n3()
        return reply.code == 200

    while megabytes > 0:
        episodes = [{"what": "large", "metadata": {
            f"part{i}": os.urandom(EPISODE_BYTES // 16).hex() for i in range(8)}}
            for _ in range(BATCH)]
        until("a batch is stored", stored, PATIENCE_SECONDS)
        megabytes -= EPISODE_BYTES * BATCH / 1e6


def resident_bytes(node):
    with open(f"/proc/{node.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Stream(threading.Thread):
    """Looks again and again at what the primary holds for n3."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.most, self.looks, self.ending = node, 0, 0, threading.Event()

    def run(self):
        while not self.ending.wait(0.1):
            held = self.node.metric("engram_replication_stream_bytes", replica_id="n3")
            if held is not None:
                self.most, self.looks = max(self.most, held), self.looks + 1

    def judge(self):
        self.ending.set()
        self.join()
        check(0 < self.most < STREAM_MAX_BYTES,
              f"the stream to n3 held {self.most / 1e6:.1f} MB at most, in {self.looks} looks")


def quiet_write(flow):
    """Seconds until n3 shows a write to the quiet space."""
    began = time.monotonic()
    reply = flow.n1.remember("a word in between", "quiet", "local")
    token = reply.json.get("token", "") if reply.code == 201 else ""
    read = {"read": {"at_least_token": token, "wait": "20s"}, "space": "quiet",
            "query": {"text": "word"}}
    shown = flow.n3.http("POST", "/api/v1/memories/recall", read, timeout=30,
                         headers={"Engram-Timeout": "25s"})
    return time.monotonic() - began if token and shown.code == 200 else None


def slow_link(flow, megabytes):
    fill(flow, 10)  # what its caches take once
    flow.whole_again()
    before = resident_bytes(flow.n1)
    for proxy in flow.link():
        proxy.throttle(LINK_BYTES_PER_SECOND)
    stream = Stream(flow.n1)
    stream.start()
    flow.leave_out_n3()
    fill(flow, megabytes)
    behind = flow.lag_bytes("default")
    if not check(behind > megabytes * 1e6 / 2, f"n3 is {behind / 1e6:.0f} MB behind"):
        return
    measured(flow, "n3 on 1 MB/s")
    took = [quiet_write(flow) for _ in range(QUIET_WRITES)]
    behind = flow.lag_bytes("default")
    check(None not in took, "a quiet space reaches the replica past a busy one", str(took))
    check(behind > megabytes * 1e6 / 3, f"… which is still {behind / 1e6:.0f} MB behind")
    print("        seconds until it was shown: " + ", ".join(f"{t:.2f}" for t in took if t))
    stream.judge()
    grown = resident_bytes(flow.n1) - before
    check(grown < GROWTH_MAX_BYTES, f"the primary's memory grew by {grown / 1e6:.0f} MB")
    for proxy in flow.link():
        proxy.mend()
    began = time.monotonic()
    flow.whole_again("quiet", "aside")
    check(True, f"n3 has caught up {time.monotonic() - began:.1f} s after the link was mended")


def equal_in_the_end(flow):
    codes, _ = flow.nodes.stop_all()
    check(codes == {0}, "all end in order")
    for space in ("default", *SPACES):
        digests = flow.nodes.digests(space)
        check(len(set(digests)) == 1 and digests[0], f"equal logs of {space}", "".join(digests))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engram")
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--megabytes", type=float, help="of the busy space; default: enough")
    options = parser.parse_args()
    # Eight times what the slow link carries in a measurement: compressed it carries more than twice
    # as much, and it flows before and after the measurement, too.
    megabytes = options.megabytes or max(110, 8 * options.seconds * LINK_BYTES_PER_SECOND / 1e6)
    with nodes_of(options.engram, count=3, links=True) as nodes:
        flow = Flow(nodes.start(), options.seconds)
        nodes.create_local(*SPACES, seconds=PATIENCE_SECONDS)
        nodes.wait_replicated("default", *SPACES, seconds=PATIENCE_SECONDS)
        for step in (all_well, stopped, answers_late,
                     lambda flow: slow_link(flow, megabytes), equal_in_the_end):
            began = time.monotonic()
            step(flow)
            print(f"-- {time.monotonic() - began:.1f} s", flush=True)
    finish()


if __name__ == "__main__":
    main()
