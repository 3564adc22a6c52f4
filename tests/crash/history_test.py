#!/usr/bin/env python3
"""history_test.py: the checker of histories is right about histories that are right, and finds what
is wrong with those that are wrong, each in one way."""
import math
import pathlib
import random
import sys

from history import (NOTHING, OK, REFUSED, UNKNOWN, Op, after, against_log, explain, linearizable)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from pair_kit import check, finish

WHAT = {"remember": "EpisodeStore {id} version {version}",
        "update": "MemoryUpdate content of {id} version {version}",
        "suppress": "MemoryUpdate suppressed 1 ids", "restore": "MemoryUpdate visible again 1 ids",
        "delete": "MemoryDelete 1 ids"}


def write(kind, begin, end, version=0, text="", at=None, **more):
    return Op(kind, more.pop("id", "a"), begin, end, version=version, text=text,
              position=at and (257, at), **more)


def read(begin, end, version=0, text="", at=None, content=None, **more):
    return Op("read", more.pop("id", "a"), begin, end, version=version, text=text,
              found=version > 0, position=at and (257, at), content_at=content and (257, content),
              **more)


def confirmed(*args, **more):
    return read(*args, confirmed=True, **more)


def unknown(kind, begin, text="", **more):
    return Op(kind, more.pop("id", "a"), begin, outcome=UNKNOWN, text=text, **more)


def log_of(ops, epoch=257, length=40):
    """The log that these answers describe; the rest of it is of no concern."""
    log = {sequence: (epoch, "Checkpoint of 1 to 2") for sequence in range(1, length)}
    for op in ops:
        if op.kind in WHAT and op.outcome == OK and op.changed and op.position:
            log[op.position[1]] = (op.position[0], WHAT[op.kind].format(**vars(op)))
    return log


def verdict(ops, log=None):
    return linearizable(ops) + against_log(ops, log_of(ops) if log is None else log)


def a_life():
    """One id, from its first write to its return, as two clients see it."""
    return [write("remember", 0, 2, 1, "one", 3),
            confirmed(1, 3, 1, "one", 3, 3),
            write("update", 4, 8, 2, "two", 5),
            confirmed(5, 6, 1, "one", 4, 3),  # while it is under way: before or after
            confirmed(7, 9, 2, "two", 5, 5),
            write("suppress", 10, 11, at=6),
            write("suppress", 11.5, 11.8, changed=False),
            confirmed(12, 13, 2, "two", 7, 5, suppressed=True),
            write("restore", 14, 15, at=8),
            write("delete", 16, 17, at=9),
            confirmed(18, 19, at=10),
            read(18, 19, 2, "two", 8, 5),  # of a replica that is behind
            write("remember", 20, 21, 3, "three", 11),
            confirmed(22, 23, 3, "three", 12, 11)]


def right():
    check(not verdict(a_life()), "a life of one id", "\n".join(verdict(a_life())))
    lost = unknown("update", 4, "lost")
    check(not verdict([write("remember", 0, 1, 1, "one", 3), lost,
                       confirmed(5, 6, 1, "one", 4, 3)]), "an unknown write that never happened")
    seen = [write("remember", 0, 1, 1, "one", 3), unknown("update", 2, "late"),
            confirmed(5, 6, 1, "one", 4, 3), confirmed(7, 8, 2, "late", 9, 8),
            write("update", 9, 10, 3, "more", 12)]
    check(not verdict(seen), "an unknown write that happened late", "\n".join(verdict(seen)))
    doubt = [write("remember", 0, 1, 1, "one", 3)]
    for i in range(12):
        doubt += [unknown("update", 2 + i / 100, f"u{i}"), unknown("suppress", 2.5)]
    doubt += [confirmed(5, 6, 2, "u7"), confirmed(7, 8, 4, "u9", suppressed=True)]
    many = doubt + [confirmed(9, 10, 3, "u11")]
    check(linearizable(many), "… and still one that cannot be explained is found")
    check(not verdict(doubt), "many unknown writes, few of which happened",
          "\n".join(verdict(doubt)))
    check(not verdict([write("remember", 0, 1, 1, "one", 3),
                       Op("update", "a", 2, 3, REFUSED, text="no"),
                       confirmed(4, 5, 1, "one", 4, 3)]), "a refusal")


def wrong(what, ops, says, log=None):
    found = verdict(ops, log)
    check(any(says in why for why in found), f"finds {what}", "\n".join(found) or "nothing")


