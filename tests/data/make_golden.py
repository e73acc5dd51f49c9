#!/usr/bin/env python3
"""Makes the golden files of this directory with SQLite itself, and golden_values.hpp from them.

    tests/data/make_golden.py [--check]

--check makes everything in a scratch directory and reports files that differ from the committed
ones. SQLite's random numbers (salts, nonces, names) are seeded, so that the same SQLite version
makes the same bytes again; another version writes at least its number at offset 96 and, from
3.50.0 on, no zero-salt frames. The committed files come from SQLite 3.40.1.

golden_values.hpp is what the tests expect. It is read from the files by the struct calls below and
from SQLite's own answers, never by sqlbk's readers: two implementations must agree.

The readers of another process's files here are `cp` children: an open and close of a database by
this process would drop the locks of its own SQLite connections.
"""

import argparse
import ctypes
import os
import shutil
import sqlite3
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# A super-journal's name holds the full path of the database, so the place must not vary.
WORK = "/tmp/sqlbk-golden"
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")

libsqlite3 = ctypes.CDLL("libsqlite3.so.0")


class Vfs(ctypes.Structure):
    """sqlite3_vfs as far as xSetSystemCall and xGetSystemCall (version 3)."""

    _fields_ = [
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("max_pathname", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("app_data", ctypes.c_void_p),
        *[(name, ctypes.c_void_p) for name in (
            "open", "delete", "access", "full_pathname", "dl_open", "dl_error", "dl_sym",
            "dl_close", "randomness", "sleep", "current_time", "last_error",
            "current_time_int64")],
        ("set_system_call", ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)),
        ("get_system_call", ctypes.CFUNCTYPE(
            ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)),
    ]


def seed(number):
    """SQLITE_TESTCTRL_PRNG_SEED: the random numbers start anew from `number`."""
    libsqlite3.sqlite3_test_control(28, ctypes.c_int(number), ctypes.c_void_p(None))


def connect(name):
    return sqlite3.connect(os.path.join(WORK, name), isolation_level=None)


def run(db, *statements):
    for statement in statements:
        db.execute(statement).fetchall()


def keep(out, *names):
    """Copies files as they are on disk at this moment."""
    for name in names:
        subprocess.run(["cp", "--", os.path.join(WORK, name), os.path.join(out, name)], check=True)


def rollback(out):
    """rollback.db: journal_mode DELETE, and every header field away from its default."""
    seed(1)
    db = connect("rollback.db")
    run(db, "PRAGMA page_size=1024", "PRAGMA encoding='UTF-16le'", "PRAGMA auto_vacuum=2",
        "PRAGMA application_id=0x53514c42", "PRAGMA user_version=41",
        "CREATE TABLE a(k INTEGER PRIMARY KEY, v)", "INSERT INTO a VALUES(1,'one'),(2,'two')",
        "CREATE INDEX b ON a(v)", "UPDATE a SET v='three' WHERE k=2")
    db.close()
    keep(out, "rollback.db")


def wal(out):
    """wal.db, -wal, -shm: the second generation of a WAL, four transactions, the first two
    backfilled under a reader that stands after the second."""
    seed(2)
    db = connect("wal.db")
    run(db, "PRAGMA page_size=1024", "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0",
        "CREATE TABLE a(k INTEGER PRIMARY KEY, v)",
        "INSERT INTO a SELECT value, zeroblob(400) FROM json_each('[1,2,3,4,5,6,7,8]')",
        "PRAGMA wal_checkpoint(RESTART)",
        "UPDATE a SET v=randomblob(400) WHERE k=1", "UPDATE a SET v=randomblob(400) WHERE k=5")
    reader = connect("wal.db")
    run(reader, "BEGIN", "SELECT count(*) FROM a")
    run(db, "UPDATE a SET v=randomblob(400) WHERE k=8",
        "INSERT INTO a VALUES(9,randomblob(3000))", "PRAGMA wal_checkpoint(PASSIVE)")
    keep(out, "wal.db", "wal.db-wal", "wal.db-shm")
    answer = live_frames(db)
    reader.close()
    db.close()
    return answer


