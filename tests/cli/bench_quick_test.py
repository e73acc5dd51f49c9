"""`sqlbk bench --quick`: all that sqlbk copied under live writers is good. No time is judged."""

from schema import documented_fields, problems
from support import CliTest, main


class Quick(CliTest):
    def test_every_copy_by_sqlbk_is_good(self):
        result = self.run_sqlbk("bench", "--quick", "--json", "--directory", self.private)
        self.assertEqual(result.code, 0, str(result))
        results = result.json
        self.assertEqual(problems(results, documented_fields("bench")), [], str(result))
        tools = {tool["name"]: tool for tool in results["tools"]}
        self.assertEqual(tools["auto"]["unavailable"], "")
        size, = results["sizes"]
        copied = {timing["tool"]: timing["runs"] for timing in size["timings"]}
        self.assertEqual(copied["auto"], 1, size)
        for timing in size["timings"]:
            self.assertFalse(timing["bad"] and tools[timing["tool"]]["promises"], timing)
        self.assertEqual(len(results["loads"]), 4)
        good = 0
        for load in results["loads"]:
            for timing in load["timings"]:
                if not tools[timing["tool"]]["promises"] or timing["source_damaged"]:
                    continue
                bad = timing["torn"] + timing["stale"] + timing["unreadable"]
                self.assertEqual(bad, 0, f"{load['name']}: {timing}")
                good += timing["good"]
        self.assertGreater(good, 0, "without a single copy nothing is proven")


if __name__ == "__main__":
    main()
