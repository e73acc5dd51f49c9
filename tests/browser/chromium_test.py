"""Every SQLite file of a running Chromium's profile, copied while it browses."""

import re
import shutil
import unittest

from browser_profile import RunningBrowser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)
DATABASE_ERROR = re.compile(
    r"sqlite.*(error|corrupt|busy|locked)|database (disk image|is locked|error)|SQLITE_", re.I)


@unittest.skipUnless(CHROMIUM, "chromium is not installed")
class ChromiumProfile(RunningBrowser):
    def command(self, profile, url):
        return [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--disable-dev-shm-usage", "--remote-debugging-port=0", "--enable-logging=stderr",
                f"--user-data-dir={profile}", url]

    def test_every_database_is_copied_while_it_browses(self):
        outcomes = self.copy_all_while_it_browses()
        self.assertIn("Default/History", outcomes)
        self.assertIn("Default/Cookies", outcomes)
        self.check_databases_of_the_browser()
        # It has had no database error of its own.
        with open(self.log, encoding="utf-8", errors="replace") as log:
            errors = [line for line in log if DATABASE_ERROR.search(line)]
        self.assertEqual(errors, [])


if __name__ == "__main__":
    from support import main
    main()