def spilled(out):
    """spilled.db, -wal, -shm: a committed transaction, then the frames that an open one spilled
    because its cache is too small."""
    seed(3)
    db = connect("spilled.db")
    run(db, "PRAGMA page_size=512", "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0",
        "CREATE TABLE a(k INTEGER PRIMARY KEY, v)",
        "INSERT INTO a SELECT value, zeroblob(300) FROM json_each("
        "'[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]')",
        "PRAGMA cache_size=5", "BEGIN", "UPDATE a SET v=randomblob(300)")
    keep(out, "spilled.db", "spilled.db-wal", "spilled.db-shm")
    run(db, "ROLLBACK")
    answer = live_frames(db)
    db.close()
    return answer


def zerosalt(out):
    """zerosalt.db, -wal, -shm: committed frames without salt and checksum. A transaction larger
    than its cache overwrites its own frames and rolls back to a savepoint; SQLite before 3.50
    then commits without summing the frames that it wrote in between."""
    seed(4)
    db = connect("zerosalt.db")
    run(db, "PRAGMA page_size=512", "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0",
        "CREATE TABLE a(id INTEGER PRIMARY KEY, v, pad)")
    run(db, "BEGIN")
    for row in range(1, 41):
        db.execute("INSERT INTO a VALUES(?,1,zeroblob(400))", (row,))
    run(db, "COMMIT", "PRAGMA wal_checkpoint(RESTART)", "PRAGMA cache_size=10",
        "UPDATE a SET v=2 WHERE id=1",
        "BEGIN", "SAVEPOINT s", "UPDATE a SET v=3", "UPDATE a SET v=4 WHERE id>30",
        "ROLLBACK TO s", "RELEASE s", "UPDATE a SET v=7 WHERE id=40", "COMMIT")
    keep(out, "zerosalt.db", "zerosalt.db-wal", "zerosalt.db-shm")
    answer = live_frames(db)
    db.close()
    return answer


def spill_into_main(name, synchronous):
    """A transaction that has written pages of the main file before it commits."""
    db = connect(name)
    run(db, "PRAGMA page_size=1024", "PRAGMA synchronous=" + synchronous,
        "CREATE TABLE a(k INTEGER PRIMARY KEY, v)",
        "INSERT INTO a SELECT value, zeroblob(700) FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12]')",
        "PRAGMA cache_size=5", "BEGIN", "UPDATE a SET v=randomblob(700)",
        "INSERT INTO a SELECT k+100, v FROM a")
    return db


def hot(out):
    """hot.db, -journal: synchronous=FULL, so the record count was written when the journal was
    synced."""
    seed(5)
    db = spill_into_main("hot.db", "FULL")
    keep(out, "hot.db", "hot.db-journal")
    run(db, "ROLLBACK")
    db.close()


def nosync(out):
    """nosync.db, -journal: synchronous=OFF, so the record count is 0xffffffff from the start."""
    seed(6)
    db = spill_into_main("nosync.db", "OFF")
    keep(out, "nosync.db", "nosync.db-journal")
    run(db, "ROLLBACK")
    db.close()


def persist(out):
    """persist.db, -journal: journal_mode PERSIST after a commit, the first 28 bytes zeroed."""
    seed(7)
    db = connect("persist.db")
    run(db, "PRAGMA page_size=512", "PRAGMA journal_mode=PERSIST",
        "CREATE TABLE a(k INTEGER PRIMARY KEY, v)", "INSERT INTO a VALUES(1,'one')",
        "UPDATE a SET v='two'")
    keep(out, "persist.db", "persist.db-journal")
    db.close()


