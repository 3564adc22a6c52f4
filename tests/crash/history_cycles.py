#!/usr/bin/env python3
"""history_cycles.py ENGRAM --cycles N: clients contend for a few ids of a pair, over HTTP, while
its nodes are killed with -9, stopped and woken, promoted, and cut from each other, one trouble a
cycle. What the clients were told must be linearizable at level `replicated` (history.py: a search
that trusts no sequence); at the end the log must bear out every answer and every read of a copy.

With --unfenced ENGRAM_UNFENCED the servers break a rule (--rule), and the test demands that a
violation is found within N cycles."""
import argparse
import json
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from history import OK, UNKNOWN, Op, against_log, linearizable
from history_clients import Client, Record, look, seen
from pair_kit import Pair, check, finish, nodes_of, until

CLIENTS = 4
IDS = 4
GENERATION = 10  # cycles after which clients turn to new ids: the search is by id
PATIENCE_SECONDS = 120  # on a machine that is busy with other tests
RULE = "reply-before-commit"


class Run:
    def __init__(self, pair, seed):
        self.pair, self.rng = pair, random.Random(seed)
        self.record, self.ended, self.generation = Record(), [], 0
        self.calm = threading.Event()  # never set: to wait a moment

    @property
    def ids(self):
        return [f"g{self.generation}-{i}" for i in range(IDS)]

    def moment(self, least, most):
        self.calm.wait(self.rng.uniform(least, most))

    def roles(self):
        primary = until("a primary", self.pair.primary)
        return primary, self.pair.other(primary)

    def promote(self, node):
        """By an operator who says that the other is stopped; true or not."""
        until(f"{node.name} is promoted", lambda: self.pair.promote(node).code == 0,
              PATIENCE_SECONDS)

    def next_generation(self):
        self.ended.extend(self.record.ops)
        self.record.ops, self.generation = [], self.generation + 1


# ---- troubles: each ends with both nodes running and joined ----


def kill_primary(run):
    primary, other = run.roles()
    primary.kill9()
    run.moment(0, 0.3)
    run.promote(other)
    primary.start().ready()


def kill_replica(run):
    _, replica = run.roles()
    replica.kill9()
    run.moment(0, 0.5)
    replica.start().ready()


def kill_both(run):
    for node in run.pair.nodes:
        node.kill9()
    for node in run.pair.nodes:
        node.start()
    for node in run.pair.nodes:
        node.ready()


def stop_primary(run):
    """It wakes up beside another primary, with requests in its sockets."""
    primary, other = run.roles()
    primary.pause()
    run.moment(0, 0.8)
    run.promote(other)
    run.moment(0, 0.6)
    primary.resume()


def stop_replica(run):
    _, replica = run.roles()
    replica.pause()
    run.moment(0.1, 1.8)
    replica.resume()


def cut(run):
    """One direction or both."""
    there, back = run.rng.choice(((True, True), (True, False), (False, True)))
    for proxy in run.pair.link(*run.pair.nodes):
        proxy.cut(there, back)
    run.moment(0.1, 2)
    mend(run)


def cut_and_promote(run):
    """The operator errs: the other lives, and cannot be heard."""
    _, other = run.roles()
    for proxy in run.pair.link(*run.pair.nodes):
        proxy.cut()
    run.moment(0, 0.5)
    run.promote(other)
    run.moment(0, 0.6)
    mend(run)


def cut_and_kill(run):
    """What the primary wrote meanwhile is nowhere else."""
    primary, other = run.roles()
    for proxy in run.pair.link(*run.pair.nodes):
        proxy.cut()
    run.moment(0.2, 0.8)
    primary.kill9()
    mend(run)
    run.promote(other)
    primary.start().ready()


def reset(run):
    for proxy in run.pair.link(*run.pair.nodes):
        proxy.reset()
    run.moment(0.05, 0.2)


def change_over(run):
    """Nothing is wrong: the other is to lead."""
    _, other = run.roles()
    until(f"{other.name} is promoted",
          lambda: run.pair.promote(other, stopped=False).code == 0, PATIENCE_SECONDS)


def mend(run):
    for proxy in run.pair.link(*run.pair.nodes):
        proxy.mend()


TROUBLES = (kill_primary, kill_replica, kill_both, stop_primary, stop_replica, cut,
            cut_and_promote, cut_and_kill, reset, change_over)


# ---- a cycle ----


def write_locally(run, ending):
    """Beside the histories: entries that a promotion cuts, so that there is something to cut."""
    while not ending.wait(0.02):
        primary = next((n for n in run.pair.nodes if n.alive() and not n.paused), None)
        if primary is not None:
            primary.remember("noise", durability="local", timeout=1)


