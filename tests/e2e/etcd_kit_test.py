#!/usr/bin/env python3
"""etcd_kit_test.py: the etcd of the other tests is real, and is killed and paused as they say."""
import time

from etcd_kit import etcds_of
from pair_kit import check, finish, until


def stores():
    with etcds_of() as servers:
        etcd = servers[0]
        check(etcd.get("/a/1") is None and etcd.keys("/a/") == {}, "it is empty")
        etcd.put("/a/1", "one")
        etcd.put("/a/1", "two")
        etcd.put("/a/2", "")
        etcd.put("/b", "other")
        one = etcd.get("/a/1")
        check(one.value == "two" and 0 < one.created < one.changed, "a key has its revisions")
        check(sorted(etcd.keys("/a/")) == ["/a/1", "/a/2"], "keys are found by their prefix")
        check(etcd.erase("/a/1") == 1 and etcd.get("/a/1") is None, "a key can be erased")
        check(etcd.erase("/a/1") == 0, "… once")
        lease = etcd.grant(60)
        etcd.put("/l", "1", lease)
        check(etcd.leases() == [lease] and etcd.get("/l").lease == lease, "a key has a lease")
        etcd.revoke(lease)
        check(etcd.get("/l") is None and etcd.leases() == [], "… and goes with it")
        etcd.put("/l", "1", etcd.grant(1))
        until("the end of a lease", lambda: etcd.get("/l") is None)
        check(True, "a lease that nobody keeps ends")


def dies_and_comes_back():
    with etcds_of() as servers:
        etcd = servers[0]
        etcd.put("/k", "1")
        for end in (etcd.kill9, etcd.stop):
            end()
            check(not etcd.alive() and not etcd.healthy(), f"{end.__name__} ends it")
            etcd.start().ready()
            check(etcd.get("/k").value == "1", "it comes back with its data, at the same address")
        etcd.pause()
        began = time.monotonic()
        try:
            etcd.get("/k", timeout=0.3)
            check(False, "nothing is answered while it is paused")
        except OSError:
            check(time.monotonic() - began > 0.25, "nothing is answered while it is paused")
        etcd.resume()
        check(etcd.get("/k").value == "1", "it goes on")


def three():
    with etcds_of(3) as servers:
        servers[0].put("/k", "1")
        check(servers[2].get("/k").value == "1", "three are one")
        servers[0].kill9()
        until("a majority serves", lambda: servers[1].healthy() and servers[2].healthy())
        check(servers[2].get("/k").value == "1", "a majority serves")
        servers[1].kill9()
        until("a minority knows that it is one", lambda: not servers[2].healthy())
        check(True, "a minority is not healthy")


def main():
    for part in (stores, dies_and_comes_back, three):
        print(f"-- {part.__name__}")
        part()
    finish()


if __name__ == "__main__":
    main()
