#!/usr/bin/env python3
"""pair_test.py ENGRAM: a primary and a replica, as an operator lives with them: writes and reads,
the loss of the primary, promotion, its return, quarantine, the life of spaces, orderly ends."""
import re
import shutil
import sys
import threading

from pair_kit import check, finish, pair_of, until

ENDS_WITHIN_SECONDS = 10  # the grace that open requests get; without any it is far quicker


def ids_of(reply):
    return [m["id"] for m in reply.json.get("memories", [])]


def written(pair):
    """Both nodes have what was acknowledged, and say so."""
    answer = pair.run("remember", "Anna lives in Munich", "--who", "Anna")
    check(answer.code == 0 and "replicated, 2 of 2 copies" in answer.text + answer.out,
          "a write is on both", answer.all())
    for i in range(20):
        pair.n1.remember(f"note {i} about trains")
    reply = pair.n1.remember("the last note about trains")
    check(reply.code == 201 and reply.json["durability"] == "replicated", "an HTTP write, too",
          reply.all())
    recall = ("recall", "trains", "-n", "50", "--json")
    there = pair.run(*recall, node=pair.n1)
    here = pair.run(*recall, "--at-least", reply.json["token"], node=pair.n2)
    check(here.code == 0 and len(ids_of(here)) == 21 and ids_of(here) == ids_of(there),
          "a replica that has reached the token answers as the primary", here.all())
    token = reply.json["token"]
    check(token and here.json["served_by"]["node"] == "n2", "… and it was the replica", here.out)


def followed(pair):
    """A write that a replica was asked for goes to the primary."""
    refused = pair.n2.remember("to the wrong node")
    check(refused.code in (409, 421) and "NOT_PRIMARY" in refused.text
          and pair.n1.grpc in refused.text, "a replica names the primary", refused.all())
    answer = pair.run("remember", "sent to the wrong node", node=pair.n2)
    check(answer.code == 0 and f"Sent to {pair.n1.grpc}" in answer.text,
          "the command follows it, and says so", answer.all())
    other = pair.run("remember", "sent on for a space of n2", "--space", "letters", node=pair.n1)
    check(other.code == 0 and f"Sent to {pair.n2.grpc}" in other.text,
          "each space has its own primary", other.all())


def spaces_made(pair):
    for name, node in (("notes", pair.n1), ("letters", pair.n2)):
        answer = pair.run("space", "create", name, node=node)
        check(answer.code == 0, f"{node.name} makes {name}", answer.all())
    settings = {"space": {"id": "drafts", "settings": {"durability": "local"}}}
    answer = pair.n2.http("POST", "/api/v1/spaces", settings)
    check(answer.code in (200, 201), "n2 makes drafts, a local space", answer.all())
    pair.wait_replicated("default", "notes", "letters", "drafts")
    answer = pair.n2.remember("a draft", space="drafts")
    check(answer.code == 201, "a local space takes entries", answer.all())
    check(pair.primary("letters") is pair.n2, "who makes a space leads it")
    again = pair.run("space", "create", "letters", node=pair.n1)
    check(again.code != 0 and "SPACE_EXISTS" in again.text, "a name is used once", again.all())
    for name, node in (("notes", pair.n1), ("letters", pair.n2)):
        for i in range(5):
            check(node.remember(f"{name} {i}", space=name).code == 201, f"{name} takes entry {i}")


def nobody_leads(pair):
    """After the death of the primary: who asks is told what to do."""
    pair.n1.kill9()
    until("n2 has noticed", lambda: not pair.n2.connected("n1"))
    answer = pair.run("remember", "Is anybody there?", "--timeout", "1s")
    check(answer.code == 5 and re.search(r"no primary for space 'default' since \d+ s", answer.text)
          and "NO_PRIMARY" in answer.text and "promote n2 --space default --dry-run" in answer.text
          and "n1 does not answer" in answer.text, "without a primary writes say what to do",
          answer.all())
    read = pair.run("recall", "Anna", "--json")
    check(read.code == 0 and len(ids_of(read)) >= 1, "the replica is read all the same", read.all())
    explain = pair.run("cluster", "explain")
    check("no primary" in explain.out, "explain says that nobody leads", explain.all())


