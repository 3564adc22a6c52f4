#!/usr/bin/env python3
"""Writes wire/*.txtpb and wire/*.hex: what nodes say to each other, as text and as bytes; and the
same in store/: what they keep in a configuration store outside (store.proto).

An independent second implementation of docs/replication-wire.md: field numbers and encodings stand
here once more, and protobuf is not used. Run it only to add a message or a field, never to make a
failing test pass: nodes of different versions talk to each other.
"""
import os

from record_golden import HERE, INCARNATION, NODE, varint

WIRE = os.path.join(HERE, "wire")
STORE = os.path.join(HERE, "store")
SPACE = bytes(range(32, 48))
ENUMS = {"LANE_LIVE": 1, "LANE_BULK": 2, "BATCH_COMPRESSION_ZSTD": 1, "BATCH_COMPRESSION_LZ4": 2,
         "BAD_EPOCH": 6}

# Message: its fields, as "number name kind"; `*`: repeated.
SCHEMA = {
    "StreamMessage": "1 hello Hello, 2 hello_reply HelloReply, 3 heartbeat Heartbeat,"
                     "4 spaces *SpaceMessage",
    "NodeHello": "1 cluster text, 2 name text, 3 place number, 4 node_id text, 5 incarnation text,"
                 "6 process fixed64, 7 program_version text, 8 address text",
    "Hello": "1 node NodeHello, 2 to_name text, 3 protocol_min number, 4 protocol_max number,"
             "5 lane enum, 6 nonce fixed64, 7 compressions *enum",
    "HelloReply": "1 node NodeHello, 2 protocol_version number, 3 compressions *enum",
    "Heartbeat": "",
    "Floors": "1 tombstone number, 2 compaction_epoch number, 3 compaction_sequence number",
    "SpaceMessage": "1 space text, 2 incarnation text, 3 epoch number, 4 sender text,"
                    "5 open OpenLog, 6 entries Entries, 7 confirm Confirm, 8 joined Joined,"
                    "9 ack Ack, 10 gap Gap, 11 refused Refused, 12 confirmed Confirmed, 13 ask Ask,"
                    "14 answer Answer, 15 batch text, 16 deleted Deleted, 17 page Page,"
                    "18 hand_over HandOver",
    "Summary": "1 space text, 2 incarnation text, 3 end_epoch number, 4 end_sequence number,"
               "5 end_crc fixed32, 6 clean bool",
    "Page": "1 after text, 2 through text, 3 last bool, 4 spaces *Summary",
    "EpochBegin": "1 epoch number, 2 first number",
    "StatedLossAt": "1 at number, 2 after_epoch number, 3 after_sequence number",
    "OpenLog": "1 history *EpochBegin, 2 end_epoch number, 3 end_sequence number,"
               "4 end_crc fixed32, 5 commit number, 6 replicated_end number, 7 floors Floors,"
               "8 losses *StatedLossAt, 9 id number",
    "Entries": "1 first number, 2 last number, 3 last_crc fixed32, 4 commit number,"
               "5 replicated_end number, 6 end number, 7 floors Floors",
    "Confirm": "1 id number",
    "Joined": "1 end_epoch number, 2 end_sequence number, 3 end_crc fixed32, 4 durable number,"
              "5 visible number, 6 id number, 7 rewound number",
    "Ack": "1 durable number, 2 visible number",
    "Gap": "1 expected number",
    "Refused": "1 why enum, 2 promised number, 3 text text",
    "Confirmed": "1 id number, 2 promised number",
    "Ask": "1 round number, 2 dry_run bool, 3 handed_over bool",
    "Answer": "1 round number, 2 granted bool, 3 has_space bool, 4 fit bool, 5 promised number,"
              "6 end_epoch number, 7 end_sequence number, 8 floor number, 9 record text,"
              "10 record_at number",
    "Deleted": "",
    "HandOver": "1 end_epoch number, 2 end_sequence number, 3 within_ms number",
    "ReplicationBatch": "1 batch_header text, 2 wal_entries *text",
    "ShipBatchRequest": "1 replica_id text, 2 batch ReplicationBatch, 3 space text, 4 epoch number,"
                        "5 sender text, 6 cluster text",
    "Timestamp": "1 seconds number, 2 nanos number",
    "ShipBatchResponse": "1 applied_sequence number, 2 committed_at Timestamp,"
                         "3 durable_sequence number",
    "GetStatusRequest": "1 space text, 2 identity_only bool, 3 from NodeHello",
    "CopyStatus": "1 space text, 2 incarnation text, 3 role text, 4 epoch number, 5 promised number,"
                  "6 end_epoch number, 7 end_sequence number, 8 end_crc fixed32, 9 durable number,"
                  "10 commit number, 11 replicated_end number, 12 floors Floors, 13 phase text,"
                  "14 record text, 15 record_at number, 16 trouble text",
    "GetStatusResponse": "1 node NodeHello, 2 copies *CopyStatus",
    "FetchRequest": "1 space text, 2 incarnation text, 3 first number, 4 last number,"
                    "5 cluster text",
    "FetchResponse": "1 records text, 2 floors Floors, 3 last bool",
    # Of the log (log.proto), inside of Answer and CopyStatus.
    "NodeIncarnation": "1 node_id text, 2 incarnation text, 3 name text",
    "StatedLoss": "1 after_epoch number, 2 after_sequence number, 3 why text",
    "EpochStartRecord": "1 epoch number, 2 primary NodeIncarnation, 3 fork_epoch number,"
                        "4 fork_sequence number, 5 in_sync *NodeIncarnation,"
                        "6 voters *NodeIncarnation, 7 stated_loss StatedLoss, 8 at Timestamp",
    # Of the store outside (store.proto).
    "StoredNode": "1 node_id text, 2 incarnation text, 3 replication text",
    "StoredSpace": "1 incarnation text, 2 record text, 3 primary_lease number, 4 resigned bool,"
                   "5 deleted bool",
}


