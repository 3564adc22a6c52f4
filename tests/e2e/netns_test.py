#!/usr/bin/env python3
"""netns_test.py ENGRAM [--seconds S]: a pair whose network the kernel takes away, with sockets that
hang, time out and are reset as on a real one. In a network namespace of its own, iptables drops
what a node sends the other, in both directions or in one, resets it, or loses a part of it, and tc
makes it slow, while clients reach both nodes all the time. Nothing that was acknowledged may be
lost, nothing is acknowledged as replicated through a cut, and the pair must heal. Times are
printed, and judge nothing.

Exits with 77 (skipped) where the tools or the rights for a namespace are missing."""
import argparse
import os
import shutil
import subprocess
import sys
import threading
import time

from pair_kit import check, finish, pair_of, until

SKIPPED = 77
TOOLS = {"unshare": "util-linux", "ip": "iproute2", "iptables": "iptables", "tc": "iproute2"}
PATIENCE_SECONDS = 180  # a node that was away for long is dialled once a minute
SLOW_RATE = "8mbit"
LOST_SHARE = "0.2"  # of the packets
WAIT_SECONDS = 4  # of a client for an answer


# ---- the namespace ----


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def enter_namespace():
    """Runs this program again in a namespace that ends with it; as root of a user namespace where
    we are not root."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        skip(f"{', '.join(missing)} not found; apt-get install "
             + " ".join(sorted({TOOLS[tool] for tool in missing})))
    unshare = ["unshare", "--net", *(["--map-root-user"] if os.geteuid() else [])]
    attempt = "ip link set lo up && iptables -w -A INPUT -p tcp --dport 1 -j DROP"
    tried = subprocess.run([*unshare, "sh", "-c", attempt], capture_output=True, text=True)
    if tried.returncode:
        skip("no network namespace with iptables here: " + tried.stderr.strip())
    os.execvp("unshare", [*unshare, sys.executable, *sys.argv, "--inside"])


def run(*command):
    subprocess.run(command, check=True, capture_output=True, text=True)


class Net:
    """What a node sends the other: to the port on which that listens, or from its own, whoever
    dialled. Clients use other ports, and other connections."""

    def __init__(self, pair):
        self.port = {node: str(node.ports["replication"]) for node in pair.nodes}
        self.other = pair.other
        run("ip", "link", "set", "lo", "up")

    def of(self, sender):
        return ("--dport", self.port[self.other(sender)]), ("--sport", self.port[sender])

    def rule(self, sender, *target):
        for match in self.of(sender):
            run("iptables", "-w", "-A", "INPUT", "-p", "tcp", *match, *target)

    def cut(self, *senders):
        for sender in senders:
            self.rule(sender, "-j", "DROP")

    def reset(self):
        for sender in self.port:
            self.rule(sender, "-j", "REJECT", "--reject-with", "tcp-reset")

    def lose(self):
        for sender in self.port:
            self.rule(sender, "-m", "statistic", "--mode", "random", "--probability", LOST_SHARE,
                      "-j", "DROP")

    def slow(self):
        run("tc", "qdisc", "add", "dev", "lo", "root", "handle", "1:", "htb", "default", "10")
        for number, rate in (("1:10", "10gbit"), ("1:20", SLOW_RATE)):
            run("tc", "class", "add", "dev", "lo", "parent", "1:", "classid", number, "htb",
                "rate", rate)
        for port in self.port.values():
            for end in ("sport", "dport"):
                run("tc", "filter", "add", "dev", "lo", "protocol", "ip", "parent", "1:", "u32",
                    "match", "ip", end, port, "0xffff", "flowid", "1:20")

    def mend(self):
        run("iptables", "-w", "-F", "INPUT")
        subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], capture_output=True)


# ---- clients ----


class Writer(threading.Thread):
    """Writes to a node until it is told to end, and keeps what was acknowledged, and when it was
    asked for."""

    def __init__(self, node, space, level, size=0):
        super().__init__(daemon=True)
        self.node, self.space, self.level, self.filler = node, space, level, "x" * size
        self.stored, self.asked, self.refused = {}, {}, []
        self.ending = threading.Event()
        self.start()

    def run(self):
        while not self.ending.wait(0.01):
            began, what = time.monotonic(), f"{self.node.name} {time.monotonic_ns()} {self.filler}"
            reply = self.node.remember(what, self.space, self.level, timeout=WAIT_SECONDS)
            if reply.code != 201:
                self.refused.append((began, reply.text))
            elif reply.json["durability"] == self.level:
                self.stored[reply.json["memory_id"]] = what
                self.asked[reply.json["memory_id"]] = began

    def count(self, since):
        return sum(at >= since for at in list(self.asked.values()))

    def end(self):
        self.ending.set()
        self.join()
        return self


class Partitions:
    def __init__(self, pair, seconds):
        self.pair, self.net, self.seconds = pair, Net(pair), seconds
        self.n1, self.n2 = pair.nodes
        self.ledger = {"aside": {}, "default": {}}
        self.calm = threading.Event()  # never set: to wait a while

    def writers(self, size=0):
        return [Writer(self.n1, "aside", "local", size), Writer(self.n1, "default", "replicated")]

    def keep(self, writers):
        for writer in writers:
            self.ledger[writer.space].update(writer.end().stored)

    def lost(self, node):
        return [f"{space} {memory_id}" for space, stored in self.ledger.items()
                for memory_id, what in stored.items()
                if node.memory(memory_id, space).out.find(what) < 0]

    def heal(self, what):
        """Mended, the two become one again, with all that was acknowledged."""
        self.net.mend()
        began = time.monotonic()
        self.pair.wait_replicated("default", "aside", seconds=PATIENCE_SECONDS)
        self.pair.wait_equal("default", "aside", seconds=PATIENCE_SECONDS)
        print(f"        healed {time.monotonic() - began:.1f} s after the network")
        for node in self.pair.nodes:
            try:
                until("all is found", lambda node=node: not self.lost(node))
            except TimeoutError:
                pass  # told below, with what is lost
            lost = self.lost(node)
            check(not lost, f"{what}: of {sum(map(len, self.ledger.values()))} acknowledged none "
                  f"is lost on {node.name}", f"LOST {len(lost)}: {lost[:3]}")


def cut(trial, what, *senders):
    """Until the nodes have noticed, and for a while: `local` writes go on, no `replicated` one is
    acknowledged, the copy still answers reads and takes no writes."""
    old = next(iter(trial.ledger["aside"]))
    began = time.monotonic()
    trial.net.cut(*senders)
    cut_at = time.monotonic()
    writers = [*trial.writers(), Writer(trial.n2, "default", "replicated")]
    until("n1 notices", lambda: not trial.n1.connected("n2"), PATIENCE_SECONDS)
    until("n2 notices", lambda: not trial.n2.connected("n1"), PATIENCE_SECONDS)
    print(f"        {what}: noticed after {time.monotonic() - began:.1f} s")
    seen_at = time.monotonic()
    trial.calm.wait(trial.seconds)
    until("local writes go on", lambda: writers[0].count(seen_at) > 10, PATIENCE_SECONDS)
    behind = trial.n1.metric("engram_replication_lag_entries", memory_space="aside",
                             replica_id="n2")
    check(trial.n2.memory(old, "aside").code == 200, f"{what}: n2 answers a read")
    local, replicated, elsewhere = (writer.end() for writer in writers)
    check(not local.refused, f"{what}: {local.count(cut_at)} local writes went on",
          str(local.refused[:1]))
    check(behind and behind > 0, f"{what}: n2 is said to be behind, by {behind} entries")
    check(replicated.count(cut_at) == 0, f"{what}: none is acknowledged as replicated",
          f"{replicated.count(cut_at)} were")
    check(not elsewhere.stored, f"{what}: n2 takes no writes")
    trial.keep(writers)
    trial.heal(what)


def troubled(trial, what, begin, size=0):
    """The line works badly. What becomes of writes is theirs to say; what they were told counts."""
    try:
        begin()
    except subprocess.CalledProcessError as error:
        trial.net.mend()
        return print(f"        {what}: skipped, this kernel has it not: {error.stderr.strip()}")
    writers = trial.writers(size)
    trial.calm.wait(max(2, trial.seconds))
    trial.keep(writers)
    local, replicated = writers
    check(local.stored and not local.refused, f"{what}: {len(local.stored)} local writes went on",
          str(local.refused[:1]))
    print(f"        {what}: {len(replicated.stored)} replicated writes, {len(replicated.refused)} "
          "refused or not known")
    trial.heal(what)


def cut_and_promoted(trial):
    """The operator errs: the primary lives, and clients reach both. Only one of the two may
    acknowledge what needs both."""
    what = "n2 promoted beside n1"
    trial.net.cut(*trial.pair.nodes)
    cut_at = time.monotonic()
    writers = [Writer(node, "default", "replicated") for node in trial.pair.nodes]
    until(what, lambda: trial.pair.promote(trial.n2).code == 0, PATIENCE_SECONDS)
    trial.calm.wait(trial.seconds)
    trial.keep(writers)
    old, new = writers
    check(old.count(cut_at) == 0, f"{what}: n1 acknowledges nothing as replicated",
          f"{old.count(cut_at)} were")
    print(f"        {what}: n2 acknowledged {len(new.stored)}")
    trial.heal(what)
    check(trial.pair.primary() is trial.n2, "n2 leads")


def end(trial):
    codes, _ = trial.pair.stop_both()
    check(codes == {0}, "both end in order")
    for space in trial.ledger:
        one, two = trial.pair.digests(space)
        check(one == two and one, f"equal logs of {space}", one + two)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engram")
    parser.add_argument("--seconds", type=float, default=2, help="of each trouble")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        enter_namespace()
    with pair_of(options.engram) as pair:
        trial = Partitions(pair, options.seconds)
        pair.start()
        pair.create_local("aside", seconds=PATIENCE_SECONDS)
        pair.wait_replicated("default", "aside", seconds=PATIENCE_SECONDS)
        n1, n2 = pair.nodes
        troubled(trial, "all well", lambda: None)
        for step in (lambda: cut(trial, "cut both ways", n1, n2),
                     lambda: cut(trial, "n1 is not heard", n1),
                     lambda: cut(trial, "n2 is not heard", n2),
                     lambda: troubled(trial, "every connection reset", trial.net.reset),
                     lambda: troubled(trial, "one packet in five lost", trial.net.lose),
                     lambda: troubled(trial, "1 MB/s", trial.net.slow, size=20_000),
                     lambda: cut_and_promoted(trial),
                     lambda: end(trial)):
            began = time.monotonic()
            step()
            print(f"-- {time.monotonic() - began:.1f} s", flush=True)
    finish()


if __name__ == "__main__":
    main()
