#!/usr/bin/env python3
"""pair_bad_input_test.py ENGRAM: nodes that were set up wrongly, copied, wiped, filled up, or that
are spoken to in another tongue. Each is told what is wrong, nothing is lost, and whoever is not
concerned is served."""
import os
import shutil
import socket
import struct
import subprocess
import sys

from pair_kit import check, finish, pair_of, until

GARBAGE_SEEDS = 20


def four_parts(answer, reason, *words):
    """A refused start or command: a reason, what was expected, what helps."""
    return (answer.code != 0 and f"({reason})" in answer.text and "Expected:" in answer.text
            and "Suggestion:" in answer.text and all(word in answer.text for word in words))


def why(node, other):
    """Why this node has no connection to the other."""
    return next((n.get("why", "") for n in node.cluster()["nodes"] if n["name"] == other), "")


def served(pair, what, node=None):
    """The node goes on: it writes, at least on its own."""
    reply = (node or pair.n1).remember(what, durability="local")
    check(reply.code == 201, f"{(node or pair.n1).name} goes on: {what}", reply.all())


def healthy(pair, what):
    pair.wait_replicated()
    reply = pair.run("remember", what)
    check(reply.code == 0 and "replicated, 2 of 2" in reply.text + reply.out, what, reply.all())


# ---- lists of nodes ----


def addresses(pair):
    for door in ("grpc", "replication"):
        pair.configure(n2={door: f"0.0.0.0:{pair.n2.ports[door]}"})
        refused = pair.n1.refused()
        check(four_parts(refused, "CONFIGURATION", "0.0.0.0", "reach"),
              f"0.0.0.0 as the {door} address of a node", refused.all())
    pair.configure(n2={"replication": f"127.0.0.1:{pair.n1.ports['replication']}"})
    refused = pair.n1.refused()
    check(four_parts(refused, "CONFIGURATION"), "one address for two nodes", refused.all())
    pair.configure(names={"n1": "n7"})
    refused = pair.n1.refused()
    check(four_parts(refused, "CONFIGURATION", "n7"), "a node that is not in the list",
          refused.all())


def reaches_itself(pair):
    """The same place under another spelling: no check of the list can see that."""
    pair.configure(n2={"replication": f"localhost:{pair.n1.ports['replication']}"})
    pair.n1.start().ready()
    until("n1 has noticed", lambda: "reached itself" in why(pair.n1, "n2"))
    check(pair.n1.space() == {}, "it does not take itself for the other, and makes no default")
    health = pair.run("status", node=pair.n1)
    check("reached itself" in health.out + health.text + why(pair.n1, "n2"), "and says so")
    check(pair.n1.stop()[0] == 0, "it ends in order")


def other_cluster(pair):
    pair.configure()
    pair.n2.config.write_text(pair.n2.config.read_text().replace(
        'mode = "static"', 'name = "elsewhere"\nmode = "static"'))
    for node in pair.nodes:
        node.start().ready()
    until("both have noticed", lambda: "luster" in why(pair.n1, "n2"))
    check("elsewhere" in why(pair.n1, "n2"), "a node of another cluster is refused by name",
          why(pair.n1, "n2"))
    check(pair.n1.space() == {} and pair.n2.space() == {}, "neither makes a default of its own")
    for node in pair.nodes:
        node.stop()
        shutil.rmtree(node.data)
    pair.configure()
    pair.start()
    healthy(pair, "with one name they find each other")
    pair.stop_both()


def lists(engram):
    with pair_of(engram) as pair:
        for step in (addresses, reaches_itself, other_cluster):
            step(pair)


# ---- directories ----


def copied(pair):
    """A directory that was copied from the other node, with its name in it."""
    pair.start()
    pair.n1.remember("before the copy")
    pair.wait_equal()
    pair.n2.stop()
    kept = str(pair.n2.data) + ".kept"
    shutil.move(pair.n2.data, kept)
    shutil.copytree(pair.n1.data, pair.n2.data)
    refused = pair.n2.refused()
    check(four_parts(refused, "CONFIGURATION", "belongs to node 'n1'", "never copy"),
          "a copied directory", refused.all())
    served(pair, "though the other is a copy")
    shutil.rmtree(pair.n2.data)
    shutil.move(kept, pair.n2.data)
    pair.n2.start().ready()
    healthy(pair, "with its own directory it is back")
    pair.stop_both()


def copied_unnamed(pair):
    """Both made from one directory of a single node: two nodes with one id."""
    for node in pair.nodes:
        shutil.rmtree(node.data)
    single = pair.n1.config.with_name("single.toml")
    single.write_text(f'[node]\nname = "n1"\ndata_dir = "{pair.n1.data}"\n')
    doors = [part for door in ("grpc", "http", "ops")
             for part in (f"--{door}", f"127.0.0.1:{pair.n1.ports[door]}")]
    config, pair.n1.config = pair.n1.config, single
    pair.n1.start(*doors).ready()
    check(pair.n1.remember("of a single node").code == 201, "a single node")
    pair.n1.stop()
    pair.n1.config = config
    shutil.copytree(pair.n1.data, pair.n2.data)
    for node in pair.nodes:
        node.start().ready()
    until("n1 has noticed", lambda: "node id" in why(pair.n1, "n2"))
    check("copy" in why(pair.n1, "n2"), "two nodes with one id", why(pair.n1, "n2"))
    for node in pair.nodes:
        node.stop()
    shutil.rmtree(pair.n2.data)
    pair.n1.start().ready()
    pair.n2.start().ready()
    healthy(pair, "with a directory of its own the copy joins, and a single node became two")
    found = pair.run("recall", "single", node=pair.n2)
    check("of a single node" in found.out, "with all that the single node had", found.all())