def fields(message, value):
    """(number, name, kind, values) of what is set, in order of numbers."""
    rows = [row.split() for row in SCHEMA[message].split(",") if row]
    assert set(value) <= {name for _, name, _ in rows}, (message, value)
    for number, name, kind in rows:
        if name not in value:
            continue
        yield (int(number), name, kind.lstrip("*"),
               value[name] if kind[0] == "*" else [value[name]], kind[0] == "*")


def raw(text):
    return text if isinstance(text, bytes) else text.encode()


def sized(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def binary(message, value):
    out = b""
    for number, _, kind, values, repeated in fields(message, value):
        if kind == "enum" and repeated:
            out += sized(number, b"".join(varint(ENUMS[one]) for one in values))
            continue
        for one in values:
            if kind in ("number", "bool"):
                out += varint(number << 3) + varint(int(one))
            elif kind == "enum":
                out += varint(number << 3) + varint(ENUMS[one])
            elif kind == "fixed64":
                out += varint(number << 3 | 1) + one.to_bytes(8, "little")
            elif kind == "fixed32":
                out += varint(number << 3 | 5) + one.to_bytes(4, "little")
            else:
                out += sized(number, raw(one) if kind == "text" else binary(kind, one))
    return out


def quoted(text):
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03o}"
                         for b in raw(text)) + '"'


def text(message, value, indent=""):
    out = ""
    for _, name, kind, values, _ in fields(message, value):
        for one in values:
            if kind in SCHEMA:
                inner = text(kind, one, indent + "  ")
                out += f"{indent}{name} {{\n{inner}{indent}}}\n"
            else:
                shown = quoted(one) if kind == "text" else str(one).lower() if kind == "bool" else one
                out += f"{indent}{name}: {shown}\n"
    return out


def write(name, message, value, folder=WIRE):
    with open(os.path.join(folder, name + ".txtpb"), "w", encoding="ascii") as out:
        out.write(f"# proto-message: engram.internal.v1.{message}\n" + text(message, value))
    data = binary(message, value)
    with open(os.path.join(folder, name + ".hex"), "w", encoding="ascii") as out:
        for at in range(0, len(data), 32):
            out.write(data[at:at + 32].hex() + "\n")


def node(name, place):
    return {"cluster": "engram", "name": name, "place": place, "node_id": NODE,
            "incarnation": INCARNATION, "process": 0x1122334455667788, "program_version": "0.2.0",
            "address": f"{name}.example:7402"}


MEMBER = {"node_id": NODE, "incarnation": INCARNATION, "name": "n1"}
FLOORS = {"tombstone": 11, "compaction_epoch": 2, "compaction_sequence": 300}
RECORD = binary("EpochStartRecord", {
    "epoch": 769, "primary": MEMBER, "fork_epoch": 513, "fork_sequence": 41880,
    "in_sync": [MEMBER], "voters": [MEMBER],
    "stated_loss": {"after_epoch": 513, "after_sequence": 41870, "why": "forced"},
    "at": {"seconds": 1773479564, "nanos": 999999999}})

