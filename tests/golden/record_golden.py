#!/usr/bin/env python3
"""Writes the golden bytes of entries, local records and batches beside this file.

An independent second implementation of docs/wal-format.md: run it only to add a case, never to make
a failing test pass. Formats that were once released do not change.
"""
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
MAGIC = 0xDEADBEEF


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def entry(sequence, timestamp, kind, payload, epoch, chain):
    front = struct.pack("<IQQIII", MAGIC, sequence, timestamp, kind, len(payload), crc32c(payload))
    back = struct.pack("<QIQ", epoch, chain, 0)
    header_crc = crc32c(front + back)
    return front + struct.pack("<I", header_crc) + back + bytes(8) + payload, header_crc


def batch(records, sent, compression):
    head = struct.pack("<H16s16sQIQBI5s", 1, NODE, INCARNATION, 2, 1, len(records), compression, 0,
                       bytes(5))
    return head[:55] + struct.pack("<I", crc32c(head + sent)) + head[59:] + sent


def zstd_run(data, run):
    """RFC 8878: single segment, one byte of content size; `run` equal bytes end the data."""
    front = data[:-run]
    block = lambda last, kind, size: struct.pack("<I", size << 3 | kind << 1 | last)[:3]
    return (struct.pack("<IBB", 0xFD2FB528, 0x20, len(data)) + block(0, 0, len(front)) + front +
            block(1, 1, run) + data[-1:])


def lz4_run(data, run):
    """lz4's block format: a match of distance 1 repeats the last literal; 5 literals end it."""
    def rest(length):  # beyond 15 in the token
        return bytes([255] * (length // 255) + [length % 255])
    front, match = data[:len(data) - run + 1], run - 1 - 5
    return (b"\xff" + rest(len(front) - 15) + front + struct.pack("<H", 1) +
            rest(match - 4 - 15) + bytes([5 << 4]) + data[-5:])


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value) if value else b""


def fixed64(field, value):
    return varint(field << 3 | 1) + struct.pack("<Q", value) if value else b""


def fixed32(field, value):
    return varint(field << 3 | 5) + struct.pack("<I", value) if value else b""


def blob(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value if value else b""


def write(name, comment, data):
    with open(os.path.join(HERE, name + ".hex"), "w", encoding="ascii") as out:
        out.write(f"# {comment}\n")
        for at in range(0, len(data), 32):
            out.write(data[at:at + 32].hex() + "\n")


INCARNATION = bytes(range(16))
NODE = bytes(range(16, 32))
T = 1_750_000_000_000_000_000


def meta_slot(counter, body):
    front = struct.pack("<IIQI", 0x4D474E45, 1, counter, len(body))
    return front + struct.pack("<I", crc32c(front + body)) + body


def index_file(nonce, size, last, points):
    front = struct.pack("<IIQQQQII", 0x58444E45, 1, nonce, size, *last, len(points))
    body = b"".join(struct.pack("<QQ", *point) for point in points)
    return front + struct.pack("<I", crc32c(front + body)) + body


def main():
    first, first_crc = entry(1, T, 7, b"epoch start", 3, 0)
    second, second_crc = entry(2, T + 1, 1, b"an episode", 3, first_crc)
    write("entry_first", "sequence 1, EpochStart, epoch 3, chain 0, payload 'epoch start'", first)
    write("entry_second", "sequence 2, EpisodeStore, chained to entry_first", second)
    write("entry_empty", "sequence 9, MemoryDelete, empty payload, chain 0x01020304",
          entry(9, 0, 3, b"", 1, 0x01020304)[0])
    # With epoch and chain zero the header is the one that earlier logs had.
    write("entry_seed", "sequence 7, EpisodeStore, epoch and chain zero",
          entry(7, T, 1, b"seed", 0, 0)[0])
    segment = (number(1, 1) + blob(2, b"engram") + blob(3, b"default") + blob(4, INCARNATION) +
               fixed64(5, 0x1122334455667788) + number(6, 42) + number(7, 3) + number(8, 41) +
               fixed32(9, 0xCAFEF00D))
    write("segment_header", "SegmentHeader at sequence 42 after (3, 41, cafef00d)",
          entry(0, T, 8, segment, 0, 0)[0])
    mark = fixed64(1, 0x1122334455667788) + fixed64(2, 4096) + fixed64(3, 41)
    write("sync_mark", "SyncMark: synced through 4096, commit 41", entry(0, T, 10, mark, 0, 0)[0])
    hole_payload = number(1, 3) + number(2, 9) + number(3, 3) + fixed32(4, 0xCAFEF00D)
    hole, _ = entry(0, T, 9, hole_payload, 0, 0)
    write("hole", "Hole 3-9, last entry (3, 9, cafef00d)", hole)
    marker = number(1, 1) + number(2, 9) + number(3, 2) + number(4, 777) + fixed64(5, 5) + \
        fixed64(6, 6)
    write("compaction_marker", "CompactionMarker 1-9, 2 kept, 777 bytes, digest 5 6",
          entry(0, T, 6, marker, 0, 0)[0])
    checkpoint = number(1, 1) + number(2, 9) + fixed64(3, 5) + fixed64(4, 6)
    write("checkpoint", "Checkpoint at 10 over 1-9, digest 5 6, epoch 3, chain cafef00d",
          entry(10, T, 5, checkpoint, 3, 0xCAFEF00D)[0])
    records = second + hole
    head = struct.pack("<H16s16sQIQBI5s", 1, NODE, INCARNATION, 2, 2, len(records), 0, 0, bytes(5))
    crc = crc32c(head + records)
    head = head[:55] + struct.pack("<I", crc) + head[59:]
    write("batch", "batch from 2: entry_second, hole; uncompressed", head + records)
    run = 150
    text = entry(2, T, 1, b"an episod" + b"e" * run, 1, 0)[0]
    write("batch_text", "batch of one entry, which ends with 150 times 'e'", batch(text, text, 0))
    write("batch_zstd", "the same: a zstd frame of a raw block and a run",
          batch(text, zstd_run(text, run), 1))
    write("batch_lz4", "the same: an lz4 block of literals, one match, 5 literals",
          batch(text, lz4_run(text, run), 2))

    body = (INCARNATION + struct.pack("<QBQQQ", 5, 1, 40, 3, 41) + b"\x01" +
            struct.pack("<QQQQI", 1, 4096, 3, 42, 0xCAFEF00D) +
            struct.pack("<QQQQQ", 7, 2, 30, 1, 6) + struct.pack("<I", 2) +
            struct.pack("<QQQQ", 1, 1, 3, 20))
    write("space_meta_slot", "slot of space.meta, counter 9: every field in use, two epochs",
          meta_slot(9, body))
    write("sparse_index", "index of a segment of 9,999 bytes ending with (3, 42, cafef00d)",
          index_file(0x1122334455667788, 9999, (3, 42, 0xCAFEF00D), [(1, 200), (20, 4300)]))


if __name__ == "__main__":
    main()