def without_order():
    """What the search alone has to find."""
    first = write("remember", 0, 1, 1, "one", 3)
    says = "not linearizable"
    wrong("a lost write: its version is given again",
          [first, write("update", 2, 3, 2, "two", 4), write("update", 4, 5, 2, "other", 5)], says)
    wrong("a lost write: a later read does not show it",
          [first, write("update", 2, 3, 2, "two", 4), confirmed(4, 5, 1, "one", 4, 3)], says)
    wrong("a stale confirmed read",
          [first, write("delete", 2, 3, at=4), confirmed(4, 5, 1, "one", 5, 3)], says)
    wrong("a read of what comes later",
          [confirmed(0, 1, 1, "one"), write("remember", 2, 3, 1, "one", 3)], says)
    wrong("a read that goes back",
          [first, unknown("update", 2, "two"), confirmed(3, 4, 2, "two", 5, 4),
           confirmed(5, 6, 1, "one", 5, 3)], says)
    wrong("a retry that happened twice", [first, write("update", 2, 3, 3, "two", 5)], says)
    wrong("an unknown write that happened twice",
          [first, unknown("update", 2, "two"), confirmed(3, 4, 3, "two", 5, 4)], says)
    wrong("a write that nobody asked for", [first, confirmed(3, 4, 2, "who?", 5, 4)], says)
    wrong("a deleted memory that returns",
          [first, write("delete", 2, 3, at=4), write("update", 4, 5, 2, "two", 5)], says)
    wrong("a suppression that was lost",
          [first, write("suppress", 2, 3, at=4), confirmed(4, 5, 1, "one", 5, 3)], says)
    wrong("a suppression that found nothing to do too late",
          [first, write("suppress", 2, 3, at=4), write("restore", 4, 5, at=5),
           write("suppress", 6, 7, changed=False)], says)
    wrong("a delete that happened before it was asked for",
          [first, confirmed(2, 3, at=4), write("delete", 4, 5, at=4)], says)


def with_the_log():
    """What is in order by versions, and not by the log."""
    life = a_life()
    log = log_of(life)
    wrong("an answer that is not in the log", life, "answered and not there",
          {**log, 5: (514, "EpochStart epoch 514 of n2")})
    wrong("… or is in it as something else", life, "answered and not there",
          {**log, 5: (257, "MemoryUpdate content of b version 2")})
    wrong("an order against real time", [write("remember", 0, 1, 1, "one", 9, id="a"),
                                         write("remember", 2, 3, 1, "two", 5, id="b")],
          "stands before what was answered before")
    key = write("remember", 0, 1, 1, "one", 3)
    key.again = [(257, 3), (514, 7)]
    wrong("a key with two answers", [key], "a key was answered with")
    wrong("a version with two authors", life, "two authors",
          {**log, 30: (257, "EpisodeStore a version 2")})
    wrong("one version too many", life, "has 4 versions",
          {**log, 30: (257, "EpisodeStore a version 4")})
    wrong("a refusal that happened", [Op("remember", "a", 0, 1, REFUSED, text="no"),
                                      read(2, 3, 1, "no", 4, 3)], "was refused, and is shown")


def of_copies():
    """Reads without confirmation, of any copy."""
    life = a_life()
    two = life[2]
    for what, op, says in (
            ("less than its token", read(9, 10, 1, "one", 4, 3, token_of=two), "at least"),
            ("nothing, though nobody deleted it yet",
             read(9, 10, at=5, token_of=two), "at least"),
            ("a token that is called lost", read(9, 10, token_of=two, lost=True), "WRITE_LOST"),
            ("what was never committed", read(9, 10, 2, "two", 45, 5), "never committed"),
            ("what was deleted", read(19, 20, 2, "two", 10, 5), "shows what was deleted"),
            ("an older version", read(19, 20, 1, "one", 6, 3), "shows an older version"),
            ("another content", read(19, 20, 2, "zwei", 6, 5), "shows another content"),
            ("what comes later", read(19, 20, 3, "three", 10, 11), "comes later than all"),
            ("nothing where something is", read(19, 20, at=6), "does not show what is there"),
            ("a suppressed one as visible", read(19, 20, 2, "two", 7, 5), "suppressed is not True"),
    ):
        wrong(f"a copy that shows {what}", life + [op], says)
    made_up = [write("remember", 0, 1, 1, "one", 9), read(2, 3, 1, "made up", 5, 4)]
    wrong("a copy that shows what was never written", made_up, "never written")


def by_chance(seeds=150):
    """Random runs of a register: right as they are, wrong once an answer is bent."""
    missed = 0
    for seed in range(seeds):
        rng = random.Random(seed)
        ops, state = [], NOTHING
        for i in range(60):
            op = chance_op(rng, i, state)
            then = after(state, op)
            if then is None:
                continue
            state = then
            at = i + rng.random() / 2
            op.invoked, op.returned = at - rng.random() * 3, at + rng.random() * 3
            if rng.random() < 0.1 and op.kind != "read":
                op.outcome, op.returned, op.version = UNKNOWN, math.inf, 0
            ops.append(op)
        why = explain(ops)
        if not check_quietly(why is None, f"seed {seed}: {why}"):
            return
        reads = [op for op in ops if op.kind == "read" and op.found]
        if reads:
            rng.choice(reads).text = "bent"
            missed += explain(ops) is None
    check(missed == 0, f"{seeds} random histories, right and bent", f"{missed} were missed")


def check_quietly(condition, what):
    return condition or check(False, what)


def chance_op(rng, i, state):
    version, text, live, suppressed = state
    kind = rng.choice(("remember", "update", "suppress", "restore", "delete", "read", "read"))
    op = Op(kind, "a", 0, 0, confirmed=kind == "read")
    if kind == "read":
        op.found, op.version, op.text, op.suppressed = live, live and version, text, suppressed
    elif kind in ("remember", "update"):
        op.version, op.text = version + 1, f"t{i}"
    else:
        op.changed = live and suppressed != (kind == "suppress")
    return op


def main():
    for part in (right, without_order, with_the_log, of_copies, by_chance):
        print(f"-- {part.__name__}")
        part()
    finish()


if __name__ == "__main__":
    main()
