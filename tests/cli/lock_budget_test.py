"""--lock-budget holds while the copy is stuck in a system call: nothing ticks, and the lock is let go
of all the same. The owner's answer comes while the copy is still held."""

import time

from support import CliTest, main, rows

BUDGET_S = 0.3
# Where each strategy is held: it moves bytes, and holds its lock.
STUCK = (("lock+range", "copy_file_range"), ("lock+plain", "pwrite"),
         ("snapshot+range", "copy_file_range"), ("snapshot+plain", "pwrite"))


class Stuck(CliTest):
    def waiting_owner(self, name, wal):
        """With what it is to do next, which waits for readers."""
        self.make_database(name, wal=wal)
        owner = self.owner(name)
        # Far more than the budget, so that it fails only where the lock is never let go of.
        owner.run("PRAGMA busy_timeout=20000", "PRAGMA wal_autocheckpoint=0",
                  "INSERT INTO t VALUES(1000, x'01')")
        return owner, "PRAGMA wal_checkpoint(TRUNCATE)" if wal else "DELETE FROM t WHERE id = 1000"

    def held_copy(self, name, strategy, call):
        gate = self.gate(call)
        gate.hold("copy", "--json", "--lock-budget", f"{int(BUDGET_S * 1000)}ms", "--strategy",
                  strategy, name, "x.db")
        return gate

    def wait_for_it(self, owner, sql):
        began = time.monotonic()
        answer = owner.run(sql)
        print(f"# the owner waited {time.monotonic() - began:.3f} s", flush=True)
        return answer

    def test_in_a_copy_that_fails(self):
        for wal in (False, True):
            for strategy, call in STUCK:
                with self.subTest(strategy, wal=wal):
                    name = f"{strategy}-{wal}.db"
                    owner, sql = self.waiting_owner(name, wal)
                    gate = self.held_copy(name, strategy, call)
                    answer = self.wait_for_it(owner, sql)
                    if wal:
                        self.assertEqual(answer[0][0], 0, "the checkpoint was refused")
                    result = gate.open()
                    self.assertEqual(result.code, 4, str(result))
                    self.assertEqual(result.json["error"]["code"], "lock_budget_exceeded")
                    self.assert_no_trace("x.db")
                    owner.close()

    def test_auto_finds_another_way(self):
        owner, sql = self.waiting_owner("app.db", wal=True)
        gate = self.gate("copy_file_range")
        gate.hold("copy", "--json", "--lock-budget", "300ms", "app.db", "x.db")
        self.assertEqual(self.wait_for_it(owner, sql)[0][0], 0)
        result = gate.open()
        self.assertEqual(result.code, 0, str(result))
        self.assertNotIn("lock", result.json["strategy"])
        self.check_copy("x.db", rows(100) + [(1000, b"\x01")])


if __name__ == "__main__":
    main()