def promoted(pair):
    dry = pair.run("promote", "n2", "--space", "default", "--dry-run")
    check(dry.code == 4 and "--primary-is-stopped n1" in dry.out
          and "nothing was changed" in dry.out, "a dry run without a statement is refused",
          dry.all())
    real = pair.promote(pair.n2, stopped=False)
    check(real.code == 4 and "--primary-is-stopped n1" in real.text, "and so is the real thing",
          real.all())
    wrong = pair.run("promote", "n2", "--space", "default", "--primary-is-stopped", "n7")
    check(wrong.code != 0 and "REPLICA_NOT_FOUND" in wrong.text, "a node nobody knows", wrong.all())
    dry = pair.run("promote", "n2", "--dry-run", "--primary-is-stopped", "n1")
    check(dry.code == 0 and "it would lead" in dry.out, "the dry run with a statement", dry.all())
    check(pair.n2.space()["role"] != "primary", "a dry run changes nothing")
    for space in ("default", "notes"):
        real = pair.promote(pair.n2, space)
        check(real.code == 0 and "lost: none replicated" in real.out, f"n2 takes over {space}",
              real.all())
    read = pair.run("recall", "trains", "-n", "50", "--json")
    check(len(ids_of(read)) == 21, "with all that was acknowledged", read.all())


def alone(pair):
    """One copy: local writes, no replicated ones, and no space that the other may have."""
    answer = pair.run("remember", "a local one", "--durability", "local")
    check(answer.code == 0 and "local, 1 of 2 copies" in answer.text + answer.out, "a local write",
          answer.all())
    answer = pair.n2.remember("as good as can be had", durability="auto")
    check(answer.code == 201 and answer.json["durability"] == "local", "auto says what it reached",
          answer.all())
    before = pair.n2.space()["log_end"]
    answer = pair.run("remember", "on both, please", "--timeout", "1s")
    check(answer.code == 5 and "NOT_ENOUGH_IN_SYNC" in answer.text and "start n1" in answer.text,
          "a replicated write", answer.all())
    check(pair.n2.space()["log_end"] == before, "what was refused is not in the log")
    answer = pair.run("space", "create", "another", "--timeout", "8s")
    check(answer.code == 5 and "NOT_ENOUGH_IN_SYNC" in answer.text and "n1" in answer.text,
          "a space that the silent node may have is not made", answer.all())
    answer = pair.run("space", "delete", "notes", "--yes", "--timeout", "1s")
    check(answer.code == 5 and "NOT_ENOUGH_IN_SYNC" in answer.text,
          "nor is one deleted that has to be replicated", answer.all())
    answer = pair.run("space", "delete", "drafts", "--yes")
    check(answer.code == 0, "a local space is deleted while n1 is away", answer.all())


def back(pair):
    pair.n1.start().ready()
    pair.wait_replicated("default", "letters")
    check(pair.n1.space()["role"] == "replica", "the old primary follows")
    answer = pair.run("remember", "both are back")
    check("replicated, 2 of 2 copies" in answer.text + answer.out, "replicated writes again",
          answer.all())
    until("n1 has deleted drafts", lambda: not (pair.n1.data / "spaces/drafts").exists())
    check(pair.run("space", "show", "drafts", node=pair.n1).code != 0,
          "what was deleted while it was away is gone")
    rows = pair.run("replicas")
    check(rows.code == 0 and re.search(r"default +n1 +yes +3 healthy +streaming", rows.out),
          "replicas shows it in the set", rows.all())
    answer = pair.run("quarantine", "list")
    check("nothing was ever cut off" in answer.text, "nothing went into quarantine", answer.all())


