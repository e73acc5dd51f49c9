"""Every SQLite file of a running Firefox's profile, copied while it browses.

Firefox opens its databases by the VFS unix-excl: from the first read on it holds a write lock on all
of SHARED, in rollback mode, too, and never RESERVED or PENDING.
"""

import os
import shutil
import unittest

from browser_profile import RunningBrowser

FIREFOX = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
# In rollback mode, and idle most of the time.
QUIET = ("permissions.sqlite", "content-prefs.sqlite", "storage.sqlite")
PREFERENCES = """\
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
"""


@unittest.skipUnless(FIREFOX, "firefox is not installed")
class FirefoxProfile(RunningBrowser):
    def command(self, profile, url):
        with open(os.path.join(profile, "user.js"), "w", encoding="ascii") as file:
            file.write(PREFERENCES)
        return ["env", f"HOME={self.base}", FIREFOX, "--headless", "--no-remote", "--profile",
                profile, url]

    def test_every_database_is_copied_while_it_browses(self):
        outcomes = self.copy_all_while_it_browses()
        for name in ("places.sqlite", "cookies.sqlite", *QUIET):
            self.assertIn(name, outcomes)
        # Nothing changes for as long as it runs: what is refused once is refused always.
        for name in QUIET:
            self.assertEqual([result for result in outcomes[name] if result.startswith("refused")],
                             [], name)
        self.check_databases_of_the_browser()


if __name__ == "__main__":
    from support import main
    main()
