"""--opaque: encrypted databases. What SQLite cannot read is copied byte for byte, with the same proof.

An encrypted database is made here from a plain one: every byte of main but those of no page, and the
page part of each WAL frame, is scrambled, and the frames' checksums are made anew, as an encrypting
pager does. Scrambling twice gives the plain database back, so that a copy can be read.
"""

import os
import sqlite3
import struct
import unittest

from support import CliTest, closing, main

PAGE = 4096
FRAME = 24 + PAGE


def scramble(data):
    return bytes(byte ^ 0xA5 for byte in data)


def checksum(state, data, big):
    s0, s1 = state
    words = struct.unpack(f"{'>' if big else '<'}{len(data) // 4}I", data)
    for x0, x1 in zip(words[::2], words[1::2]):
        s0 = (s0 + x0 + s1) & 0xFFFFFFFF
        s1 = (s1 + x1 + s0) & 0xFFFFFFFF
    return s0, s1


def scramble_pages(wal):
    """As a pager that sums the frames before it encrypts them."""
    pages = [wal[at:at + 24] + scramble(wal[at + 24:at + FRAME]) for at in range(32, len(wal), FRAME)]
    return wal[:32] + b"".join(pages)


def scramble_wal(wal):
    """Other pages, right checksums."""
    header = wal[:32]
    big = header[3] & 1 == 1
    state = struct.unpack(">II", header[24:32])
    out = [header]
    for at in range(32, len(wal) - FRAME + 1, FRAME):
        frame, page = wal[at:at + 24], scramble(wal[at + 24:at + FRAME])
        state = checksum(checksum(state, frame[:8], big), page, big)
        out += [frame[:16], struct.pack(">II", *state), page]
    return b"".join(out)


