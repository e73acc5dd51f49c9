// The sparse file in which `follow` keeps the newest pages of a WAL: pages put in, and read back.
#include <optional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "kit/pattern.hpp"
#include "kit/temporary_directory.hpp"
#include "run.hpp"
#include "strategy/kept_pages.hpp"

namespace sqlbk::bench {
namespace {

constexpr std::uint64_t kKeptBytes = std::uint64_t{16} << 20U;
// A WAL holds a few of a database's pages: one in so many.
constexpr std::uint32_t kGap = 8;

// Pages of one size, spread over a database kGap times as large, each once and in no order.
std::vector<std::uint32_t> page_numbers(std::uint32_t page_size) {
  std::vector<std::uint32_t> numbers;
  for (std::uint64_t i = 0; i < kKeptBytes / page_size; ++i) {
    numbers.push_back(static_cast<std::uint32_t>(1 + i * kGap));
  }
  kit::Random random(1);
  for (std::size_t i = numbers.size() - 1; i > 0; --i) {
    std::swap(numbers[i], numbers[random.below(i + 1)]);
  }
  return numbers;
}

// What each measurement needs: a file, and pages to put into it.
class Pages {
 public:
  explicit Pages(const benchmark::State& state)
      : size_(static_cast<std::uint32_t>(state.range(0))),
        page_(random_bytes(size_)),
        numbers_(page_numbers(size_)),
        directory_(disk_directory()) {}

  copy::KeptPages make() const { return {directory_.file("kept"), size_}; }
  void put_all(copy::KeptPages& kept) const {
    for (const std::uint32_t number : numbers_) kept.put(number, page_);
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
                          static_cast<std::int64_t>(kKeptBytes));
}

void put(benchmark::State& state) {
  const Pages pages(state);
  std::optional<copy::KeptPages> kept;
  for (auto _ : state) {
    state.PauseTiming();
    kept.emplace(pages.make());
    state.ResumeTiming();
    pages.put_all(*kept);
  }
  set_bytes(state);
}
BENCHMARK(put)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

// A page that was there before: the hot pages of a busy database.
void put_again(benchmark::State& state) {
  const Pages pages(state);
  copy::KeptPages kept = pages.make();
  pages.put_all(kept);
  for (auto _ : state) pages.put_all(kept);
  set_bytes(state);
}
BENCHMARK(put_again)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

void read_back(benchmark::State& state) {
  const Pages pages(state);
  copy::KeptPages kept = pages.make();
  pages.put_all(kept);
  std::vector<std::byte> page(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    const NewerPages newer = kept.pages(pages.last_page());
    for (const PageSlot& slot : newer.map.pages()) newer.read(slot, 0, page);
  }
  set_bytes(state);
}
BENCHMARK(read_back)->ArgName("page_size")->Arg(512)->Arg(4096)->Arg(65536)->UseRealTime();

}  // namespace
}  // namespace sqlbk::bench

int main(int argc, char** argv) {
  return sqlbk::bench::run_benchmarks(argc, argv);
}
