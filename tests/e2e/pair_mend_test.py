#!/usr/bin/env python3
"""pair_mend_test.py ENGRAM: bits rot in the logs of two real servers while they are written to.
What is damaged is found by scrubbing, at a start, or by `wal verify`, is fetched from the other
node and put in its place; nothing is cut, and the other spaces never notice."""
import json
import sys
import threading
import time

from pair_kit import check, finish, pair_of, until

TEXT = "x" * 900
SMALL = '[wal]\nsegment_bytes = "64KiB"\ngroup_commit_bytes = "64KiB"\n'
SCRUBBING = SMALL + '[maintenance]\nscrub_rate = "64MiB"\nscrub_every = "1s"\n'
BY_HAND = SMALL + '[maintenance]\nscrub_rate = "0"\n'
# What a write may meet on a machine that is busy, whatever its log is like.
SLOW = ("NOT_PRIMARY", "NOT_ENOUGH_IN_SYNC", "COMMIT_UNKNOWN")
HEAD = 20  # a byte of a segment's first record


class Writer(threading.Thread):
    """Writes until it is told to stop, as a client does: again with the same key, until taken."""

    def __init__(self, pair, space):
        super().__init__(daemon=True)
        self.pair, self.space = pair, space
        self.ids, self.refused, self.over = [], [], False
        self.number = 0

    def run(self):
        while not self.over:
            self.number += 1
            text = f"{self.space} {self.number} {TEXT}"
            while not self.over:
                answer = self.once(text)
                if answer:
                    self.ids.append(answer.json["memory_id"])
                    break
                time.sleep(0.05)

    def once(self, text):
        for node in self.pair.nodes:
            answer = node.remember(text, self.space, key=f"{self.space}-{self.number}")
            if answer.code in (200, 201):
                return answer
            if not any(slow in answer.text for slow in SLOW):
                self.refused.append(answer.text)
        return None

    def stop(self):
        self.over = True
        self.join(30)


def rot(node, index, offset, space="default"):
    """One bit of a sealed segment: of its head, or of the text of an entry behind `offset`."""
    path = node.segments(space)[index]
    if offset != HEAD:
        offset = path.read_bytes().index(TEXT[:200].encode(), offset) + 100
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 4]))
    return path.name


def fill(pair, count=300, space="default"):
    ids = []
    for i in range(count):
        ids.append(pair.n1.remember(f"{space} {i} {TEXT}", space).json["memory_id"])
    pair.wait_equal(space)
    return ids


def mended(node, space="default"):
    return node.metric("engram_log_mended_entries_total", memory_space=space) or 0


def damaged(node, space="default"):
    return node.metric("engram_log_damaged_ranges", memory_space=space)


def whole(pair, what):
    """Every node has mended what was damaged there, and both are a pair again."""
    until(f"{what}: nothing is damaged", lambda: all(damaged(n) == 0 for n in pair.nodes))
    pair.wait_replicated("default", "notes")


def healed(pair, what, node, before):
    until(f"{what}: it is mended", lambda: mended(node) > before)
    whole(pair, what)
    check(node.said("mended.*fetched from " + pair.other(node).name), f"{what}: its log says how")


def end_of(pair):
    return max(n.space().get("log_end", 0) for n in pair.nodes)


def while_written_to(pair):
    ids = fill(pair)
    check(len(pair.n1.segments()) > 4, "several segments are sealed")
    writer, bystander = Writer(pair, "default"), Writer(pair, "notes")
    writer.start()
    bystander.start()
    ends = [end_of(pair)]

    before = mended(pair.n2)
    rot(pair.n2, 1, 9000)
    healed(pair, "a bit of the replica", pair.n2, before)
    ends.append(end_of(pair))

    before, epoch = mended(pair.n1), pair.n1.space()["epoch"]
    rot(pair.n1, 2, 20000)
    healed(pair, "a bit of the primary", pair.n1, before)
    until("it leads on in an epoch of its own", lambda: pair.n1.space()["epoch"] > epoch)
    ends.append(end_of(pair))

    first, second = mended(pair.n1), mended(pair.n2)
    for node, index, offset in ((pair.n1, 1, 30000), (pair.n1, 0, 4000), (pair.n2, 1, 50000),
                                (pair.n2, 3, HEAD), (pair.n2, 2, 7000)):
        rot(node, index, offset)
    healed(pair, "both at different places, one", pair.n1, first + 1)
    healed(pair, "both at different places, other", pair.n2, second + 1)
    ends.append(end_of(pair))

    writes = len(writer.ids)
    until("writes go on", lambda: len(writer.ids) > writes + 5)
    writer.stop()
    bystander.stop()
    check(ends == sorted(ends), "no log became shorter", str(ends))
    check(not bystander.refused, "the other space took every write at once",
          "\n".join(bystander.refused[:3]))
    check(len(bystander.ids) > 20, f"namely {len(bystander.ids)}")
    pair.wait_equal("default", "notes")
    return ids + writer.ids


