#!/usr/bin/env python3
"""pair_switchover_test.py ENGRAM: hands spaces over from node to node while they are written to: no
acknowledged write is lost, nothing is cut, nobody has to be sent anything again; the old primary
names the new one. Pauses are printed, not judged: this machine may be busy."""
import re
import sys
import threading
import time

from pair_kit import check, finish, pair_of, until

WRITERS = 6
WRITES_BETWEEN = 150  # acknowledged before each switchover


class Writers:
    """Write as clients do: to the last primary known, and on to the one that a refusal names."""

    def __init__(self, pair, space):
        self.pair, self.space, self.stopped = pair, space, False
        self.lock = threading.Lock()
        self.acknowledged, self.wrong, self.longest, self.followed = {}, [], 0.0, 0
        self.threads = [threading.Thread(target=self.write, args=(n,)) for n in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def write(self, number):
        node, count = self.pair.n1, 0
        while not self.stopped:
            count += 1
            text, began = f"writer {number} entry {count} of {self.space}", time.monotonic()
            for _ in range(20):
                reply = node.remember(text, space=self.space, key=f"{self.space}-{number}-{count}")
                if reply.code != 409 and reply.code != 421:
                    break
                node = self.pair.other(node)
                with self.lock:
                    self.followed += 1
            with self.lock:
                self.longest = max(self.longest, time.monotonic() - began)
                if reply.code == 201:
                    self.acknowledged[reply.json["memory_id"]] = text
                else:
                    self.wrong.append(reply.all())

    def stop(self):
        self.stopped = True
        for thread in self.threads:
            thread.join()


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)([a-zµ]+)", text).groups()
    return float(number) * {"s": 1000, "ms": 1, "us": 0.001, "µs": 0.001}[unit]


def refused(pair):
    """What cannot be is said, and changes nothing."""
    epoch = pair.n1.space()["epoch"]
    for to, code, words in (("n1", 4, "n1 leads already"), ("n7", None, "REPLICA_NOT_FOUND")):
        answer = pair.run("switchover", "--to", to)
        check((answer.code == code or code is None and answer.code != 0) and words in answer.text,
              f"to {to}: {words}", answer.all())
    late = pair.run("switchover", "--to", "n2", "--within-ms", "4001")
    check(late.code != 0 and "INVALID_REQUEST" in late.text, "for ever", late.all())
    dry = pair.run("switchover", "--to", "n2", "--dry-run", node=pair.n2)
    check(dry.code == 0 and "nothing was changed" in dry.out, "a dry run, asked of the replica",
          dry.all())
    check(pair.n1.space()["epoch"] == epoch, "nothing has changed")


def handed_over(pair, writers, space):
    """There and back, under writes. Gives the pauses."""
    pauses = []
    for old, new in ((pair.n1, pair.n2), (pair.n2, pair.n1)) * 2:
        before = len(writers.acknowledged)
        until("writes go on", lambda: len(writers.acknowledged) > before + WRITES_BETWEEN)
        answer = pair.run("switchover", space, "--to", new.name, "--json")
        report = answer.json if answer.code == 0 else {}
        if not check(report.get("done") and report["from"] == old.name,
                     f"{space} goes from {old.name} to {new.name}", answer.all()):
            return pauses
        pauses.append(milliseconds(report["pause"]))
        until(f"{new.name} leads {space}", lambda: new.space(space).get("role") == "primary")
        state = until(f"{old.name} follows", lambda: old.space(space).get("role") == "replica"
                      and new.space(space).get("writes_replicated") and new.space(space))
        check(state["epoch"] == int(report["epoch"]), "in the epoch that was said",
              f"{state} {report}")
        check(state["record"].get("handed_by") == old.name, "whose record says by whom",
              str(state["record"]))
    return pauses


def nothing_is_lost(pair, writers, space):
    missing = [text for memory_id, text in writers.acknowledged.items()
               if pair.n1.memory(memory_id, space).code != 200
               or pair.n2.memory(memory_id, space).code != 200]
    count = len(writers.acknowledged)
    check(not missing, f"all {count} acknowledged writes of {space} are on both",
          "\n".join(missing[:10]))
    check(not writers.wrong, "and none was answered otherwise", "\n".join(writers.wrong[:3]))
    for node in pair.nodes:
        lost = node.metric("engram_local_writes_lost_total", memory_space=space)
        check(not lost, f"{node.name} has cut nothing", str(lost))
        took = node.metric("engram_switchovers_total", memory_space=space)
        check(took == 2, f"{node.name} took {space} over twice", str(took))
        kept = pair.run("quarantine", "list", "--space", space, node=node)
        check(space not in kept.out, f"{node.name} has no quarantine of {space}", kept.all())


def explained(pair):
    text = pair.run("cluster", "explain").out
    check("n2 handed the epoch over" in text and "this node leads, n2 handed over" in text,
          "explain says what happened", text)
    check(re.search(r"handed over to n2, which leads in epoch 4.2; writes waited \d+ ms", text),
          "and how long writes waited", text)


def other_is_gone(pair):
    pair.n2.kill9()
    until("n1 has noticed", lambda: not pair.n1.connected("n2"))
    answer = pair.run("switchover", "--to", "n2", node=pair.n1)
    check(answer.code == 4 and "n2 is not connected" in answer.text, "a node that is down",
          answer.all())
    pair.n2.start().ready()
    pair.wait_replicated()
    answer = pair.run("switchover", "--to", "n2")
    check(answer.code == 0 and "n2 is primary of default" in answer.out
          and "lost: nothing" in answer.out, "… until it is back", answer.all())
    pair.wait_replicated()


def main():
    with pair_of(sys.argv[1]) as pair:
        pair.start()
        settings = {"space": {"id": "drafts", "settings": {"durability": "local"}}}
        check(pair.n1.http("POST", "/api/v1/spaces", settings).code in (200, 201), "a local space")
        pair.wait_replicated("default", "drafts")
        refused(pair)
        for space in ("default", "drafts"):
            writers = Writers(pair, space)
            try:
                pauses = handed_over(pair, writers, space)
            finally:
                writers.stop()
            print(f"        {space}: pauses of " + ", ".join(f"{p:.0f}" for p in pauses) +
                  f" ms; longest write {writers.longest * 1000:.0f} ms; "
                  f"{writers.followed} refusals followed", flush=True)
            pair.wait_equal(space)
            nothing_is_lost(pair, writers, space)
            if space == "default":
                explained(pair)
        other_is_gone(pair)
        codes, _ = pair.stop_both()
        check(codes == {0}, "both end in order", str(codes))
        for space in ("default", "drafts"):
            one, two = pair.digests(space)
            check(one == two, f"equal digests of {space}", f"{one}\n{two}")
    finish()


main()