class Opaque(CliTest):
    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)

    def encrypted(self, wal, scrambled=scramble_wal):
        """An encrypted database; with `wal` one whose owner died and left a WAL behind."""
        with closing(sqlite3.connect(self.path("plain.db"), isolation_level=None)) as connection:
            connection.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
            connection.execute("CREATE TABLE t(x)")
            connection.execute("INSERT INTO t VALUES(1)")
            self.write("app.db", scramble(self.read("plain.db")))
            if wal:
                self.write("app.db-wal", scrambled(self.read("plain.db-wal")))
        os.unlink(self.path("plain.db"))

    def check_readable(self, name):
        """Decrypted, the copy holds what the source held."""
        self.write("read.db", scramble(self.read(name)))
        if os.path.exists(self.path(name + "-wal")):
            self.write("read.db-wal", scramble_wal(self.read(name + "-wal")))
        with closing(sqlite3.connect(self.path("read.db"))) as connection:
            self.assertEqual(connection.execute("SELECT x FROM t").fetchall(), [(1,)])
            self.assertEqual(connection.execute("PRAGMA integrity_check").fetchone(), ("ok",))

    def test_without_it_the_hint_names_it(self):
        self.encrypted(wal=False)
        self.refused(6, "not_a_database", "app.db", "app.db", "copy.db")
        self.assertIn(b"--opaque", self.run_sqlbk("copy", "app.db", "copy.db").err)

    def test_byte_for_byte(self):
        self.encrypted(wal=False)
        for strategy in ("auto", "lock", "retry-verify", "plain"):
            with self.subTest(strategy):
                report = self.copy_json("--opaque", "--strategy", strategy, "app.db", "copy.db")
                self.assertEqual(report["verdict"], "snapshot" if strategy == "lock" else "at-rest")
                self.assertEqual(self.read("copy.db"), self.read("app.db"))
                self.assertFalse(os.path.exists(self.path("copy.db-wal")))
                os.unlink(self.path("copy.db"))
        self.copy("--opaque", "app.db", "copy.db")
        self.check_readable("copy.db")

    def test_the_wal_is_cut_to_its_last_commit(self):
        self.encrypted(wal=True)
        whole = self.read("app.db-wal")
        self.write("app.db-wal", whole + whole[32:32 + FRAME])  # no continuation of the chain
        report = self.copy_json("--opaque", "app.db", "copy.db")
        self.assertEqual(report["wal_size_bytes"], len(whole))
        self.assertEqual(self.read("copy.db"), self.read("app.db"))
        self.assertEqual(self.read("copy.db-wal"), whole)
        self.check_readable("copy.db")

    def test_a_wal_without_a_commit_is_left_behind(self):
        self.encrypted(wal=True)
        self.write("app.db-wal", self.read("app.db-wal")[:32])
        self.copy("--opaque", "app.db", "copy.db")
        self.assertEqual(self.read("copy.db"), self.read("app.db"))
        self.assertFalse(os.path.exists(self.path("copy.db-wal")))

    def test_a_wal_whose_checksums_say_nothing_is_not_taken_for_empty(self):
        for scrambled in (scramble, scramble_pages):
            self.encrypted(wal=True, scrambled=scrambled)
            self.write("app.db-shm", bytes(32768))  # a dead owner's, which lock needs
            for strategy in ("auto", "lock", "retry-verify", "plain"):
                with self.subTest(f"{scrambled.__name__} {strategy}"):
                    self.refused(4, "frames_without_checksum", "app.db", "--opaque", "--strategy", strategy,
                                 "app.db", "copy.db")

    def test_a_journal_of_which_only_the_first_byte_is_zero(self):
        self.encrypted(wal=False)
        self.write("app.db-journal", b"\0" + scramble(bytes(511)))
        for strategy in ("auto", "lock", "retry-verify", "plain"):
            with self.subTest(strategy):
                self.refused(4, "source_changed", "app.db", "--opaque", "--copy-retry", "2",
                             "--strategy", strategy, "app.db", "copy.db")
        # As journal_mode=PERSIST leaves it, and as it is before it is first synced.
        for zeros in (28, 12):
            self.write("app.db-journal", bytes(zeros) + scramble(bytes(512 - zeros)))
            self.copy("--opaque", "app.db", "copy.db")
            os.unlink(self.path("copy.db"))

    def test_a_frame_that_was_overwritten_by_an_unfinished_transaction(self):
        """The others say that the checksums are over what lies there, and that nothing is committed."""
        self.encrypted(wal=True)
        wal = self.read("app.db-wal")
        self.assertGreaterEqual(len(wal), 32 + 2 * FRAME)
        self.write("app.db-wal", wal[:32 + 24] + bytes(PAGE) + wal[32 + FRAME:])
        self.copy("--opaque", "app.db", "copy.db")
        self.assertEqual(self.read("copy.db"), self.read("app.db"))
        self.assertFalse(os.path.exists(self.path("copy.db-wal")))

    def test_a_size_that_no_database_has(self):
        self.write("app.db", b"x" * 1000)
        self.refused(6, "not_a_database", "app.db", "--opaque", "app.db", "copy.db")

    def test_a_hot_journal_cannot_be_rolled_back(self):
        self.encrypted(wal=False)
        self.write("app.db-journal", bytes.fromhex("d9d505f920a163d7") + bytes(504))
        self.refused(4, "unsuitable", "app.db", "--opaque", "--strategy", "plain", "app.db", "copy.db")

    def test_what_reads_content_is_refused_by_name(self):
        self.encrypted(wal=False)
        for arguments, name in ((("--then", "integrity_check"), "integrity_check"),
                                (("--then", "journal_mode=wal"), "journal_mode"),
                                (("--strategy", "snapshot"), "snapshot"),
                                (("--strategy", "follow"), "follow"),
                                (("--strategy", "online"), "online"),
                                (("--journal-mode", "delete"), "--journal-mode"),
                                (("--wal-checkpoint",), "--wal-checkpoint")):
            with self.subTest(name):
                self.refused(2, "usage", name, "--opaque", *arguments, "app.db", "copy.db")

    def test_beside_a_live_owner(self):
        """In clear text, so that SQLite can own it; that changes nothing for --opaque."""
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, 'new')")
        for strategy in ("auto", "lock", "retry-verify"):
            with self.subTest(strategy):
                self.copy("--opaque", "--strategy", strategy, "app.db", "copy.db")
                with closing(sqlite3.connect(self.path("copy.db"))) as connection:
                    self.assertEqual(connection.execute("SELECT count(*) FROM t").fetchone(), (101,))
                os.unlink(self.path("copy.db"))


if __name__ == "__main__":
    main()
