#!/usr/bin/env python3
"""pair_cycles.py ENGRAM --cycles N: a pair under load loses its primary to kill -9, N times, the
nodes in turn. Each time the other is promoted, the dead one comes back and joins again. Whatever
was acknowledged as replicated must be found, with its content, on the node that was promoted, and
at the end on both; the logs must be equal."""
import argparse
import pathlib
import random
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from pair_kit import check, finish, pair_of, until

WRITERS = 3
SAMPLE = 200  # of older entries looked up in each cycle; at the end all are


def write(node, seed, acknowledged, stop):
    """Writes until the node is gone; what was answered as replicated is kept."""
    rng = random.Random(seed)
    while not stop.is_set():
        what = f"note {rng.getrandbits(64):x} " + "x" * rng.randrange(200)
        reply = node.remember(what, durability="local" if rng.random() < 0.1 else "replicated")
        if reply.code == 0 and not node.alive():
            return
        if reply.code == 201 and reply.json["durability"] == "replicated":
            acknowledged[reply.json["memory_id"]] = what


def lost_on(node, ledger):
    """Ids that the node does not have with their content. It may still be reading its log."""
    def missing(memory_id):
        reply = node.memory(memory_id)
        return reply.code != 200 or reply.json.get("what") != ledger[memory_id]
    return [i for i in ledger if missing(i)]


def cycle(pair, rng, ledger):
    primary = pair.primary()
    acknowledged, stop = {}, threading.Event()
    threads = [threading.Thread(target=write, args=(primary, rng.getrandbits(32), acknowledged,
                                                    stop)) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    wanted = rng.randrange(1, 100)
    try:
        until(f"{wanted} writes on {primary.name}", lambda: len(acknowledged) >= wanted)
    finally:
        primary.kill9()
        stop.set()
        for thread in threads:
            thread.join()
    other = pair.other(primary)
    until(f"{other.name} is promoted", lambda: pair.promote(other).code == 0)
    old = dict(rng.sample(sorted(ledger.items()), min(len(ledger), SAMPLE)))
    lost = lost_on(other, {**old, **acknowledged})
    ledger.update(acknowledged)
    check(not lost, f"{len(acknowledged)} acknowledged by {primary.name} are on {other.name}",
          f"LOST {len(lost)}: {lost[:3]}")
    primary.start().ready()
    pair.wait_replicated()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engram")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, ledger = random.Random(options.seed), {}
    with pair_of(options.engram) as pair:
        pair.start()
        for _ in range(options.cycles):
            cycle(pair, rng, ledger)
        pair.wait_equal()
        for node in pair.nodes:
            until(f"all are on {node.name}", lambda node=node: not lost_on(node, ledger), 10)
        check(True, f"{len(ledger)} acknowledged, 0 lost, after {options.cycles} kill -9")
        codes, _ = pair.stop_both()
        check(codes == {0}, "both end in order")
        one, two = pair.digests()
        check(one == two and one, "equal logs", one + two)
        for node in pair.nodes:
            verify = pair.run("wal", "verify", "--data-dir", str(node.data))
            check(verify.code == 0, f"the log of {node.name} is good", verify.all())
    finish()


if __name__ == "__main__":
    main()
