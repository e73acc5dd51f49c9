// The WAL: its checksum in memory, its scan from the page cache, and the fold over main.
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "kit/corpus.hpp"
#include "kit/temporary_directory.hpp"
#include "run.hpp"
#include "sqlbk/core/apply.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/wal_scan.hpp"

namespace sqlbk::bench {
namespace {

// A database with a WAL that SQLite has written, of so many bytes a page.
class Database {
 public:
  explicit Database(std::int64_t page_size)
      : directory_(disk_directory()),
        corpus_(make_corpus(directory_.file("main"), options(page_size))),
        main_(open_at(AT_FDCWD, main_path(), O_RDWR, 0, main_path())),
        wal_(open_at(AT_FDCWD, wal_path_, O_RDONLY, 0, wal_path_)) {}

  const std::string& main_path() const noexcept { return corpus_.path; }
  const std::string& wal_path() const noexcept { return wal_path_; }
  int main_fd() const noexcept { return main_.get(); }
  int wal_fd() const noexcept { return wal_.get(); }
  std::uint64_t wal_bytes() const noexcept { return corpus_.wal_bytes; }

  // With nothing committed there is nothing to do, and it is done quickly.
  WalScan scan(RunContext& context) const {
    WalScan found = scan_wal(wal_fd(), wal_path_, context);
    if (found.committed.frames == 0) throw std::runtime_error("no commit in " + wal_path_);
    return found;
  }

 private:
  static kit::CorpusOptions options(std::int64_t page_size) {
    kit::CorpusOptions options;
    options.database.size_mb = 32;
    options.database.page_size = static_cast<std::uint32_t>(page_size);
    options.wal_mb = 16;
    return options;
  }

  kit::TemporaryDirectory directory_;
  kit::Corpus corpus_;
  std::string wal_path_ = corpus_.path + "-wal";
  UniqueFd main_;
  UniqueFd wal_;
};

void set_bytes(benchmark::State& state, std::uint64_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(bytes));
}

void checksum(benchmark::State& state) {
  const std::vector<std::byte> bytes = random_bytes(std::size_t{1} << 20U);
  const bool big_endian = state.range(0) != 0;
  for (auto _ : state) benchmark::DoNotOptimize(format::wal_checksum({}, bytes, big_endian));
  set_bytes(state, bytes.size());
}
BENCHMARK(checksum)->ArgName("big_endian")->Arg(0)->Arg(1);

void scan(benchmark::State& state) {
  const Database database(state.range(0));
  QuietRun run;
  for (auto _ : state) benchmark::DoNotOptimize(database.scan(run.context()));
  set_bytes(state, database.wal_bytes());
}
BENCHMARK(scan)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

// Which frame is the last one of each page.
void map(benchmark::State& state) {
  const Database database(state.range(0));
  QuietRun run;
  const WalScan found = database.scan(run.context());
  for (auto _ : state) {
    benchmark::DoNotOptimize(CommittedView::of_wal({database.main_fd(), database.main_path()},
                                                   {database.wal_fd(), database.wal_path()},
                                                   found.committed, run.context()));
  }
  set_bytes(state, database.wal_bytes());
}
BENCHMARK(map)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

// The same pages again and again: what is applied already is written as if it were not.
void apply(benchmark::State& state) {
  const Database database(state.range(0));
  QuietRun run;
  const WalScan found = database.scan(run.context());
  for (auto _ : state) {
    apply_to_main(CommittedView::of_wal({database.main_fd(), database.main_path()},
                                        {database.wal_fd(), database.wal_path()}, found.committed,
                                        run.context()),
                  database.main_fd(), database.main_path(), run.context());
  }
  set_bytes(state, database.wal_bytes());
}
BENCHMARK(apply)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

}  // namespace
}  // namespace sqlbk::bench

int main(int argc, char** argv) {
  return sqlbk::bench::run_benchmarks(argc, argv);
}
