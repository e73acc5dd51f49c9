#include "sqlbk/core/apply.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "cksumvfs.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk {
namespace {

// Large enough that system calls do not count, small enough to stay in the cache.
constexpr std::size_t kBatchBytes = std::size_t{1} << 20U;
// Reading on over so much that is not wanted takes no longer than another call.
constexpr std::uint64_t kGapBytes = std::uint64_t{8} << 10U;
constexpr std::uint64_t kBytesBetweenTicks = 4 * kBatchBytes;

// Up to this size moving a page in memory costs less than another call to write it.
constexpr std::size_t kMostMovedBytes = std::size_t{16} << 10U;

// Writes pages of a main file, with one call those that follow one another.
class MainWriter {
 public:
  MainWriter(const CommittedView& view, int main_fd, const std::string& path, RunContext& context)
      : view_(view),
        main_fd_(main_fd),
        path_(path),
        context_(context),
        checksums_(main_fd, path, view.page_size_bytes()) {}

  // REQUIRES: until flush() the pages put lie in one buffer, each behind the one before it, and
  // stay there. What lies between them may be overwritten.
  void put(std::uint32_t page_number, std::span<std::byte> page) {
    checksums_.seal(page);
    if (!append(page_number, page)) {
      flush();
      first_page_ = page_number;
      run_ = page;
    }
  }
  void flush() {
    if (run_.empty()) return;
    write_all(main_fd_, run_, std::uint64_t{first_page_ - 1} * view_.page_size_bytes(), path_);
    count(run_.size());
    run_ = {};
  }
  void finish() {
    flush();
    context_.advance(since_tick_);
    if (stat_of(main_fd_, path_).size_bytes != view_.size_bytes()) {
      truncate_to(main_fd_, view_.size_bytes(), path_);
    }
    checksums_.seal_new_reserve(main_fd_, path_, view_.page_size_bytes());
  }

 private:
  bool append(std::uint32_t page_number, std::span<const std::byte> page) {
    if (run_.empty() || page_number != first_page_ + run_.size() / page.size()) return false;
    std::byte* const end = run_.data() + run_.size();
    if (page.data() != end) {
      if (page.size() > kMostMovedBytes) return false;
      std::memmove(end, page.data(), page.size());
    }
    run_ = {run_.data(), run_.size() + page.size()};
    return true;
  }
  void count(std::uint64_t bytes) {
    since_tick_ += bytes;
    if (since_tick_ < kBytesBetweenTicks) return;
    context_.advance(since_tick_);
    since_tick_ = 0;
  }

  const CommittedView& view_;
  int main_fd_;
  const std::string& path_;
  RunContext& context_;
  CksumvfsPages checksums_;
  std::uint32_t first_page_ = 0;
  std::span<std::byte> run_;
  std::uint64_t since_tick_ = 0;
};

// The first of `slots` that are read at once.
std::span<const PageSlot> batch_of(std::span<const PageSlot> slots, std::uint64_t slot_size) {
  std::size_t count = 1;
  for (; count < slots.size(); ++count) {
    const std::uint64_t gap = (slots[count].slot - slots[count - 1].slot - 1) * slot_size;
    const std::uint64_t size = (slots[count].slot - slots[0].slot + 1) * slot_size;
    if (gap > kGapBytes || size > kBatchBytes) break;
  }
  return slots.first(count);
}

// The pages that do not come from main, in the order in which they are kept.
void write_newer(const CommittedView& view, MainWriter& writer) {
  const NewerPages& newer = view.newer();
  const std::uint32_t page_size = view.page_size_bytes();
  const std::vector<PageSlot> slots = by_slot(newer.map.pages());
  std::vector<std::byte> buffer;
  std::span<const PageSlot> left(slots);
  while (!left.empty()) {
    const std::span<const PageSlot> batch = batch_of(left, newer.slot_size_bytes);
    const std::uint64_t first = newer.offset_of(batch.front().slot);
    const auto size =
        static_cast<std::size_t>(newer.offset_of(batch.back().slot) - first + page_size);
    if (buffer.size() < size) buffer.resize(size);
    newer.read(batch.front(), 0, std::span(buffer).first(size));
    for (const PageSlot& page : batch) {
      writer.put(page.page_number,
                 std::span(buffer).subspan(newer.offset_of(page.slot) - first, page_size));
    }
    writer.flush();
    left = left.subspan(batch.size());
  }
}

void write_all_pages(const CommittedView& view, MainWriter& writer) {
  const std::uint32_t page_size = view.page_size_bytes();
  const auto batch_pages = static_cast<std::uint32_t>(kBatchBytes / page_size);
  std::vector<std::byte> buffer(std::size_t{batch_pages} * page_size);
  for (std::uint32_t done = 0; done < view.size_pages();) {
    const std::uint32_t pages = std::min(batch_pages, view.size_pages() - done);
    view.read(done + 1, std::span(buffer).first(std::size_t{pages} * page_size));
    for (std::uint32_t i = 0; i < pages; ++i) {
      writer.put(done + i + 1, std::span(buffer).subspan(std::size_t{i} * page_size, page_size));
    }
    writer.flush();
    done += pages;
  }
}

template <typename Write>
void write_pages(const CommittedView& view, int main_fd, const std::string& main_path,
                 RunContext& context, Write write) {
  view.require_possible_size();
  MainWriter writer(view, main_fd, main_path, context);
  write(view, writer);
  writer.finish();
}

}  // namespace

void apply_to_main(const CommittedView& view, int main_fd, const std::string& main_path,
                   RunContext& context) {
  write_pages(view, main_fd, main_path, context, write_newer);
}

void write_over_main(const CommittedView& view, int main_fd, const std::string& main_path,
                     RunContext& context) {
  write_pages(view, main_fd, main_path, context, write_all_pages);
}

}  // namespace sqlbk
