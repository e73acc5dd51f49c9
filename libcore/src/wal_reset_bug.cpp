#include "sqlbk/core/wal_reset_bug.hpp"

#include <array>
#include <unordered_set>
#include <utility>
#include <vector>

#include "main_comparison.hpp"
#include "sqlbk/core/steady_wal_index.hpp"
#include "sqlbk/core/wal_header_file.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk {
namespace {

constexpr unsigned kFramesPerTick = 1024;
constexpr unsigned kPagesPerTick = 256;

// One question to the live files.
class Search {
 public:
  Search(LiveFiles& files, const SearchTick& tick) : files_(files), tick_(tick) {}

  WalResetBugFinding ask_index() {
    start_ = wal_header_by_path(files_);
    files_.refresh(SourceFile::shm);
    const SteadyWalIndex read = read_steady_wal_index(files_);
    if (!read.is_live) return {};
    if (!read.index) return answer(WalResetBugAnswer::changed);
    index_ = *read.index;
    if (!is_of_the_file(index_)) {
      // walRestartHdr() has begun a generation of which nothing is in the file yet.
      return answer(index_.mx_frame == 0 ? WalResetBugAnswer::sound : WalResetBugAnswer::changed);
    }
    if (index_.backfilled_frames > index_.mx_frame) return confirm_numbers();
    // The bug's checkpoint stores this first, then writes to main, then stores nBackfill.
    const bool is_striking =
        index_.backfill_attempted_frames > index_.mx_frame && is_being_backfilled(files_);
    return answer(is_striking ? WalResetBugAnswer::changed : WalResetBugAnswer::sound);
  }

  WalResetBugFinding ask_pages(WalReadLocks locks) {
    const WalResetBugFinding numbers = ask_index();
    const bool has_pages = numbers.answer == WalResetBugAnswer::sound && index_.mx_frame != 0 &&
                           index_.backfilled_frames != 0;
    return has_pages ? ask_frames(locks) : numbers;
  }

  // Pages of generations before that of this header, and none of its own.
  WalResetBugFinding ask_earlier(const WalHeaderBytes& generation, const NewerPages& earlier) {
    const WalResetBugFinding numbers = ask_index();
    if (numbers.answer != WalResetBugAnswer::sound) return numbers;
    if (start_ != generation || !is_of_the_file(index_) || !see_frames_up_to(index_.mx_frame)) {
      return answer(WalResetBugAnswer::changed);
    }
    std::vector<PageSlot> pages = by_slot(earlier.map.pages());
    std::erase_if(pages, [this](const PageSlot& page) {
      return later_.contains(page.page_number) || page.page_number > index_.size_pages;
    });
    std::optional<WalResetBugFinding> finding = ask(earlier, pages, WalReadLocks::none);
    if (!finding) return answer(WalResetBugAnswer::sound);
    if (finding->missing) finding->missing->frame = 0;
    return *finding;
  }

 private:
  enum class Missing { no, yes, not_told };

  WalResetBugFinding answer(WalResetBugAnswer what) const {
    return {.answer = what,
            .mx_frame = index_.mx_frame,
            .backfilled_frames = index_.backfilled_frames,
            .missing = std::nullopt};
  }

  bool is_of_the_file(const format::WalIndexHeader& index) const {
    const format::ParsedWalHeader header =
        format::parse_wal_header(start_ ? format::Bytes(*start_) : format::Bytes());
    return header && header->salt == index.salt;
  }

  // Asked last: what was read before was of the generation that it names.
  bool is_same_generation() { return wal_header_by_path(files_) == start_; }

  // nullopt: it is another generation's by now, or has been rebuilt.
  std::optional<format::WalIndexHeader> same_index_later() const {
    const SteadyWalIndex read = read_steady_wal_index(files_);
    const bool is_same = read.index && read.index->salt == index_.salt &&
                         read.index->backfilled_frames >= index_.backfilled_frames;
    return is_same ? read.index : std::nullopt;
  }