def removed(pair):
    """A replica is taken out of the set by hand; being there, it joins again."""
    epoch = pair.n2.space("letters")["epoch"]
    dry = pair.run("replicas", "remove", "n1", "--space", "letters", "--dry-run")
    check(dry.code == 0 and "would leave" in dry.out, "replicas remove, tried", dry.all())
    answer = pair.run("replicas", "remove", "n1", "--space", "letters")
    check(answer.code == 0 and "n1 left the set of letters" in answer.out, "replicas remove",
          answer.all())
    pair.wait_replicated("letters")
    check(pair.n2.space("letters")["epoch"] > epoch, "it was an epoch of its own")


def deleted(pair):
    pair.run("space", "create", "brief", node=pair.n1)
    pair.wait_replicated("brief")
    pair.n1.remember("not for long", space="brief")
    check(pair.run("space", "delete", "brief", "--yes").code == 0, "a space is deleted")
    until("it is deleted on both", lambda: not any(
        (node.data / "spaces/brief").exists() for node in pair.nodes))
    again = pair.run("space", "create", "brief", node=pair.n2)
    check(again.code == 0, "its name is free again", again.all())
    pair.wait_replicated("brief")


def ended(pair, spaces):
    """SIGTERM of both, in turn; the logs are equal; a start of both needs nobody."""
    pair.wait_equal(*spaces)
    codes, longest = pair.stop_both()
    check(codes == {0} and longest < ENDS_WITHIN_SECONDS, "SIGTERM ends both with 0",
          f"{codes}, {longest:.1f} s")
    for space in spaces:
        one, two = pair.digests(space)
        check(one == two and one, f"equal logs of {space}", one + two)
    check(pair.run("wal", "verify", "--data-dir", str(pair.n1.data)).code == 0, "n1's are good")
    pair.n2.start()
    pair.n1.start()
    pair.wait_replicated("default")
    for space in spaces:  # those that are equal stay closed until somebody wants them
        answer = pair.run("remember", "after a restart of both", "--space", space)
        check(answer.code == 0 and "replicated, 2 of 2" in answer.text + answer.out,
              f"after a restart of both {space} is written", answer.all())
    pair.stop_both()


def life(engram):
    with pair_of(engram) as pair:
        pair.start()
        spaces_made(pair)
        for step in (written, followed, nobody_leads, promoted, alone, back, removed, deleted):
            step(pair)
        ended(pair, ("default", "notes", "letters", "brief"))


def cut_off(pair):
    """Local writes that only the dead primary had: cut off, kept, counted."""
    kept = pair.n1.remember("on both").json["memory_id"]
    pair.wait_equal()
    pair.n2.kill9()
    alone = [pair.n1.remember(f"only here {i}", durability="local") for i in range(5)]
    check({a.code for a in alone} == {201}, "local writes of one that is alone", alone[0].all())
    pair.n1.kill9()
    pair.n2.start().ready()
    answer = pair.promote(pair.n2)
    check(answer.code == 0 and "lost: none replicated" in answer.out, "nothing replicated is lost",
          answer.all())
    after = pair.n2.remember("written by the next primary", durability="local")
    check(after.code == 201, "the next primary writes", after.all())
    pair.n1.start().ready()
    pair.wait_replicated()
    pair.wait_equal()
    check(pair.n1.memory(kept).code == 200, "what was on both is there")
    gone = [a.json["memory_id"] for a in alone]
    check(all(pair.n1.memory(i).code == 404 for i in gone), "what n1 alone had is not")
    check(pair.n1.metric("engram_local_writes_lost_total", memory_space="default") == 5,
          "the metric counts it")