def cycle(run, trouble):
    """The trouble while clients are busy; then they go on for a while."""
    clients = [Client(run.pair, i, run.rng.getrandbits(32), run.ids, run.record)
               for i in range(CLIENTS)]
    noise = threading.Thread(target=write_locally, args=(run, clients[0].ending), daemon=True)
    for thread in (*clients, noise):
        thread.start()
    try:
        wait_for_calls(run, run.rng.randrange(20, 60))
        trouble(run)
        run.pair.wait_replicated(seconds=PATIENCE_SECONDS)
        wait_for_calls(run, 20)
    finally:
        for client in clients:
            client.ending.set()
        for thread in (*clients, noise):
            thread.join()
    read_all(run)


def wait_for_calls(run, count):
    had = run.record.count(OK)
    until(f"{count} answers", lambda: run.record.count(OK) >= had + count, PATIENCE_SECONDS)


def read_all(run):
    """All ids at rest, by a confirmed read."""
    for id in run.ids:
        op = Op("read", id, time.monotonic(), confirmed=True)

        def answered(id=id, op=op):
            op.invoked = time.monotonic()
            for node in run.pair.nodes:
                reply = look(node, id, {"confirmed": True})
                if reply.code == 200:
                    op.node = node.name
                    seen(op, reply.json)
                    return True
            return False
        until(f"a confirmed read of {id}", answered)
        run.record.add(op)


def wrong(run):
    return run.record.wrong + linearizable(run.record.ops)


def play(run, cycles):
    """What was found wrong; ends with the first."""
    order = []
    for number in range(cycles):
        if not order:
            order = run.rng.sample(TROUBLES, len(TROUBLES))  # each as often as the others
        trouble = order.pop()
        if number % GENERATION == 0 and number > 0:
            run.next_generation()
        try:
            cycle(run, trouble)
        except TimeoutError:
            found = wrong(run)  # says more than that something did not come
            if not found:
                raise
            return found
        print(f"cycle {number + 1}: {trouble.__name__}; {len(run.record.ops)} calls on these ids, "
              f"{run.record.count(UNKNOWN)} with an unknown outcome", flush=True)
        found = wrong(run)
        if found:
            return found
    return []


# ---- the end ----


def log_of(pair, node):
    """{sequence: (epoch, what)}"""
    dump = pair.run("wal", "dump", "--json", "--data-dir", str(node.data))
    entries = [json.loads(line) for line in dump.out.splitlines()]
    return {e["sequence"]: (e["epoch"], e["what"]) for e in entries if e["sequence"] > 0}


def judge_the_end(run):
    pair, ops = run.pair, run.ended + run.record.ops
    pair.wait_equal()
    for id in sorted({op.id for op in ops}):
        for node in pair.nodes:
            op = Op("read", id, time.monotonic(), node=node.name)
            seen(op, until(f"a read of {id}", lambda id=id, node=node: found_by(node, id)).json)
            ops.append(op)
    codes, _ = pair.stop_both()
    check(codes == {0}, "both end in order")
    one, two = pair.digests()
    check(one == two and one, "equal logs", one + two)
    for node in pair.nodes:
        verify = pair.run("wal", "verify", "--data-dir", str(node.data))
        check(verify.code == 0, f"the log of {node.name} is good", verify.all())
    found = against_log(ops, log_of(pair, pair.n1))
    check(not found, f"the log bears out {len(ops)} calls", "\n".join(found[:10]))
    counts = {outcome: sum(op.outcome == outcome for op in ops) for outcome in (OK, UNKNOWN)}
    tokens = sum(op.token_of is not None for op in ops)
    check(counts[OK] > 0 and tokens > 0, f"{counts[OK]} answers, {counts[UNKNOWN]} unknown, "
          f"{tokens} reads with a token, {sum(len(op.again) for op in ops)} repeats")


def found_by(node, id):
    reply = look(node, id, {})
    return reply if reply.code == 200 else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engram")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unfenced", help="servers that break a rule: it must be noticed")
    parser.add_argument("--rule", default=RULE)
    options = parser.parse_args()
    with nodes_of(options.engram, Pair, links=True) as pair:
        if options.unfenced:
            program = str(pathlib.Path(options.unfenced).resolve())
            for node in pair.nodes:
                node.program = [program, options.rule]
        run = Run(pair.start(), options.seed)
        found = play(run, options.cycles)
        if options.unfenced:
            check(found, f"servers that break {options.rule} are found out")
            print("\n".join(found[:3]))
        elif check(not found, f"{options.cycles} cycles are linearizable", "\n".join(found[:5])):
            judge_the_end(run)
    finish()


if __name__ == "__main__":
    main()
