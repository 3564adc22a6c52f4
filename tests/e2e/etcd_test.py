#!/usr/bin/env python3
"""Three nodes and a real etcd that keeps who leads and who is in the set: a replica that dies
leaves the set by itself and comes back, a disk is lost, a primary is killed or paused and another
is promoted, etcd itself stands still and dies. Whatever was acknowledged is found in the end, on
every node.

etcd_test.py ENGRAM"""
import argparse
import contextlib
import shutil
import time

from etcd_kit import etcds_of
from pair_kit import Nodes, check, finish, nodes_of, until


class Cluster(Nodes):
    """Its first three are replicas and primary of `default`; what was acknowledged is kept."""

    def __init__(self, engram, directory, etcd):
        super().__init__(engram, directory, count=3, mode="etcd",
                         cluster=f'etcd_endpoints = ["{etcd.address}"]\n')
        self.etcd, self.acknowledged = etcd, {}

    def named(self, name):
        return next(n for n in self.nodes if n.name == name)

    def write(self, what, durability="replicated", node=None):
        reply = (node or self.primary()).remember(what, durability=durability)
        if reply.code == 201 and durability == "replicated":
            self.acknowledged[reply.json["memory_id"]] = what
        return reply

    def in_sync(self):
        primary = self.primary()
        return sorted(primary.space()["record"]["in_sync"]) if primary else []

    def wait_set(self, *names):
        until(f"the set {names}", lambda: self.in_sync() == sorted(names))

    def check_all(self):
        self.wait_equal()
        for node in self.nodes:
            lost = dict(self.acknowledged)

            def found(node=node, lost=lost):
                for i, what in list(lost.items()):
                    if what in node.memory(i).out:
                        del lost[i]
                return not lost
            with contextlib.suppress(TimeoutError):  # what is committed is shown a little later
                until("all are found", found, 5)
            check(not lost, f"{node.name} has all {len(self.acknowledged)} that were acknowledged",
                  str(lost))


def a_replica_dies_and_returns(cluster):
    primary, _, third = cluster.nodes
    third.kill9()
    began = time.monotonic()
    reply = cluster.write("while n3 is dead")
    check(reply.code == 201, f"a replicated write waits until n3 is out of the set "
          f"({time.monotonic() - began:.2f} s)", reply.text)
    check(reply.json["durable_copies"] == 2, "it has two copies", reply.out)
    cluster.wait_set("n1", "n2")
    check(primary.metric("engram_in_sync_changes_total", memory_space="default") >= 3,
          "changes of the set are counted")
    third.start().ready()
    cluster.wait_set("n1", "n2", "n3")


def a_disk_is_lost(cluster):
    third = cluster.nodes[2]
    third.kill9()
    shutil.rmtree(third.data)
    third.start().ready()
    check(cluster.write("after n3 lost its disk").code == 201,
          "the node that it was leaves the set, though the new one answers")
    cluster.wait_set("n1", "n2", "n3")
    cluster.check_all()


def a_living_primary_is_not_deposed(cluster):
    refused = cluster.run("promote", "n2", "--dry-run")
    check(refused.code == 4 and "lease is valid" in refused.out, "a dry run says that n1 is alive",
          refused.all())
    refused = cluster.run("promote", "n2")
    check(refused.code == 4 and "switchover" in refused.text, "so does a promotion", refused.all())
    check(cluster.primary() is cluster.n1, "n1 leads on")
    moved = cluster.run("switchover", "--to", "n2")
    check(moved.code == 0, "a switchover moves it", moved.all())
    check(cluster.write("led by n2").code == 201, "and n2 takes writes at once")
    check(cluster.in_sync() == ["n1", "n2", "n3"], "all stay in the set")


def a_primary_dies(cluster):
    old = cluster.primary()
    heir = cluster.n1
    for i in range(50):
        cluster.write(f"before the end {i}")
    old.kill9()
    began = time.monotonic()
    done = cluster.run("promote", heir.name)
    check(done.code == 0, f"{heir.name} is promoted once the lease is gone "
          f"({time.monotonic() - began:.1f} s)", done.all())
    check(cluster.write("after the failover").code == 201, "it takes replicated writes")
    check(cluster.in_sync() == ["n1", "n3"], "the dead one is out of the set")
    old.start().ready()
    cluster.wait_set("n1", "n2", "n3")
    cluster.check_all()


