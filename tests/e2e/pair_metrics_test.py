#!/usr/bin/env python3
"""pair_metrics_test.py ENGRAM: drives a pair through a busy day, and checks of every replication
metric that it moves when it should, on the primary and on the replica, with its labels."""
import pathlib
import re
import sys

from pair_kit import check, finish, pair_of, until

SLOWLY = """
[replication]
compression = "zstd"
catch_up_batch_bytes = "64KiB"
catch_up_rate = "1MiB"
"""
FAR_BEHIND = 12000  # entries: a replica so far behind is catching up

# name, on the primary: labels beside the space; on the replica: labels, or None when it has none
SERIES = (
    ("replication_lag_ms", ("replica_id", "primary_id"), ("replica_id", "primary_id")),
    ("replication_lag_seconds", ("replica_id", "primary_id"), ("replica_id", "primary_id")),
    ("replication_lag_entries", ("replica_id", "primary_id"), ("replica_id", "primary_id")),
    ("replication_lag_bytes", ("replica_id", "primary_id"), None),
    ("replication_lag_alert_total", ("replica_id", "primary_id"), None),
    ("replication_replica_status", ("replica_id", "primary_id"), None),
    ("replication_connected", ("replica_id", "primary_id"), ("replica_id", "primary_id")),
    ("replication_batch_size_bytes", ("primary_id",), ("primary_id",)),
    ("replication_throughput_entries_per_sec", ("primary_id",), ("primary_id",)),
    ("replication_batches_sent_total", ("primary_id",), ("primary_id",)),
    ("replication_batches_failed_total", ("primary_id",), ("primary_id",)),
    ("replication_catchup_entries_replayed_total", ("primary_id",), ("primary_id",)),
    ("replication_catchup_remaining_seconds", ("replica_id", "primary_id"), None),
    ("replication_entries_received_total", (), ()),
    ("in_sync_changes_total", (), ()),
    ("space_copies_wanted", (), None),
    ("space_copies_in_sync", (), None),
    ("space_has_primary", (), ()),
    ("writes_degraded_total", (), ()),
    ("local_writes_lost_total", (), ()),
    ("failovers_total", (), ()),
    ("replication_alarms_total", (), ()),
)


# Of the node, without a space; labels of n1's series.
NODE_SERIES = (
    ("replication_connection_pool_active", {}),
    ("replication_batch_raw_bytes_total", {}),
    ("replication_batch_sent_bytes_total", {}),
    ("replication_stream_bytes", {"replica_id": "n2"}),
    ("replication_circuit_open", {"replica_id": "n2"}),
    ("replication_circuit_opened_total", {"replica_id": "n2"}),
)
METRICS = pathlib.Path(__file__).parents[2] / "docs" / "metrics.md"


def table_is_covered():
    """No replication metric is in the table that this test does not look at."""
    table = set(re.findall(r"^\| `engram_(replication_\w+)`", METRICS.read_text(), re.M))
    here = {name for name, *_ in SERIES + NODE_SERIES}
    check(table <= here, "every replication metric of docs/metrics.md is looked at",
          str(sorted(table - here)))


def of_node(pair, name, on=None):
    labels = dict(NODE_SERIES)[name]
    return (on or pair.n1).metric("engram_" + name, **labels)


def value(node, name, **labels):
    return node.metric("engram_" + name, memory_space="default", **labels)


def of_replica(pair, name, on=None):
    """What n1 says of n2, or n2 of itself."""
    return value(on or pair.n1, name, replica_id="n2", primary_id="n1")


def labels_are_there(pair):
    values = {"replica_id": "n2", "primary_id": "n1"}
    own = {"replica_id": "n2", "primary_id": "n2"}
    for name, primary, replica in SERIES:
        found = value(pair.n1, name, **{label: values[label] for label in primary})
        check(found is not None, f"n1 has {name} {list(primary)}")
        if replica is None:
            continue
        of_itself = own if replica == ("primary_id",) else values
        found = value(pair.n2, name, **{label: of_itself[label] for label in replica})
        check(found is not None, f"n2 has {name} {list(replica)}",
              "\n".join(k for k in pair.n2.metrics() if name in k))


    for name, labels in NODE_SERIES:
        check(of_node(pair, name) is not None, f"n1 has {name} {labels}")
    check(of_node(pair, "replication_circuit_open") == 0, "the circuit is closed")


def steady(pair):
    raw = of_node(pair, "replication_batch_raw_bytes_total")
    sent = value(pair.n1, "replication_batches_sent_total", primary_id="n1")
    received = value(pair.n2, "replication_entries_received_total")
    pair.n1.metrics()  # throughput is counted from one scrape to the next
    for i in range(50):
        pair.n1.remember(f"note {i}")
    seen = pair.n1.metric("engram_replication_throughput_entries_per_sec", primary_id="n1")
    check(seen > 0, "throughput", str(seen))
    check(value(pair.n1, "replication_batches_sent_total", primary_id="n1") > sent, "batches sent")
    check(value(pair.n1, "replication_batch_size_bytes", primary_id="n1") > 0, "size of a batch")
    check(of_node(pair, "replication_batch_raw_bytes_total") > raw, "bytes before compression")
    check(0 < of_node(pair, "replication_batch_sent_bytes_total")
          <= of_node(pair, "replication_batch_raw_bytes_total"), "bytes after it are no more")
    until("entries received",
          lambda: value(pair.n2, "replication_entries_received_total") >= received + 50)
    check(pair.n1.metric("engram_replication_connection_pool_active") == 2, "two connections")
    check(pair.n2.metric("engram_replication_connection_pool_active") == 2, "… on both sides")
    until("no lag", lambda: of_replica(pair, "replication_lag_entries") == 0
          and of_replica(pair, "replication_lag_ms") == 0)
    check(of_replica(pair, "replication_replica_status") == 3, "status healthy")
    check(of_replica(pair, "replication_connected") == 1, "connected, as the primary sees it")
    check(of_replica(pair, "replication_connected", pair.n2) == 1, "… and as the replica does")
    check(value(pair.n1, "space_copies_in_sync") == 2, "copies in sync")
    check(value(pair.n1, "space_copies_wanted") == 2, "copies wanted")
    check(value(pair.n1, "in_sync_changes_total") >= 1, "n2 came into the set")
    check(of_replica(pair, "replication_catchup_remaining_seconds") == 0, "nothing to catch up")
    check(value(pair.n1, "writes_degraded_total") == 0, "no degraded write")
    check(value(pair.n2, "space_has_primary") == 1, "a primary")
    check(not any('memory_space=""' in series for series in pair.n1.metrics()),
          "no series of a space without a name")