def directories(engram):
    with pair_of(engram) as pair:
        for step in (copied, copied_unnamed):
            step(pair)


# ---- a first primary without its disk ----


def wiped(engram):
    with pair_of(engram) as pair:
        pair.start()
        kept = [pair.n1.remember(f"kept {i}").json["memory_id"] for i in range(10)]
        pair.stop_both()
        shutil.rmtree(pair.n1.data)
        pair.n1.start().ready()
        until("its banner", lambda: pair.n1.said("space default: "))
        check(pair.n1.said("waiting for n2"), "an empty first primary says whom it waits for",
              pair.n1.log.read_text())
        check(not (pair.n1.data / "spaces/default").exists(), "and makes no empty default")
        early = pair.n1.remember("too early", timeout=5)
        check(early.code not in (200, 201) and "n2" in early.text, "writes are told the same",
              early.all())
        pair.n2.start().ready()
        until("they know each other", lambda: pair.n2.connected("n1"))
        dry = pair.run("promote", "n2", "--dry-run")
        check(dry.code == 4 and "n1" in dry.out, "the empty disk's vote does not count", dry.all())
        check(pair.promote(pair.n2).code == 0, "n2 is promoted")
        pair.wait_replicated()
        pair.wait_equal()
        check(pair.n1.space()["role"] == "replica", "n1 begins again as a replica")
        until("all can be read", lambda: all(pair.n1.memory(i).code == 200 for i in kept))
        check(True, "all is on both again")


# ---- disks ----


def full(pair):
    """A replica without room: the primary says so, serves, and is not lied to."""
    pair.n2.stop()
    pair.n2.start("--set", "node.min_free_disk=1TiB").ready()
    until("n1 sees it", lambda: pair.n1.connected("n2"))
    sent = pair.n1.remember("not on a full disk", durability="local")
    check(sent.code == 201 and sent.json["durability"] == "local", "local writes go on", sent.all())
    end = pair.n1.space()["log_end"]
    until("the set does not answer", lambda: not pair.n1.space().get("writes_replicated"))
    check(pair.n2.space()["log_end"] < end, "nothing was written to the full disk")
    rows = pair.run("replicas")
    check("refused" in rows.out and "bytes left" in rows.out, "replicas says why", rows.all())
    answer = pair.run("remember", "on both, please", "--timeout", "1s")
    check(answer.code == 5 and "NOT_ENOUGH_IN_SYNC" in answer.text, "replicated ones do not",
          answer.all())
    check(pair.n2.said("bytes left"), "the replica's log says why", pair.n2.log.read_text())
    read = pair.run("recall", "kept", node=pair.n2)
    check(read.code == 0, "the full replica is read", read.all())
    pair.n2.stop()
    pair.n2.start().ready()
    healthy(pair, "with room again it catches up")
    pair.wait_equal()


def read_only(pair):
    """chmod does not bind root: a mount of its own that is read-only does."""
    data = str(pair.n2.data)
    script = ('mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 77; '
              'exec "$2" serve --config "$3"')
    pair.n2.stop()
    run = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", data, pair.engram,
                          str(pair.n2.config)], capture_output=True, text=True, timeout=30)
    if run.returncode in (1, 77) and "ermitted" in run.stderr:
        print("skipped a read-only directory: mounts are not permitted here")
    else:
        check(run.returncode == 1 and "Read-only file system" in run.stderr
              and data in run.stderr, "a read-only directory", run.stderr)
    served(pair, "though the other has a read-only directory")
    pair.n2.start().ready()
    healthy(pair, "with a directory that it can write it is back")


def disks(engram):
    with pair_of(engram) as pair:
        pair.start()
        pair.n1.remember("kept")
        for step in (full, read_only):
            step(pair)


# ---- another space of the same name ----


def made(pair, text):
    check(pair.run("space", "create", "notes", node=pair.n1).code == 0, f"notes, {text}")
    pair.wait_replicated("notes")
    for i in range(3):
        pair.n1.remember(f"{text}, {i}", space="notes")
    pair.wait_equal("notes")


def admitted_again(pair):
    """n2 has lost what it had acknowledged: it counts again when a person has said so."""
    until("n1 has noticed", lambda: pair.n1.said("member_lost_entries"))
    answer = pair.run("remember", "on both?", "--space", "notes", "--timeout", "1s")
    check(answer.code == 5 and "NOT_ENOUGH_IN_SYNC" in answer.text,
          "a member that lost entries does not count", answer.all())
    check(pair.run("replicas", "remove", "n2", "--space", "notes").code == 0, "it is taken out")
    pair.wait_replicated("default", "notes")
    pair.wait_equal("notes")
    found = pair.run("list", "--space", "notes", node=pair.n2)
    check("ours" in found.out and "theirs" not in found.out, "and begins again with our space",
          found.all())