def written_again(pair):
    listed = pair.run("quarantine", "list")
    match = re.search(r"^n1 +default +(\S+) +5 entries", listed.out, re.M)
    if not check(match, "quarantine list", listed.all()):
        return
    file = match.group(1)
    shown = pair.run("quarantine", "show", file)
    check(all(f"only here {i}" in shown.out for i in range(5)), "quarantine show", shown.all())
    for written in (5, 0):
        replayed = pair.run("quarantine", "replay", file)
        check(replayed.code == 0 and f"{written} written" in replayed.text,
              f"quarantine replay: {written} written", replayed.all())
    texts = contents(pair, pair.n2)
    check(all(texts.count(f"only here {i}") == 1 for i in range(5)), "each is there once",
          str(texts))
    check("replayed" in pair.run("quarantine", "list").out, "the list says so")
    missing = pair.run("quarantine", "show", "no-such-file")
    check(missing.code != 0 and "quarantine list" in missing.text, "a file that is not there",
          missing.all())
    pair.wait_equal()


def contents(pair, node, space="default"):
    return [e.get("what") for e in pair.run("list", "--json", "--space", space, node=node)
            .json["episodes"]]


def accounted(pair):
    """A paused replica may still have received some: each local write is there, or kept."""
    pair.n1.pause()
    for i in range(5):
        reply = pair.n2.remember(f"while n1 stood still {i}", durability="local")
        check(reply.code == 201, "a local write while the replica stands still", reply.all())
    pair.n2.kill9()
    pair.n1.resume()
    until("n1 can be promoted", lambda: pair.promote(pair.n1).code == 0)
    pair.n2.start().ready()
    pair.wait_replicated()
    pair.wait_equal()
    there = sum(text.startswith("while n1 stood still") for text in contents(pair, pair.n1))
    cut = re.findall(r"^n2 +default +(\S+)", pair.run("quarantine", "list").out, re.M)
    kept = sum(pair.run("quarantine", "show", file).out.count("while n1 stood still")
               for file in cut)
    check(there + kept == 5, "each local write is there or in quarantine", f"{there} + {kept}")
    lost = pair.n2.metric("engram_local_writes_lost_total", memory_space="default")
    check(lost == kept, "the metric counts those that are cut", f"{lost}, {kept}")


def quarantine(engram):
    with pair_of(engram) as pair:
        pair.start()
        for step in (cut_off, written_again, accounted):
            step(pair)
        pair.stop_both()
        one, two = pair.digests()
        check(one == two, "equal logs", one + two)


def under_load(engram):
    """SIGTERM of the replica, then of the primary, while writers are busy: both end with 0, and
    what was acknowledged as replicated is on both."""
    with pair_of(engram) as pair:
        pair.start()
        ledger, stop = {}, threading.Event()

        def write(number):
            for i in range(100000):
                what = f"writer {number}, {i}"
                reply = pair.n1.remember(what, timeout=5)
                if reply.code == 201:
                    ledger[reply.json["memory_id"]] = what
                elif stop.is_set():
                    return

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        until("50 writes", lambda: len(ledger) > 50)
        code, took = pair.n2.stop()
        check(code == 0 and took < ENDS_WITHIN_SECONDS, "a replica ends under load",
              f"{code}, {took:.1f} s")
        pair.n2.start().ready()
        pair.wait_replicated()
        seen = len(ledger)
        until("writes go on", lambda: len(ledger) > seen + 50)
        stop.set()
        code, took = pair.n1.stop()
        check(code == 0 and took < ENDS_WITHIN_SECONDS, "a primary ends under load",
              f"{code}, {took:.1f} s")
        for thread in threads:
            thread.join()
        # The last of them are in its log, and shown once it knows that they are committed.
        check(pair.promote(pair.n2).code == 0, "the replica takes over")
        lost = [i for i, what in ledger.items() if pair.n2.memory(i).json.get("what") != what]
        check(not lost, f"{len(ledger)} acknowledged writes are on the replica", str(lost[:3]))


def main():
    for part in (life, quarantine, under_load):
        print(f"-- {part.__name__}")
        part(sys.argv[1])
    finish()


if __name__ == "__main__":
    main()