def cut_off(pair):
    """The replica is gone, while entries wait for it: lag is honest, and never 0."""
    pair.n2.kill9()
    until("n1 has noticed", lambda: of_replica(pair, "replication_connected") == 0)
    check(of_replica(pair, "replication_lag_ms") > 0, "lag is not 0 while the replica is cut off")
    until("copies in sync", lambda: value(pair.n1, "space_copies_in_sync") == 1)
    for i in range(10):
        pair.n1.remember(f"alone {i}", durability="local")
    check(value(pair.n1, "writes_degraded_total") >= 10, "degraded writes are counted",
          str(value(pair.n1, "writes_degraded_total")))
    check(of_replica(pair, "replication_lag_entries") >= 10, "lag in entries")
    check(of_replica(pair, "replication_lag_bytes") > 0, "lag in bytes")
    check(pair.n1.metric("engram_replication_connection_pool_active") == 0, "no connection")
    before = of_replica(pair, "replication_lag_seconds")
    until("lag grows", lambda: of_replica(pair, "replication_lag_seconds") > before + 0.2)
    until("status falls", lambda: of_replica(pair, "replication_replica_status") <= 1)
    until("the circuit opens", lambda: of_node(pair, "replication_circuit_open") == 1)
    check(of_node(pair, "replication_circuit_opened_total") == 1, "… which is counted")
    said = pair.n1.log.read_text()
    check(len(re.findall("replication_circuit_open", said)) == 1, "… and said once", said[-2000:])
    until("status failed", lambda: of_replica(pair, "replication_replica_status") == 0)
    raw, sent = (of_node(pair, f"replication_batch_{kind}_bytes_total") for kind in ("raw", "sent"))
    check(of_replica(pair, "replication_lag_alert_total") >= 1, "an alert")
    for first in range(0, FAR_BEHIND, 1000):
        many = [{"what": f"many {first + i}"} for i in range(1000)]
        reply = pair.n1.http("POST", "/api/v1/memories/batch",
                             {"episodes": many, "options": {"durability": "local"}})
        check(reply.code == 200, f"{first + 1000} entries ahead", reply.all()[:300])
    pair.n2.start().ready()
    until("it says how long the catch-up still takes",
          lambda: of_replica(pair, "replication_catchup_remaining_seconds") > 0)
    pair.wait_replicated()
    pair.wait_equal()
    until("lag is 0 again", lambda: of_replica(pair, "replication_lag_ms") == 0
          and of_replica(pair, "replication_lag_entries") == 0)
    until("the circuit closes", lambda: of_node(pair, "replication_circuit_open") == 0)
    check(pair.n1.said("replication_circuit_closed"), "… and says so")
    raw = of_node(pair, "replication_batch_raw_bytes_total") - raw
    sent = of_node(pair, "replication_batch_sent_bytes_total") - sent
    check(raw > 0 and sent < raw / 2, "a catch-up of texts is compressed", f"{raw} {sent}")
    until("healthy again", lambda: of_replica(pair, "replication_replica_status") == 3)
    check(value(pair.n1, "replication_catchup_entries_replayed_total", primary_id="n1") > 0,
          "entries of the catch-up",
          str(value(pair.n1, "replication_catchup_entries_replayed_total", primary_id="n1")))


def failed_over(pair):
    """Local writes that only the dead primary has, a promotion, its return."""
    pair.n2.kill9()
    for i in range(3):
        pair.n1.remember(f"only here {i}", durability="local")
    pair.n1.kill9()
    pair.n2.start().ready()
    check(value(pair.n2, "failovers_total") == 0, "no failover yet")
    check(value(pair.n2, "space_has_primary") == 0, "no primary")
    check(pair.promote(pair.n2).code == 0, "n2 is promoted")
    check(value(pair.n2, "failovers_total") >= 1, "a failover")
    check(value(pair.n2, "space_has_primary") == 1, "a primary again")
    pair.n1.start().ready()
    pair.wait_replicated()
    pair.wait_equal()
    check(value(pair.n1, "local_writes_lost_total") == 3, "local writes lost",
          str(value(pair.n1, "local_writes_lost_total")))
    check(value(pair.n2, "replication_connected", replica_id="n1", primary_id="n2") == 1,
          "labels follow the roles")
    check(value(pair.n1, "replication_connected", replica_id="n1", primary_id="n2") == 1,
          "… on both")
    check(value(pair.n1, "space_copies_wanted") is None, "who follows counts no copies")


def main():
    table_is_covered()
    with pair_of(sys.argv[1], more=SLOWLY) as pair:
        pair.start()
        pair.n1.remember("the first")
        pair.wait_equal()
        for step in (labels_are_there, steady, cut_off, failed_over):
            print(f"-- {step.__name__}")
            step(pair)
    finish()


if __name__ == "__main__":
    main()