def superjournal(out):
    """super.db, super-aux.db and their journals: one transaction over both, copied at the unlink
    that would have committed it (SQLite's system call table, xSetSystemCall)."""
    seed(8)
    db = connect("super.db")
    run(db, "PRAGMA page_size=1024", "CREATE TABLE a(k INTEGER PRIMARY KEY, v)",
        "ATTACH '%s/super-aux.db' AS aux1" % WORK, "PRAGMA aux1.page_size=512",
        "CREATE TABLE aux1.b(k INTEGER PRIMARY KEY, v)")
    libsqlite3.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
    vfs = libsqlite3.sqlite3_vfs_find(None)
    signature = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p)
    real_unlink = signature(vfs.contents.get_system_call(vfs, b"unlink"))
    names = []

    def unlink(path):
        if b"-mj" in path:
            names.append(path.decode())
            keep(out, "super.db", "super.db-journal", "super-aux.db", "super-aux.db-journal")
        return real_unlink(path)

    hook = signature(unlink)
    vfs.contents.set_system_call(vfs, b"unlink", ctypes.cast(hook, ctypes.c_void_p))
    try:
        run(db, "BEGIN", "INSERT INTO a VALUES(1,'one')", "INSERT INTO b VALUES(1,'one')",
            "COMMIT")
    finally:
        vfs.contents.set_system_call(vfs, b"unlink", None)
    db.close()
    assert len(names) == 1, names
    return names[0]


def live_frames(db):
    """mxFrame as SQLite says it, asked after the files were copied."""
    return db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]


def recovered_frames(out, name):
    """mxFrame of SQLite's own recovery: main and -wal without the -shm."""
    place = os.path.join(WORK, "recover")
    os.mkdir(place)
    for suffix in ("", "-wal"):
        shutil.copy(os.path.join(out, name + suffix), place)
    db = sqlite3.connect(os.path.join(place, name), isolation_level=None)
    run(db, "PRAGMA wal_autocheckpoint=0", "SELECT * FROM sqlite_schema")
    answer = live_frames(db)
    db.close()
    shutil.rmtree(place)
    return answer


def read(out, name):
    with open(os.path.join(out, name), "rb") as file:
        return file.read()