BODIES = {
    "open": {"history": [{"epoch": 257, "first": 1}, {"epoch": 513, "first": 41000}],
             "end_epoch": 513, "end_sequence": 41880, "end_crc": 0xCAFEF00D, "commit": 41870,
             "replicated_end": 41871, "floors": FLOORS, "id": 9,
             "losses": [{"at": 41000, "after_epoch": 257, "after_sequence": 40990}]},
    "entries": {"first": 41881, "last": 41883, "last_crc": 0xCAFEF00D, "commit": 41880,
                "replicated_end": 41879, "end": 41890, "floors": FLOORS},
    "confirm": {"id": 1 << 63},
    "joined": {"end_epoch": 513, "end_sequence": 41880, "end_crc": 0xCAFEF00D, "durable": 41880,
               "visible": 41870, "id": 9, "rewound": 12},
    "ack": {"durable": 41883, "visible": 41880},
    "gap": {"expected": 41881},
    "refused": {"why": "BAD_EPOCH", "promised": 1025, "text": b"not valid UTF-8: \xff"},
    "confirmed": {"id": 1 << 63, "promised": 1025},
    "ask": {"round": 3, "dry_run": True, "handed_over": True},
    "answer": {"round": 3, "granted": True, "has_space": True, "fit": True, "promised": 769,
               "end_epoch": 513, "end_sequence": 41880, "floor": 41870, "record": RECORD,
               "record_at": 41881},
    "hand_over": {"end_epoch": 513, "end_sequence": 41880, "within_ms": 1900},
    "deleted": {},
    "page": {"after": "a", "through": "default", "last": True,
             "spaces": [{"space": "default", "incarnation": SPACE, "end_epoch": 513,
                         "end_sequence": 41880, "end_crc": 0xCAFEF00D, "clean": True}]},
}


def main():
    os.makedirs(WIRE, exist_ok=True)
    os.makedirs(STORE, exist_ok=True)
    spaces = []
    for body, value in BODIES.items():
        space = {"space": "default", "incarnation": SPACE, "epoch": 513, "sender": INCARNATION,
                 body: value}
        if body == "entries":
            space["batch"] = b"header and records"
        if body in ("deleted", "page"):  # of a node, not of a space
            del space["space"]
        write("space_" + body, "SpaceMessage", space)
        spaces.append(space)
    both = ["BATCH_COMPRESSION_ZSTD", "BATCH_COMPRESSION_LZ4"]
    write("stream_hello", "StreamMessage", {"hello": {
        "node": node("n1", 1), "to_name": "n2", "protocol_min": 1, "protocol_max": 2,
        "lane": "LANE_BULK", "nonce": 0x8877665544332211, "compressions": both}})
    write("stream_hello_reply", "StreamMessage", {"hello_reply": {
        "node": node("n2", 2), "protocol_version": 1, "compressions": both[1:]}})
    write("stream_heartbeat", "StreamMessage", {"heartbeat": {}})
    write("stream_spaces", "StreamMessage", {"spaces": spaces})
    write("ship_batch_request", "ShipBatchRequest", {
        "replica_id": "n2", "batch": {"batch_header": b"\x01\x00 of 64 bytes",
                                      "wal_entries": [b"records"]},
        "space": "default", "epoch": 513, "sender": INCARNATION, "cluster": "engram"})
    write("ship_batch_response", "ShipBatchResponse", {
        "applied_sequence": 41883, "committed_at": {"seconds": 1773479564, "nanos": 5},
        "durable_sequence": 41882})
    write("get_status_request", "GetStatusRequest", {
        "space": "default", "identity_only": True, "from": node("n1", 1)})
    write("get_status_response", "GetStatusResponse", {"node": node("n2", 2), "copies": [{
        "space": "default", "incarnation": SPACE, "role": "replica", "epoch": 513, "promised": 769,
        "end_epoch": 513, "end_sequence": 41880, "end_crc": 0xCAFEF00D, "durable": 41880,
        "commit": 41870, "replicated_end": 41871, "floors": FLOORS, "phase": "catching_up",
        "record": RECORD, "record_at": 41881, "trouble": b"disk full: \xff"}]})
    write("fetch_request", "FetchRequest", {
        "space": "default", "incarnation": SPACE, "first": 41000, "last": 41880,
        "cluster": "engram"})
    write("fetch_response", "FetchResponse", {"records": b"\xef\xbe\xad\xde and so on"})
    write("fetch_response_last", "FetchResponse", {"floors": FLOORS, "last": True})
    write("stored_node", "StoredNode", {
        "node_id": NODE, "incarnation": INCARNATION, "replication": "n1.example:7402"}, STORE)
    stored = {"incarnation": SPACE, "record": RECORD, "primary_lease": 4711}
    write("stored_space", "StoredSpace", stored, STORE)
    write("stored_space_resigned", "StoredSpace", stored | {"resigned": True}, STORE)
    write("stored_space_deleted", "StoredSpace", stored | {"deleted": True}, STORE)


if __name__ == "__main__":
    main()
