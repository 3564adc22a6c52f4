#!/usr/bin/env python3
"""catch_up_test.py ENGRAM [--spaces N] [--entries N]: a replica that was away has all spaces to
catch up with at once; and a new one, with an empty directory, joins while a writer goes on, and its
lag falls all the time."""
import argparse
import shutil
import threading
import time

from pair_kit import check, finish, pair_of, until

BATCH = 1000
WRITES_PER_SECOND = 50
NOISE_ENTRIES = 200  # the lag may rise by so many for a moment: samples and writes are not in step
CATCH_UP_SECONDS = 120


# Old log in small pieces, so that its way down can be seen.
SLOWLY = """
[replication]
catch_up_batch_bytes = "64KiB"
catch_up_rate = "4MiB"
"""


def write(pair, space, entries):
    for first in range(0, entries, BATCH):
        many = [{"what": f"{space} {i}"} for i in range(first, min(first + BATCH, entries))]
        reply = pair.n1.http("POST", "/api/v1/memories/batch", {
            "space": space, "episodes": many, "options": {"durability": "local"}}, timeout=30)
        if not check_quietly(reply.code == 200, f"{space} takes entries", reply.all()[:300]):
            return


def check_quietly(condition, what, detail):
    return condition or check(False, what, detail)


def equal(pair, names):
    """How many of the spaces are the same on both."""
    ends = [{s["space"]: (s.get("log_end"), s.get("committed_through"), s.get("epoch"))
             for s in node.cluster().get("spaces", [])} for node in pair.nodes]
    return sum(ends[0].get(name) == ends[1].get(name) is not None for name in names)


def many_spaces(pair, count):
    names = [f"space-{i}" for i in range(count)]
    pair.create_local(*names, seconds=CATCH_UP_SECONDS)
    until("they are on both", lambda: equal(pair, names) == count, CATCH_UP_SECONDS)
    pair.n2.kill9()
    for name in names:
        write(pair, name, 20)
    pair.n2.start().ready()
    began = time.monotonic()
    until("all spaces have caught up", lambda: equal(pair, names) == count, CATCH_UP_SECONDS)
    check(True, f"{count} spaces caught up at once, in {time.monotonic() - began:.1f} s")
    return names


def new_replica(pair, entries):
    write(pair, "default", entries)
    pair.wait_equal(seconds=CATCH_UP_SECONDS)
    pair.n2.kill9()
    shutil.rmtree(pair.n2.data)
    ending, refused = threading.Event(), []

    def go_on():
        while not ending.wait(1 / WRITES_PER_SECOND):
            reply = pair.n1.remember("meanwhile", durability="local")
            if reply.code != 201:
                refused.append(reply.text)

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        pair.n2.start()
        lags = lags_until_caught_up(pair, entries)
    finally:
        ending.set()
        writer.join()
    check(not refused, "the writer was never refused", str(refused[:1]))
    least, risen = lags[0], 0
    for lag in lags:
        risen, least = max(risen, lag - least), min(least, lag)
    check(lags[0] >= entries / 2, f"it began {lags[0]:.0f} entries behind")
    check(len(lags) >= 5, f"{len(lags)} samples of its lag: "
          + " ".join(f"{lag:.0f}" for lag in lags[::max(1, len(lags) // 12)]))
    check(risen <= NOISE_ENTRIES, f"its lag fell all the time (it rose by {risen:.0f} at most)")
    # What n2 was before holds commit back; in a pair an operator says that it is gone.
    gone = pair.run("replicas", "remove", "n2", "--space", "default")
    check(gone.code == 0, "the lost n2 is taken out of the set", gone.all())
    pair.wait_replicated(seconds=CATCH_UP_SECONDS)
    pair.wait_equal(seconds=CATCH_UP_SECONDS)


def lags_until_caught_up(pair, entries):
    """From the first sample in which the new copy is known."""
    lags = []

    def caught_up():
        lag = pair.n1.metric("engram_replication_lag_entries", memory_space="default",
                             replica_id="n2")
        if lag is not None and (lags or lag >= entries / 2):
            lags.append(lag)
        return lags and lag < BATCH / 10
    until("the new replica has caught up", caught_up, CATCH_UP_SECONDS)
    return lags


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engram")
    parser.add_argument("--spaces", type=int, default=100)
    parser.add_argument("--entries", type=int, default=30_000)
    options = parser.parse_args()
    with pair_of(options.engram, more=SLOWLY) as pair:
        pair.start()
        began = time.monotonic()
        names = many_spaces(pair, options.spaces)
        print(f"-- {time.monotonic() - began:.1f} s", flush=True)
        new_replica(pair, options.entries)
        print(f"-- {time.monotonic() - began:.1f} s", flush=True)
        compared = ("default", *names[::25])
        pair.wait_equal(*compared, seconds=CATCH_UP_SECONDS)
        codes, _ = pair.stop_both()
        check(codes == {0}, "both end in order")
        for name in compared:
            one, two = pair.digests(name)
            check(one == two and one, f"equal logs of {name}", one + two)
    finish()


if __name__ == "__main__":
    main()
