"""What `meson install` gives to programs outside the tree: headers, libraries, pkg-config files."""

import concurrent.futures
import os
import re
import shlex
import shutil
import subprocess
import tempfile

from support import SOURCE_ROOT, CliTest, environment, integrity, main, remove_tree, rows, rows_of

COMPILER = shlex.split(os.environ["SQLBK_CXX"])
# Libraries with a sanitizer need a program with the same.
SANITIZER = shlex.split(os.environ["SQLBK_CXX_SANITIZER"])
LIBRARIES = ("sqlbk-core", "sqlbk-copy", "sqlbk-checkpoint")

PROGRAM = """\
#include <iostream>
#include <sqlbk/copy/copy_database.hpp>

int main(int argc, char** argv) try {
  if (argc != 3) return 2;
  const sqlbk::Report report = sqlbk::copy::copy_database(argv[1], argv[2]);
  std::cout << to_string(report.verdict) << ' ' << report.size_bytes << '\\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\\n';
  return 1;
}
"""

# A host with a connection of its own: its locks must be there before, while and after.
HOST_PROGRAM = """\
#include <fstream>
#include <iostream>
#include <sqlite3.h>
#include <string>
#include <sqlbk/copy/copy_database.hpp>
#include <unistd.h>

static long locks() {
  std::ifstream file("/proc/locks");
  long count = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.find(" " + std::to_string(getpid()) + " ") != std::string::npos) ++count;
  }
  return count;
}

int main(int, char** argv) {
  sqlite3* db = nullptr;
  if (sqlite3_open(argv[1], &db) != SQLITE_OK) return 3;
  if (sqlite3_exec(db, "BEGIN; SELECT count(*) FROM t", nullptr, nullptr, nullptr) != SQLITE_OK) {
    return 4;
  }
  const long before = locks();
  sqlbk::copy::copy_database(argv[1], argv[2]);
  std::cout << before << ' ' << locks() << '\\n';
  return sqlite3_close(db) == SQLITE_OK ? 0 : 5;
}
"""


