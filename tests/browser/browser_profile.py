"""What the tests of running browsers share: pages that fill a profile's stores, and copies of every
SQLite file in it, again and again."""

import contextlib
import http.server
import json
import os
import signal
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

SQLBK = os.environ["SQLBK"]
SECONDS = float(os.environ.get("SQLBK_BROWSE_SECONDS", "20"))

PAGE = """<!doctype html><title>page {number}</title><link rel=icon href=/icon.png>
<p>page {number}<script>
document.cookie = 'seen{number}=' + 'x'.repeat(200) + '; max-age=86400';
localStorage.setItem('page{number}', 'y'.repeat(500));
const request = indexedDB.open('store', 1);
request.onupgradeneeded = () => request.result.createObjectStore('pages', {{autoIncrement: true}});
request.onsuccess = () => request.result.transaction('pages', 'readwrite').objectStore('pages')
  .add({{number: {number}, text: 'z'.repeat(1000)}});
setTimeout(() => location = '/{next}', 150);
</script>"""


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802 (the name is the library's)
        number = int(self.path[1:]) if self.path[1:].isdigit() else 0
        body = PAGE.format(number=number, next=number + 1).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Set-Cookie", f"visit{number}=1; Max-Age=86400")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def is_database(path):
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(16) == b"SQLite format 3\0"
    return False


def databases_below(directory):
    return sorted(os.path.join(parent, name)
                  for parent, _, names in os.walk(directory) for name in names
                  if is_database(os.path.join(parent, name)))


def integrity(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def all_refused(results):
    return all(result.startswith("refused") for result in results)


class RunningBrowser(unittest.TestCase):
    """A copy must be sound, one that cannot be made must be refused with exit code 4, every database
    must have been copied at least once, and none may be damaged when the browser has ended."""

    def command(self, profile, url):
        raise NotImplementedError

    def setUp(self):
        self.base = tempfile.mkdtemp(prefix="sqlbk-browser-")
        self.addCleanup(shutil.rmtree, self.base, ignore_errors=True)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        self.profile = os.path.join(self.base, "profile")
        os.mkdir(self.profile)
        self.log = os.path.join(self.base, "browser.log")
        with open(self.log, "wb") as log:
            self.browser = subprocess.Popen(
                self.command(self.profile, f"http://127.0.0.1:{server.server_port}/1"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.addCleanup(self.stop)

    def stop(self):
        if self.browser.poll() is None:
            os.killpg(self.browser.pid, signal.SIGTERM)
            try:
                self.browser.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.browser.pid, signal.SIGKILL)
                self.browser.wait()

    def copy(self, source, outcomes):
        destination = os.path.join(self.base, "copy.db")
        run = subprocess.run([SQLBK, "copy", "--json", "--timeout", "20s", source, destination],
                             capture_output=True, check=False)
        report = json.loads(run.stdout)
        name = os.path.relpath(source, self.profile)
        if run.returncode == 0:
            self.assertEqual(integrity(destination), "ok", name)
            os.unlink(destination)
            outcomes.setdefault(name, []).append(f"{report['strategy']} {report['verdict']}")
            return
        self.assertFalse(os.path.exists(destination), name)
        if not os.path.exists(source):
            return  # the browser has removed it
        self.assertEqual(run.returncode, 4, f"{name}: {run.stdout}")
        outcomes.setdefault(name, []).append(f"refused: {report['error']['message']}")

    def copy_all_while_it_browses(self):
        """What came of the copies of each database, by its name in the profile."""
        outcomes = {}
        end = time.monotonic() + SECONDS
        # One that appears late may be refused once, while the browser makes it.
        while time.monotonic() < end or not outcomes or any(map(all_refused, outcomes.values())):
            self.assertIsNone(self.browser.poll(), "the browser has ended")
            self.assertLess(time.monotonic(), end + 60,
                            f"no database appears, or one is refused always: {outcomes}")
            for source in databases_below(self.profile):
                self.copy(source, outcomes)
            time.sleep(0.2)
        for name, results in sorted(outcomes.items()):
            counts = {result: results.count(result) for result in dict.fromkeys(results)}
            print("#", name, counts, flush=True)
        for name, results in outcomes.items():
            self.assertFalse(all_refused(results), name)
        return outcomes

    def check_databases_of_the_browser(self):
        self.stop()
        for source in databases_below(self.profile):
            with contextlib.closing(sqlite3.connect(source)) as connection:
                self.assertEqual(connection.execute("PRAGMA integrity_check").fetchone()[0], "ok")