def at_a_start(pair):
    """Damage that is found when the log is opened: the copy is read, and not promoted."""
    pair.n2.kill9()
    pair.n1.kill9()
    rot(pair.n2, 1, HEAD)
    rot(pair.n2, 1, 40000)
    pair.n2.start().ready()
    until("n2 knows of it", lambda: (damaged(pair.n2) or 0) > 0)
    dry = pair.promote(pair.n2)
    check(dry.code != 0 and "damaged" in dry.all(), "a damaged copy is not promoted", dry.all())
    told = pair.run("cluster", "explain", node=pair.n2)
    check("not mended yet" in told.out and ".log" in told.out, "explain says what and why",
          told.all())
    status = pair.run("status", node=pair.n2)
    check("damaged: " in status.out, "so does status", status.all())
    read = pair.run("list", "--page-size", "3", node=pair.n2)
    check(read.code == 0, "what is good is read", read.all())
    pair.n1.start().ready()
    whole(pair, "with the other node there")
    check(mended(pair.n2) > 0, "what was lost came from the other node")
    pair.wait_equal()
    pair.n1.stop()
    done = pair.promote(pair.n2)
    check(done.code == 0, "mended, it is promoted", done.all())
    pair.n1.start().ready()
    pair.wait_replicated("default", "notes")


def all_there(pair, ids):
    for node in pair.nodes:
        lost = [i for i in ids if node.memory(i).code != 200]
        check(not lost, f"all {len(ids)} acknowledged writes are read on {node.name}",
              str(lost[:5]))
    check(not list(pair.n1.data.glob("spaces/default/quarantine/*")), "n1 has cut nothing")
    pair.wait_equal("default", "notes")
    codes, _ = pair.stop_both()
    check(codes == {0}, "both end in order")
    digests = pair.digests()
    check(digests[0] == digests[1], "both logs are the same", "\n".join(digests))
    for node in pair.nodes:
        report = pair.run("wal", "verify", "--data-dir", str(node.data))
        check(report.code == 0, f"{node.name}: every byte is good", report.all())


def scrubbing(engram):
    with pair_of(engram, more=SCRUBBING) as pair:
        pair.start()
        check(pair.run("space", "create", "notes", node=pair.n1).code == 0, "another space")
        pair.wait_replicated("default", "notes")
        ids = while_written_to(pair)
        at_a_start(pair)
        all_there(pair, ids)


def by_hand(engram):
    """`wal verify` of a server that runs: nothing else looks."""
    with pair_of(engram, more=BY_HAND) as pair:
        pair.start()
        ids = fill(pair)
        live = ("wal", "verify", "--server", pair.n1.grpc)
        good = pair.run(*live)
        check(good.code == 0 and "good" in good.out, "a live node whose logs are good", good.all())
        name = rot(pair.n1, 1, 9000)
        found = pair.run(*live)
        check(found.code == 0 and name in found.out and "mended from another copy" in found.out,
              "damage is found and mended meanwhile", found.all())
        pair.wait_replicated()
        pair.n2.stop()
        rot(pair.n1, 2, 9000)
        left = pair.run(*live, "--wait", "2s", "--json")
        report = json.loads(left.out)[0] if left.out.startswith("[") else {}
        check(left.code == 6 and not report.get("good", True) and report["damage"]
              and "not mended yet" in report["damage"][0]["state"],
              "without another copy it stays, with exit code 6", left.all())
        pair.n2.start().ready()
        again = pair.run(*live)
        check(again.code == 0, "with the other node there it is mended", again.all())
        pair.wait_replicated()
        for i in ids:
            if pair.n1.memory(i).code != 200:
                check(False, f"{i} is lost")
        pair.wait_equal()
        pair.stop_both()
        digests = pair.digests()
        check(digests[0] == digests[1], "both logs are the same", "\n".join(digests))


def main():
    for part in (scrubbing, by_hand):
        print(f"-- {part.__name__}")
        part(sys.argv[1])
    finish()


if __name__ == "__main__":
    main()
