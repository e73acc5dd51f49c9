#include "kit/peer.hpp"

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "file_bytes.hpp"
#include "kit/checker.hpp"
#include "kit/corpus.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/writer_process.hpp"

namespace sqlbk::kit {
namespace {

using namespace std::chrono_literals;

const Peer& peer(std::string_view id) {
  for (const Peer& candidate : peers()) {
    if (candidate.id == id) return candidate;
  }
  throw std::runtime_error("no such peer");
}

// A database with a WAL, held open by somebody who does nothing.
struct Source {
  TemporaryDirectory directory;
  // Names that every way of quoting has to survive.
  std::string path = directory.file("it's \"a\\b\" $x.db");
  std::string copy = directory.file("copy of 'it' \"\\.db");
  Corpus corpus;
  std::vector<WriterProcess> owner;

  Source() {
    CorpusOptions options;
    options.database.size_mb = 1;
    options.wal_mb = 1;
    corpus = make_corpus(path, options);
    LiveWriterOptions idle;
    idle.database = path;
    idle.role = Role::idle;
    idle.autocheckpoint_frames = 0;
    idle.keep_wal = true;
    owner.emplace_back(idle);
  }
};

class EveryPeer : public testing::TestWithParam<std::string> {};

TEST_P(EveryPeer, CopiesAnIdleDatabaseWithItsWal) {
  const Source source;
  const Peer& tested = peer(GetParam());
  const PeerFound found = find_peer(tested, source.directory.path(), {});
  if (!found.unavailable.empty()) GTEST_SKIP() << tested.name << ": " << found.unavailable;
  const ChildResult result =
      run_copy(tested.steps(source.path, source.copy), source.copy, Durability::needs_sync, {});
  ASSERT_TRUE(result.good()) << result.explain();
  EXPECT_GT(result.peak_memory_bytes, 0U);
  const CheckResult check = check_copy(source.copy, source.corpus.committed);
  EXPECT_TRUE(check.good()) << check.explain();
  EXPECT_EQ(std::filesystem::file_size(source.path + "-wal"), source.corpus.wal_bytes);
  remove_copy(source.copy);
  EXPECT_FALSE(std::filesystem::exists(source.copy));
  EXPECT_FALSE(std::filesystem::exists(source.copy + "-wal"));
}

INSTANTIATE_TEST_SUITE_P(Peers, EveryPeer,
                         testing::Values("cp", "cp-reflink", "backup", "vacuum", "sqlite3_rsync",
                                         "sqlite_backup"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::erase(name, '-');
                           return name;
                         });

CopyStep step(const std::string& script, const std::string& sidecar = "") {
  return {{"sh", "-c", script}, sidecar};
}

TEST(RunCopy, AFailureEndsIt) {
  const TemporaryDirectory directory;
  const ChildResult result =
      run_copy({step("echo no >&2; exit 3"), step("touch '" + directory.file("second") + "'")},
               directory.file("copy"), Durability::needs_sync, {});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.explain(), "no");
  EXPECT_FALSE(std::filesystem::exists(directory.file("second")));
}

TEST(RunCopy, SuccessWithoutACopyIsNone) {
  const TemporaryDirectory directory;
  const ChildResult result =
      run_copy({step("true")}, directory.file("copy"), Durability::needs_sync, {});
  EXPECT_FALSE(result.good());
  EXPECT_EQ(result.explain(), "it reported success and left no copy");
}

TEST(RunCopy, ASidecarThatIsGoneIsNoFailure) {
  const TemporaryDirectory directory;
  const std::string copy = directory.file("copy");
  const std::string sidecar = directory.file("source-journal");
  const std::string make_copy = "touch '" + copy + "'";
  // Not there from the beginning: its step is left out.
  EXPECT_TRUE(run_copy({step(make_copy), step("exit 1", sidecar)}, copy, Durability::needs_sync, {})
                  .good());
  // There, and gone before the step comes to it.
  write_bytes(sidecar, "journal");
  EXPECT_TRUE(run_copy({step(make_copy), step("rm '" + sidecar + "'; exit 1", sidecar)}, copy,
                       Durability::needs_sync, {})
                  .good());
  // There, and the step fails all the same.
  write_bytes(sidecar, "journal");
  EXPECT_FALSE(
      run_copy({step(make_copy), step("exit 1", sidecar)}, copy, Durability::needs_sync, {})
          .good());
}

TEST(RunCopy, TheDeadlineIsThatOfAllSteps) {
  const TemporaryDirectory directory;
  ChildOptions options;
  options.deadline = 300ms;
  const ChildResult result = run_copy({step("sleep 0.2"), step("sleep 1000")},
                                      directory.file("copy"), Durability::needs_sync, options);
  EXPECT_EQ(result.end, ChildEnd::timed_out);
}

}  // namespace
}  // namespace sqlbk::kit
