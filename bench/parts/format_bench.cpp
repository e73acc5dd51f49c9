// The readers of headers and frames, on bytes in memory that SQLite has written.
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "run.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/format/db_header.hpp"
#include "sqlbk/format/journal.hpp"
#include "sqlbk/format/wal.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk::bench {
namespace {

// A golden file of the tests.
std::vector<std::byte> golden_file(const std::string& name) {
  const std::string path = std::string(SQLBK_TEST_DATA) + "/" + name;
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY, 0, path);
  std::vector<std::byte> bytes(stat_of(fd.get(), path).size_bytes);
  if (read_up_to(fd.get(), bytes, 0, path) != bytes.size()) {
    throw std::runtime_error("unable to read " + path + ": it became shorter");
  }
  return bytes;
}

// What is refused is read faster than what is not.
template <typename Parsed>
void require_valid(const Parsed& parsed, const std::string& name) {
  if (!parsed) throw std::runtime_error(name + " is not valid");
}

template <typename Parse>
void parse_header(benchmark::State& state, Parse parse, const std::string& name) {
  const std::vector<std::byte> bytes = golden_file(name);
  require_valid(parse(bytes), name);
  for (auto _ : state) {
    benchmark::DoNotOptimize(bytes.data());
    benchmark::DoNotOptimize(parse(bytes));
  }
}
BENCHMARK_CAPTURE(parse_header, db, format::parse_db_header, "wal.db");
BENCHMARK_CAPTURE(parse_header, wal, format::parse_wal_header, "wal.db-wal");
BENCHMARK_CAPTURE(parse_header, wal_index, format::parse_wal_index_header, "wal.db-shm");
BENCHMARK_CAPTURE(parse_header, journal, format::parse_journal_header, "hot.db-journal");

void parse_frame_header(benchmark::State& state) {
  const std::vector<std::byte> bytes = golden_file("wal.db-wal");
  const auto frame =
      format::Bytes(bytes).subspan(format::kWalHeaderSizeBytes, format::kWalFrameHeaderSizeBytes);
  for (auto _ : state) {
    benchmark::DoNotOptimize(bytes.data());
    benchmark::DoNotOptimize(format::parse_wal_frame_header(frame));
  }
}
BENCHMARK(parse_frame_header);

// Every page of a WAL: its frame header, its place in the checksum chain.
void accept_frames(benchmark::State& state) {
  const std::vector<std::byte> bytes = golden_file("wal.db-wal");
  const format::WalHeader header = *format::parse_wal_header(bytes);
  const std::uint64_t frame_bytes = format::wal_frame_size_bytes(header.page_size_bytes);
  const std::uint64_t frames = format::wal_frames_in(bytes.size(), header.page_size_bytes);
  std::uint64_t accepted = 0;
  for (auto _ : state) {
    format::WalScanner scanner(header);
    for (std::uint64_t i = 1; i <= frames; ++i) {
      const std::uint64_t offset = format::wal_frame_offset(i, header.page_size_bytes);
      if (!scanner.accept(format::Bytes(bytes).subspan(offset, frame_bytes))) break;
    }
    accepted += scanner.valid_frames();
  }
  if (accepted == 0) throw std::runtime_error("wal.db-wal has no valid frame");
  state.SetItemsProcessed(static_cast<std::int64_t>(accepted));
  state.SetBytesProcessed(static_cast<std::int64_t>(accepted * frame_bytes));
}
BENCHMARK(accept_frames);

}  // namespace
}  // namespace sqlbk::bench

int main(int argc, char** argv) {
  return sqlbk::bench::run_benchmarks(argc, argv);
}