class Linking(CliTest):
    @classmethod
    def setUpClass(cls):
        cls.stage = tempfile.mkdtemp(prefix="sqlbk-linking-")
        cls.addClassCleanup(remove_tree, cls.stage)
        subprocess.run([*shlex.split(os.environ["SQLBK_MESON"]), "install", "--no-rebuild",
                        "--quiet", "-C", os.environ["SQLBK_BUILD_ROOT"]],
                       env=environment({"DESTDIR": cls.stage}), check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        cls.prefix = cls.stage + os.environ["SQLBK_PREFIX"]
        cls.libraries = os.path.join(cls.prefix, os.environ["SQLBK_LIBDIR"])
        # As if the stage were the root of the system; what is not in it comes from the real one.
        cls.environment = environment({
            "PKG_CONFIG_PATH": os.path.join(cls.libraries, "pkgconfig"),
            "PKG_CONFIG_SYSROOT_DIR": cls.stage,
            "LD_LIBRARY_PATH": cls.libraries,
        })

    def pkg_config(self, *arguments):
        done = subprocess.run(["pkg-config", *arguments], env=self.environment, check=False,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout.split()

    def compile(self, source, *flags):
        done = subprocess.run([*COMPILER, *SANITIZER, source, *flags], env=self.environment,
                              check=False, cwd=self.private, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, f"{done.args}\n{done.stderr}")
        return done

    def build(self, name, text, *flags):
        source = os.path.join(self.private, name + ".cpp")
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        program = os.path.join(self.private, name)
        self.compile(source, "-std=c++20", "-o", program, *flags)
        return program

    def run_program(self, program, *arguments):
        return subprocess.run([program, *arguments], env=self.environment, cwd=self.dir,
                              check=False, capture_output=True, text=True)

    def test_a_small_program_copies_a_database(self):
        program = self.build("copy", PROGRAM, *self.pkg_config("--cflags", "--libs", "sqlbk-copy"))
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, x'01')")
        done = self.run_program(program, "app.db", "x.db")
        size = os.path.getsize(self.path("x.db"))
        self.assertEqual((done.returncode, done.stdout), (0, f"snapshot {size}\n"), done)
        self.check_copy("x.db", rows(100) + [(1000, b"\x01")])
        done = self.run_program(program, "app.db", "x.db")
        self.assertEqual(done.returncode, 1)
        self.assertIn("'x.db'", done.stderr)

    def test_locks_of_the_host_program_stay(self):
        program = self.build("host", HOST_PROGRAM,
                             *self.pkg_config("--cflags", "--libs", "sqlbk-copy", "sqlite3"))
        for wal in (False, True):
            with self.subTest(wal=wal):
                name = f"wal{wal}.db"
                self.make_database(name, wal=wal)
                done = self.run_program(program, name, "copy-" + name)
                self.assertEqual(done.returncode, 0, done)
                before, after = map(int, done.stdout.split())
                self.assertGreater(before, 0)
                self.assertEqual(after, before)
                self.assertEqual(rows_of(self.path("copy-" + name)), rows(100))

    def test_pkg_config_files(self):
        with open(os.path.join(SOURCE_ROOT, "VERSION"), encoding="utf-8") as file:
            version = file.read().strip()
        for library in LIBRARIES:
            with self.subTest(library):
                self.assertEqual(self.pkg_config("--modversion", library), [version])
                self.assertIn(f"-l{library}", self.pkg_config("--libs", library))
                self.assertTrue(any(flag.startswith("-I" + self.stage)
                                    for flag in self.pkg_config("--cflags", library)))
                self.assertTrue(os.path.exists(os.path.join(self.libraries, f"lib{library}.so")))
        # Only what a library stands on: neither of the two others includes the other.
        self.assertNotIn("-lsqlbk-checkpoint", self.pkg_config("--libs", "sqlbk-copy"))
        self.assertNotIn("-lsqlbk-copy", self.pkg_config("--libs", "sqlbk-checkpoint"))

    def configure_statically(self):
        """The pkg-config files of a build whose libraries are static, which need not be built."""
        build = os.path.join(self.private, "static")
        done = subprocess.run([*shlex.split(os.environ["SQLBK_MESON"]), "setup", build, SOURCE_ROOT,
                               "-Ddefault_library=static", "-Dtests=disabled", "-Dbench=disabled"],
                              env=environment({"CXX": shlex.join(COMPILER)}), check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return os.path.join(build, "meson-private")

    def test_pkg_config_files_ask_for_nothing_of_a_program(self):
        """But for where the headers are: no C++ standard, no system directory, no Boost."""
        static = environment({"PKG_CONFIG_PATH": self.configure_statically()})
        for kind, env in (("shared", self.environment), ("static", static)):
            for library in LIBRARIES:
                with self.subTest(library, kind=kind):
                    flags = subprocess.run(["pkg-config", "--cflags", library], check=True,
                                           capture_output=True, text=True,
                                           env=env).stdout.split()
                    other = {flag for flag in flags if not flag.startswith("-I")}
                    self.assertLessEqual(other, {"-pthread"})
                    self.assertNotIn("-I/usr/include", flags)

    def test_a_program_of_a_later_standard_stays_one(self):
        source = os.path.join(self.private, "newer.cpp")
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <cstdlib>\n#include <sqlbk/copy/copy_database.hpp>\n"
                       "static_assert(__cplusplus > 202002L);\nint main() {}\n")
        self.compile(source, "-std=c++2b", "-fsyntax-only",
                     *self.pkg_config("--cflags", "sqlbk-copy"))

    def test_a_plugin_in_c_takes_the_flags(self):
        source = os.path.join(self.private, "plugin.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <sqlbk/plugin/abi.h>\n")
        flags = self.pkg_config("--cflags", "sqlbk-core")
        compilers = [name for name in ("cc", "gcc", "clang") if shutil.which(name)]
        self.assertTrue(compilers)
        for compiler in compilers:
            with self.subTest(compiler):
                done = subprocess.run([compiler, "-fsyntax-only", "-Werror", source, *flags],
                                      env=self.environment, check=False, capture_output=True,
                                      text=True)
                self.assertEqual(done.returncode, 0, done.stderr)

    def dynamic(self, path):
        """Of an ELF file: the values of the entries of its dynamic section, by their names."""
        done = subprocess.run(["readelf", "--dynamic", "--wide", path], check=True, text=True,
                              capture_output=True, env=environment({"LC_ALL": "C"}))
        entries = {}
        for name, value in re.findall(r"\((\w+)\) .*\[(.*)\]$", done.stdout, re.MULTILINE):
            entries.setdefault(name, []).append(value)
        return entries

    def test_installed_programs_find_the_libraries(self):
        # As on a system whose loader does not know libdir; the stage is not where it will lie.
        libdir = os.path.join(os.environ["SQLBK_PREFIX"], os.environ["SQLBK_LIBDIR"])
        for program, needs in (("bin/sqlbk", True), ("libexec/sqlbk/live-writer", True),
                               ("libexec/sqlbk/run-measured", False)):
            with self.subTest(program):
                found = self.dynamic(os.path.join(self.prefix, program))
                self.assertEqual(any(name.startswith("libsqlbk-") for name in found["NEEDED"]),
                                 needs)
                if needs:
                    paths = found.get("RUNPATH", []) + found.get("RPATH", [])
                    self.assertIn(libdir, ":".join(paths).split(":"))

    def test_sonames(self):
        """With each minor version while that is 0.x: the interface may change with it."""
        with open(os.path.join(SOURCE_ROOT, "VERSION"), encoding="utf-8") as file:
            major, minor = file.read().strip().split(".")[:2]
        version = f"{major}.{minor}" if major == "0" else major
        for library in LIBRARIES:
            with self.subTest(library):
                soname = f"lib{library}.so.{version}"
                path = os.path.join(self.libraries, f"lib{library}.so")
                self.assertEqual(self.dynamic(path)["SONAME"], [soname])
                self.assertTrue(os.path.exists(os.path.join(self.libraries, soname)))

    def test_every_public_header_compiles_alone(self):
        include = os.path.join(self.prefix, "include")
        headers = sorted(os.path.relpath(os.path.join(parent, name), include)
                         for parent, _, names in os.walk(os.path.join(include, "sqlbk"))
                         for name in names)
        self.assertIn("sqlbk/core/pipeline.hpp", headers)
        self.assertIn("sqlbk/format/wal.hpp", headers)
        flags = self.pkg_config("--cflags", *LIBRARIES)

        def check(header):
            source = os.path.join(self.private, header.replace("/", "-") + ".cpp")
            with open(source, "w", encoding="utf-8") as file:
                # Twice: the second inclusion must add nothing.
                file.write(f"#include <{header}>\n" * 2)
            done = subprocess.run([*COMPILER, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                                   source, *flags], env=self.environment, check=False,
                                  capture_output=True, text=True)
            return header, done.returncode, done.stderr

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for header, code, errors in pool.map(check, headers):
                with self.subTest(header):
                    self.assertEqual(code, 0, errors)

    def test_the_installed_tool_runs(self):
        tool = os.path.join(self.prefix, "bin", "sqlbk")
        done = self.run_program(tool, "demo")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("all copies are good", done.stdout)
        self.make_database()
        done = self.run_program(tool, "copy", "app.db", "x.db")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(integrity(self.path("x.db")), "ok")


if __name__ == "__main__":
    main()