  WalResetBugFinding confirm_numbers() {
    const std::optional<format::WalIndexHeader> again = same_index_later();
    if (!again || again->backfilled_frames <= again->mx_frame || !is_same_generation()) {
      return answer(WalResetBugAnswer::changed);
    }
    index_ = *again;
    return answer(WalResetBugAnswer::struck);
  }

  WalResetBugFinding ask_frames(WalReadLocks locks) {
    const std::optional<NewerPages> frames = committed_frames();
    if (!frames) return answer(WalResetBugAnswer::changed);
    const auto finding = ask(*frames, pages_up_to(index_.backfilled_frames, frames->map), locks);
    if (finding) return *finding;
    // What was compared may have been frames of the next generation.
    return answer(is_same_generation() ? WalResetBugAnswer::sound : WalResetBugAnswer::changed);
  }

  // nullopt: main holds these pages, or newer ones.
  std::optional<WalResetBugFinding> ask(const NewerPages& newer, const std::vector<PageSlot>& pages,
                                        WalReadLocks locks) {
    const BorrowedFile main{files_.fd_of(SourceFile::main), files_.main_path()};
    MainComparison comparison(main, newer, page_size_bytes(), pages);
    for (std::size_t i = 0; i < pages.size(); ++i) {
      if (i % kPagesPerTick == 0) tick_();
      if (comparison.next() != MainComparison::Answer::differs) continue;
      const Missing missing = is_missing(pages[i].page_number, locks);
      if (missing == Missing::no) continue;
      WalResetBugFinding finding =
          answer(missing == Missing::yes ? WalResetBugAnswer::struck : WalResetBugAnswer::changed);
      if (missing == Missing::yes) finding.missing = {pages[i].page_number, pages[i].slot};
      return finding;
    }
    return std::nullopt;
  }

  // Main differs from the newest version of this page that is taken to be backfilled.
  Missing is_missing(std::uint32_t page_number, WalReadLocks locks) {
    const std::optional<format::WalIndexHeader> now = same_index_later();
    if (!now) return Missing::not_told;
    if (locks == WalReadLocks::none) {
      // A checkpoint may have replaced it by a later frame, or cut it off after a later commit.
      if (!see_frames_up_to(now->mx_frame)) return Missing::not_told;
      if (later_.contains(page_number) || page_number > now->size_pages) return Missing::no;
    }
    return is_same_generation() ? Missing::yes : Missing::not_told;
  }

  std::uint32_t page_size_bytes() const {
    return format::parse_wal_header(format::Bytes(*start_))->page_size_bytes;
  }

  // 0: the file ends before it.
  std::uint32_t page_of_frame(std::uint32_t frame) const {
    std::array<std::byte, format::kWalFrameHeaderSizeBytes> bytes{};
    const std::size_t got =
        files_.read(SourceFile::wal, bytes, format::wal_frame_offset(frame, page_size_bytes()));
    return got < bytes.size() ? 0 : format::parse_wal_frame_header(bytes).page_number;
  }

  // nullopt: the file ends before they do.
  std::optional<NewerPages> committed_frames() {
    PageMapBuilder builder;
    for (std::uint32_t frame = 1; frame <= index_.mx_frame; ++frame) {
      if (frame % kFramesPerTick == 0) tick_();
      const std::uint32_t page_number = page_of_frame(frame);
      if (page_number == 0) return std::nullopt;
      builder.put(page_number, frame);
    }
    seen_frames_ = index_.mx_frame;
    return NewerPages{.file = {files_.fd_of(SourceFile::wal), files_.path_of(SourceFile::wal)},
                      .first_offset_bytes = format::wal_frame_offset(1, page_size_bytes()) +
                                            format::kWalFrameHeaderSizeBytes,
                      .slot_size_bytes = format::wal_frame_size_bytes(page_size_bytes()),
                      .map = std::move(builder).finish(index_.size_pages)};
  }

  // False: the file ends before they do.
  bool see_frames_up_to(std::uint32_t last_frame) {
    for (; seen_frames_ < last_frame; ++seen_frames_) {
      if (seen_frames_ % kFramesPerTick == 0) tick_();
      const std::uint32_t page_number = page_of_frame(seen_frames_ + 1);
      if (page_number == 0) return false;
      later_.insert(page_number);
    }
    return true;
  }