def checksum(sums, data, order):
    """The checksum of the file format document, section 4.2, as it is written there."""
    s0, s1 = sums
    words = struct.unpack(order + "%dI" % (len(data) // 4), data)
    for first, second in zip(words[0::2], words[1::2]):
        s0 = (s0 + first + s1) % 2**32
        s1 = (s1 + second + s0) % 2**32
    return s0, s1


def db_value(out, name):
    data = read(out, name)
    assert data[:16] == b"SQLite format 3\0"
    page_size, write, read_version, reserved = struct.unpack(">HBBB", data[16:21])
    counter, pages = struct.unpack(">II", data[24:32])
    free, cookie, schema_format = struct.unpack(">III", data[36:48])
    vacuum, encoding, user, incremental, application = struct.unpack(">5I", data[52:72])
    valid_for, version = struct.unpack(">II", data[92:100])
    return ('    {.name = "%s", .file_size_bytes = %d, .page_size_bytes = %d, .write_version = %d, '
            ".read_version = %d, .reserved_bytes = %d, .change_counter = %d, .size_pages = %d, "
            ".freelist_pages = %d, .schema_cookie = %d, .schema_format = %d, "
            ".auto_vacuum_root = %d, .text_encoding = %d, "
            ".user_version = %d, .incremental_vacuum = %d, .application_id = 0x%08x, "
            ".version_valid_for = %d, .sqlite_version = %d},\n"
            % (name, len(data), 65536 if page_size == 1 else page_size, write, read_version,
               reserved, counter, pages, free, cookie, schema_format, vacuum, encoding, user,
               incremental, application, valid_for, version))


def wal_value(out, name, live):
    data = read(out, name + "-wal")
    magic, version, page_size, sequence, salt1, salt2, s0, s1 = struct.unpack(">8I", data[:32])
    assert magic in (0x377F0682, 0x377F0683) and version == 3007000
    order = "<>"[magic & 1]
    assert checksum((0, 0), data[:24], order) == (s0, s1)
    frames = []
    chain, broken, valid, committed, pages = (s0, s1), False, 0, 0, 0
    step = 24 + page_size
    for offset in range(32, len(data) - step + 1, step):
        frame = struct.unpack(">6I", data[offset:offset + 24])
        frames.append(frame)
        sums = checksum(chain, data[offset:offset + 8], order)
        sums = checksum(sums, data[offset + 24:offset + step], order)
        broken = (broken or frame[0] == 0 or frame[2:4] != (salt1, salt2) or frame[4:6] != sums)
        if not broken:
            chain = sums
            valid += 1
            if frame[1]:
                committed, pages = valid, frame[1]
    recovered = recovered_frames(out, name)
    assert recovered == committed, (recovered, committed)
    ident = "k%sFrames" % name.split(".")[0].capitalize()
    text = "inline constexpr Frame %s[] = {\n" % ident
    for frame in frames:
        text += "    {%d, %d, 0x%08x, 0x%08x, 0x%08x, 0x%08x},\n" % frame
    text += "};\n"
    row = ('    {.name = "%s", .file_size_bytes = %d, .page_size_bytes = %d, .sequence = %d, '
           ".salt1 = 0x%08x, .salt2 = 0x%08x, .s0 = 0x%08x, .s1 = 0x%08x, .frames = %s, "
           ".valid_frames = %d, .committed_frames = %d, .committed_pages = %d, "
           ".live_mx_frame = %d},\n"
           % (name, len(data), page_size, sequence, salt1, salt2, s0, s1, ident, valid, committed,
              pages, live))
    return text, row


def shm_value(out, name):
    data = read(out, name + "-shm")
    order = "<" if sys.byteorder == "little" else ">"
    assert data[:48] == data[48:96]
    version, _, change, init, big, page_size, mx_frame, pages, f0, f1 = struct.unpack(
        order + "IIIBBHIIII", data[:32])
    assert version == 3007000 and init == 1
    salt1, salt2 = struct.unpack(">II", data[32:40])
    assert checksum((0, 0), data[:40], order) == struct.unpack(order + "II", data[40:48])
    backfill, *marks = struct.unpack(order + "6I", data[96:120])
    attempted, = struct.unpack(order + "I", data[128:132])
    return ('    {.name = "%s", .change_counter = %d, .big_endian_checksum = %s, '
            ".page_size_bytes = %d, .mx_frame = %d, .size_pages = %d, .frame_s0 = 0x%08x, "
            ".frame_s1 = 0x%08x, .salt1 = 0x%08x, .salt2 = 0x%08x, .backfilled_frames = %d, "
            ".read_marks = {%s}, .backfill_attempted_frames = %d},\n"
            % (name, change, "true" if big else "false",
               (page_size & 0xFE00) + ((page_size & 1) << 16), mx_frame, pages, f0, f1, salt1,
               salt2, backfill, ", ".join("0x%xU" % mark for mark in marks), attempted))


def journal_value(out, name, super_name):
    data = read(out, name + "-journal")
    active = data[0] != 0
    if active:
        assert data[:8] == JOURNAL_MAGIC
    count, nonce, pages, sector, page_size = struct.unpack(">5I", data[8:28])
    if super_name:
        length, total, magic = struct.unpack(">II8s", data[-16:])
        assert magic == JOURNAL_MAGIC and length == len(super_name)
        assert data[-16 - length:-16].decode() == super_name
        assert total == sum(super_name.encode())
    return ('    {.name = "%s", .file_size_bytes = %d, .active = %s, .record_count = 0x%x, '
            ".nonce = 0x%08x, .initial_size_pages = %d, .sector_size_bytes = %d, "
            '.page_size_bytes = %d, .super_journal = "%s"},\n'
            % (name, len(data), "true" if active else "false", count, nonce, pages, sector,
               page_size, super_name))


PROLOGUE = """\
// Made by make_golden.py with SQLite %s; do not edit. What its own reading of the golden files
// and SQLite's answers say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace golden {

struct Db {
  const char* name;
  std::size_t file_size_bytes;
  std::uint32_t page_size_bytes;
  std::uint8_t write_version, read_version, reserved_bytes;
  std::uint32_t change_counter, size_pages, freelist_pages, schema_cookie, schema_format,
      auto_vacuum_root, text_encoding, user_version, incremental_vacuum, application_id,
      version_valid_for, sqlite_version;
};

struct Frame {
  std::uint32_t page_number, commit_size_pages, salt1, salt2, s0, s1;
};

struct Wal {
  const char* name;
  std::size_t file_size_bytes;
  std::uint32_t page_size_bytes, sequence, salt1, salt2, s0, s1;
  std::span<const Frame> frames;
  std::uint32_t valid_frames, committed_frames, committed_pages;
  std::uint32_t live_mx_frame;  // what the connection that wrote it saw
};

struct Shm {
  const char* name;
  std::uint32_t change_counter;
  bool big_endian_checksum;
  std::uint32_t page_size_bytes, mx_frame, size_pages, frame_s0, frame_s1, salt1, salt2,
      backfilled_frames;
  std::uint32_t read_marks[5];
  std::uint32_t backfill_attempted_frames;
};

struct Journal {
  const char* name;
  std::size_t file_size_bytes;
  bool active;
  std::uint32_t record_count, nonce, initial_size_pages, sector_size_bytes, page_size_bytes;
  const char* super_journal;
};

"""


def table(kind, name, rows):
    return "inline constexpr %s %s[] = {\n%s};\n\n" % (kind, name, "".join(rows))


def make(out):
    os.mkdir(WORK, 0o700)
    try:
        rollback(out)
        live = {"wal.db": wal(out), "spilled.db": spilled(out), "zerosalt.db": zerosalt(out)}
        hot(out)
        nosync(out)
        persist(out)
        super_name = superjournal(out)
        databases = ["rollback.db", "wal.db", "spilled.db", "zerosalt.db", "hot.db", "nosync.db",
                     "persist.db", "super.db", "super-aux.db"]
        wals = [wal_value(out, name, frames) for name, frames in live.items()]
        text = PROLOGUE % sqlite3.sqlite_version
        text += table("Db", "kDatabases", [db_value(out, name) for name in databases])
        text += "".join(frames for frames, _ in wals) + "\n"
        text += table("Wal", "kWals", [row for _, row in wals])
        text += table("Shm", "kWalIndexes", [shm_value(out, name) for name in live])
        text += table("Journal", "kJournals", [
            journal_value(out, name, "") for name in ("hot.db", "nosync.db", "persist.db")] + [
            journal_value(out, name, super_name) for name in ("super.db", "super-aux.db")])
        text += "}  // namespace golden\n"
        with open(os.path.join(out, "golden_values.hpp"), "w", encoding="ascii") as file:
            file.write(text)
    finally:
        shutil.rmtree(WORK)
    subprocess.run(["clang-format", "-i", "--style=file:" + os.path.join(
        HERE, "..", "..", ".clang-format"), os.path.join(out, "golden_values.hpp")], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true",
                        help="change nothing, report what would differ")
    if not parser.parse_args().check:
        make(HERE)
        return 0
    scratch = WORK + "-check"
    os.mkdir(scratch, 0o700)
    try:
        make(scratch)
        differing = [name for name in sorted(os.listdir(scratch))
                     if not os.path.exists(os.path.join(HERE, name))
                     or read(scratch, name) != read(HERE, name)]
    finally:
        shutil.rmtree(scratch)
    print("\n".join(differing) if differing else "all the same")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