def a_primary_is_paused(cluster):
    old = cluster.primary()
    heir = cluster.n2
    old.pause()
    done = cluster.run("promote", heir.name, node=heir)
    check(done.code == 0, f"{old.name} stands still, {heir.name} is promoted", done.all())
    check(cluster.write("while it was away", node=heir).code == 201, "it takes replicated writes")
    old.resume()
    reply = old.remember("late", durability="local")
    check(reply.code in (421, 503), "the one that was away acknowledges nothing alone", reply.text)
    cluster.wait_set("n1", "n2", "n3")
    cluster.check_all()


def etcd_stands_still(cluster):
    primary = cluster.primary()
    read = {"read": {"primary": True}, "cue": {"semantic": {"query": "failover"}}}
    cluster.etcd.pause()
    until("the lease of the primary has run out",
          lambda: primary.metric("engram_lease_remaining_seconds") == 0)
    reply = primary.remember("alone", durability="local")
    check(reply.code == 503 and "lease" in reply.text, "no local write without a lease", reply.text)
    check(cluster.write("without etcd").code == 201, "replicated writes go on")
    reply = primary.remember("best", durability="auto")
    check(reply.code == 201 and reply.json["durability"] == "replicated", "`auto` gets the best",
          reply.text)
    reply = primary.http("POST", "/api/v1/memories/recall", read)
    check(reply.code == 200, "a read of the primary asks the others instead", reply.text)
    told = cluster.run("cluster", "explain", node=primary)
    check("has no lease" in told.out, "explain says so", told.all())
    cluster.etcd.resume()
    until("there is a lease again",
          lambda: primary.metric("engram_lease_remaining_seconds") > 0)
    until("local writes are taken",
          lambda: (cluster.primary() or primary).remember("x", durability="local").code == 201)


def etcd_dies(cluster):
    cluster.etcd.kill9()
    check(cluster.write("etcd is dead").code == 201, "replicated writes go on without etcd")
    cluster.etcd.start().ready()
    until("there are leases again", lambda: all(
        n.metric("engram_lease_remaining_seconds") > 0 for n in cluster.nodes))
    until("a write is taken", lambda: cluster.primary()
          and cluster.write("etcd is back").code == 201)
    cluster.wait_set("n1", "n2", "n3")
    cluster.check_all()


def spaces_live_and_die(cluster):
    body = {"space": {"id": "notes"}}
    made = cluster.n1.http("POST", "/api/v1/spaces", body)
    check(made.code == 201, "a space is made", made.text)
    again = cluster.n2.http("POST", "/api/v1/spaces", body)
    check(again.code == 409, "another node does not make it, too", again.text)
    cluster.wait_replicated("notes")
    check(cluster.n1.remember("x", space="notes", durability="replicated").code == 201,
          "it takes writes")
    gone = cluster.run("space", "delete", "notes", "--yes")
    check(gone.code == 0, "it is deleted", gone.all())
    until("another of its name is made", lambda: cluster.n2.http(
        "POST", "/api/v1/spaces", body).code == 201)
    until("it takes writes", lambda: cluster.n2.remember(
        "y", space="notes", durability="replicated").code == 201)


def all_restart(cluster):
    codes, _ = cluster.stop_all()
    check(codes == {0}, "all end in order")
    began = time.monotonic()
    cluster.start()
    check(True, f"and lead again by themselves ({time.monotonic() - began:.1f} s)")
    check(cluster.write("after the restart").code == 201, "writes are taken")
    cluster.check_all()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engram")
    options = parser.parse_args()
    with etcds_of() as etcds, nodes_of(options.engram, Cluster, etcd=etcds[0]) as cluster:
        cluster.start()
        for part in (a_replica_dies_and_returns, a_disk_is_lost, a_living_primary_is_not_deposed,
                     a_primary_dies, a_primary_is_paused, etcd_stands_still, etcd_dies,
                     spaces_live_and_die, all_restart):
            print(f"-- {part.__name__}", flush=True)
            part(cluster)
    finish()


if __name__ == "__main__":
    main()