  LiveFiles& files_;
  const SearchTick& tick_;
  std::optional<WalHeaderBytes> start_;
  format::WalIndexHeader index_;
  std::uint32_t seen_frames_ = 0;
  std::unordered_set<std::uint32_t> later_;  // pages of frames that were committed meanwhile
};

// Beside a saturating writer, one in ten is answered `changed`.
template <typename Ask>
WalResetBugFinding until_told(Ask ask) {
  constexpr int kTries = 5;
  WalResetBugFinding finding = ask();
  for (int i = 1; i < kTries && finding.answer == WalResetBugAnswer::changed; ++i) finding = ask();
  return finding;
}

}  // namespace

WalResetBugFinding ask_once(LiveFiles& files, WalReadLocks locks, const SearchTick& tick) {
  return Search(files, tick).ask_pages(locks);
}

WalResetBugFinding find_wal_reset_bug(LiveFiles& files, WalReadLocks locks,
                                      const SearchTick& tick) {
  return until_told([&] { return ask_once(files, locks, tick); });
}

WalResetBugFinding find_wal_reset_bug_in_index(LiveFiles& files) {
  const SearchTick no_tick = [] {};
  return until_told([&] { return Search(files, no_tick).ask_index(); });
}

WalResetBugFinding find_page_lost_before(LiveFiles& files, const WalHeaderBytes& generation,
                                         const NewerPages& earlier, const SearchTick& tick) {
  return Search(files, tick).ask_earlier(generation, earlier);
}

BackfilledPages compare_backfilled(const BorrowedFile& main, const NewerPages& newer,
                                   std::uint32_t page_size_bytes, std::uint32_t backfilled_frames,
                                   const SearchTick& tick) {
  const std::vector<PageSlot> pages = pages_up_to(backfilled_frames, newer.map);
  MainComparison comparison(main, newer, page_size_bytes, pages);
  std::vector<bool> is_in_main(pages.empty() ? 0 : pages.back().slot + std::size_t{1});
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (i % kPagesPerTick == 0) tick();
    const MainComparison::Answer answer = comparison.next();
    if (answer == MainComparison::Answer::differs) {
      return {.missing = MissingPage{pages[i].page_number, pages[i].slot}, .others = {}};
    }
    is_in_main[pages[i].slot] = answer == MainComparison::Answer::same_bytes;
  }
  PageMapBuilder others;
  std::uint32_t last_page = 0;
  for (const PageSlot& page : newer.map.pages()) {
    last_page = page.page_number;
    if (page.slot >= is_in_main.size() || !is_in_main[page.slot]) {
      others.put(page.page_number, page.slot);
    }
  }
  return {.missing = std::nullopt, .others = std::move(others).finish(last_page)};
}

std::string numbers_of(const WalResetBugFinding& finding) {
  std::string seen = "nBackfill " + std::to_string(finding.backfilled_frames) + ", mxFrame " +
                     std::to_string(finding.mx_frame);
  if (finding.missing) {
    const std::string frame = finding.missing->frame == 0
                                  ? "an earlier generation of the WAL"
                                  : "frame " + std::to_string(finding.missing->frame);
    seen = "main lacks page " + std::to_string(finding.missing->page_number) + " of " + frame +
           ", " + seen;
  }
  return seen;
}

Error wal_reset_bug_error(const WalResetBugFinding& finding, const std::string& source) {
  Error error(Errc::wal_reset_bug,
              "SQLite's WAL-reset bug has struck " + quoted(source) + ": " + numbers_of(finding));
  error.with_path(source);
  return error;
}

void require_not_struck(LiveFiles& files, bool is_opaque) {
  const WalResetBugFinding finding = is_opaque
                                         ? find_wal_reset_bug_in_index(files)
                                         : find_wal_reset_bug(files, WalReadLocks::none, [] {});
  if (finding.answer != WalResetBugAnswer::struck) return;
  throw wal_reset_bug_error(finding, files.given_path());
}

}  // namespace sqlbk
