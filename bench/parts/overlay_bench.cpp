// The sparse file in which `follow` keeps the newest pages of a WAL: pages put in, and read back.
#include <optional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "kit/pattern.hpp"
#include "kit/temporary_directory.hpp"
#include "run.hpp"
#include "strategy/wal_follower.hpp"

namespace sqlbk::bench {
namespace {

constexpr std::uint64_t kOverlayBytes = std::uint64_t{16} << 20U;
// A WAL holds a few of a database's pages: one in so many.
constexpr std::uint32_t kGap = 8;

// Pages of one size, spread over a database kGap times as large, each once and in no order.
std::vector<std::uint32_t> page_numbers(std::uint32_t page_size) {
  std::vector<std::uint32_t> numbers;
  for (std::uint64_t i = 0; i < kOverlayBytes / page_size; ++i) {
    numbers.push_back(static_cast<std::uint32_t>(1 + i * kGap));
  }
  kit::Random random(1);
  for (std::size_t i = numbers.size() - 1; i > 0; --i) {
    std::swap(numbers[i], numbers[random.below(i + 1)]);
  }
  return numbers;
}

// What each measurement needs: an overlay's file, and pages to put into it.
class Pages {
 public:
  explicit Pages(const benchmark::State& state)
      : size_(static_cast<std::uint32_t>(state.range(0))),
        page_(random_bytes(size_)),
        numbers_(page_numbers(size_)),
        directory_(disk_directory()) {}

  copy::PageOverlay overlay() const { return {directory_.file("overlay"), size_}; }
  void put_all(copy::PageOverlay& overlay) const {
    for (const std::uint32_t number : numbers_) overlay.put(number, page_);
  }
  std::uint32_t last_page() const { return static_cast<std::uint32_t>(numbers_.size() * kGap); }

 private:
  std::uint32_t size_;
  std::vector<std::byte> page_;
  std::vector<std::uint32_t> numbers_;
  kit::TemporaryDirectory directory_;
};

void set_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(kOverlayBytes));
}

void put(benchmark::State& state) {
  const Pages pages(state);
  std::optional<copy::PageOverlay> overlay;
  for (auto _ : state) {
    state.PauseTiming();
    overlay.emplace(pages.overlay());
    state.ResumeTiming();
    pages.put_all(*overlay);
  }
  set_bytes(state);
}
BENCHMARK(put)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

// A page that was there before: the hot pages of a busy database.
void put_again(benchmark::State& state) {
  const Pages pages(state);
  copy::PageOverlay overlay = pages.overlay();
  pages.put_all(overlay);
  for (auto _ : state) pages.put_all(overlay);
  set_bytes(state);
}
BENCHMARK(put_again)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

void read_back(benchmark::State& state) {
  const Pages pages(state);
  copy::PageOverlay overlay = pages.overlay();
  pages.put_all(overlay);
  for (auto _ : state) {
    overlay.for_each(pages.last_page(), [](std::uint32_t, std::span<std::byte> bytes) {
      benchmark::DoNotOptimize(bytes.data());
    });
  }
  set_bytes(state);
}
BENCHMARK(read_back)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

}  // namespace
}  // namespace sqlbk::bench

int main(int argc, char** argv) {
  return sqlbk::bench::run_benchmarks(argc, argv);
}