def deleted(engram):
    """A copy of a deleted space that comes back, from a backup say, while its name has a
    successor."""
    with pair_of(engram) as pair:
        pair.start()
        made(pair, "theirs")
        pair.n2.stop()
        kept = str(pair.n2.data) + ".kept"
        shutil.copytree(pair.n2.data / "spaces/notes", kept)
        pair.n2.start().ready()
        pair.wait_replicated("default", "notes")
        pair.run("space", "delete", "notes", "--yes")
        until("notes is gone", lambda: not any(
            (node.data / "spaces/notes").exists() for node in pair.nodes))
        made(pair, "ours")
        pair.n2.stop()
        shutil.rmtree(pair.n2.data / "spaces/notes")
        shutil.copytree(kept, pair.n2.data / "spaces/notes")
        pair.n2.start().ready()
        admitted_again(pair)
        check(not (pair.n2.data / "foreign").exists(), "what was deleted is not kept")


def foreign(engram):
    """Not deleted, only unknown: moved away with an alarm, never overwritten."""
    with pair_of(engram) as pair, pair_of(engram) as strangers:
        for each, text in ((pair, "ours"), (strangers, "theirs")):
            each.start()
            made(each, text)
            each.n2.stop()
        shutil.rmtree(pair.n2.data / "spaces/notes")
        shutil.copytree(strangers.n2.data / "spaces/notes", pair.n2.data / "spaces/notes")
        before = {p.name: p.read_bytes() for p in pair.n2.segments("notes")}
        pair.n2.start().ready()
        admitted_again(pair)
        moved = list((pair.n2.data / "foreign").glob("notes*"))
        after = {p.name: p.read_bytes() for m in moved for p in (m / "wal").glob("*.log")}
        check(len(moved) == 1 and before == after, "the other one lies in foreign/, untouched",
              str(moved))
        check(pair.n2.said("foreign_space_moved"), "and an alarm says so")
        check(pair.n2.metric("engram_replication_alarms_total", memory_space="notes") >= 1,
              "the metric counts it")


# ---- the replication port ----


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + \
        struct.pack(">I", stream) + payload


def field(number, value):
    """One field of a protocol buffer message: a number or bytes."""
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def stream_call(port, message):
    """One gRPC call of ReplicationStream with one message, by hand: all that is answered."""
    headers = b""
    for name, value in ((":method", "POST"), (":scheme", "http"), (":authority", "n2"),
                        (":path", "/engram.internal.v1.ReplicationService/ReplicationStream"),
                        ("content-type", "application/grpc"), ("te", "trailers")):
        headers += b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
                  + frame(1, 4, 1, headers)
                  + frame(0, 0, 1, b"\0" + struct.pack(">I", len(message)) + message))
        while b"grpc-status" not in answer or b"grpc-message" not in answer:
            part = s.recv(65536)
            if not part:
                break
            answer += part
    return answer.decode(errors="replace").replace("%20", " ")


def hello(version, cluster="engram", name="n1"):
    node = (field(1, cluster.encode()) + field(2, name.encode()) + field(4, b"i" * 16)
            + field(5, b"j" * 16))
    return field(1, field(1, node) + field(2, b"n2") + field(3, version) + field(4, version)
                 + field(5, 1))


def garbage(pair):
    """Whoever speaks another protocol is cut off; the nodes do not mind."""
    port = pair.n2.ports["replication"]
    for seed in range(GARBAGE_SEEDS):
        junk = (b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"\0" * 1000,
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(2000))[seed % 4]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
            try:
                s.sendall(junk)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass  # cut off: as it should be
    check(pair.n2.alive() and pair.n1.connected("n2"), "garbage on the replication port")
    answer = stream_call(port, b"\xff" * 64)
    check("grpc-status" in answer and pair.n2.alive(), "a message that is none", answer)


def tongues(pair):
    port = pair.n2.ports["replication"]
    answer = stream_call(port, hello(version=99))
    check("No common version" in answer and "99 to 99" in answer, "an unknown protocol version",
          answer)
    answer = stream_call(port, hello(version=1, cluster="elsewhere"))
    check("elsewhere" in answer, "a hello of another cluster", answer)
    answer = stream_call(port, hello(version=1, name="n9"))
    check("n9" in answer and "list of nodes" in answer, "a hello of a stranger", answer)


def port(engram):
    with pair_of(engram) as pair:
        pair.start()
        for step in (garbage, tongues):
            step(pair)
        check(pair.n1.connected("n2"), "the connection of the pair stands")
        healthy(pair, "both are served after all of it")


def main():
    for part in (lists, directories, wiped, disks, deleted, foreign, port):
        print(f"-- {part.__name__}")
        part(sys.argv[1])
    finish()


if __name__ == "__main__":
    main()
