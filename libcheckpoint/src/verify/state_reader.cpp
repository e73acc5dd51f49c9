#include "verify/state_reader.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <fcntl.h>
#include <utility>

#include "sqlbk/core/io.hpp"
#include "sqlbk/core/wal_scan.hpp"

namespace sqlbk::checkpoint {
namespace {

using namespace std::chrono_literals;

// Younger than this, a file may have been written to in the same tick of the kernel's clock in
// which it was looked at.
constexpr auto kQuietTime = 50ms;

}  // namespace

StateReader::StateReader(const std::string& database, std::string tempdir, const StageCopy& stage,
                         RunContext& context)
    : tempdir_(std::move(tempdir)),
      stage_(stage),
      context_(context),
      files_(database),
      facts_(probe_source(files_)) {}

void StateReader::read(const std::function<void(const CheckedState&)>& look,
                       const std::function<void()>& forget) {
  if (can_be_read_in_place()) {
    wait_until_quiet();
    // Somebody may have come while we waited.
    if (can_be_read_in_place()) {
      in_place_ = true;
      if (read_in_place(look)) return;
      in_place_ = false;
      wal_prefix_.reset();
      forget();
    }
  }
  read_a_copy(look);
}

bool StateReader::can_be_read_in_place() const {
  return facts_.at_rest() && !facts_.has_hot_journal();
}

void StateReader::wait_until_quiet() {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  const std::int64_t newest = std::max(facts_.main.ctime_ns, facts_.wal ? facts_.wal->ctime_ns : 0);
  const auto quiet_time = kQuietTime + facts_.file_system.timestamp_granularity;
  const auto age = now - std::chrono::nanoseconds(newest);
  if (age < quiet_time && age >= 0ns) {
    context_.sleep_for(std::chrono::ceil<std::chrono::milliseconds>(quiet_time - age));
  }
  facts_ = probe_source(files_);
}

// False: somebody came by.
bool StateReader::read_in_place(const std::function<void(const CheckedState&)>& look) {
  const std::optional<CheckedState> state = committed_state();
  if (!state) return false;
  look(*state);
  return is_unchanged();
}

// nullopt: a file was changed while its WAL was read.
std::optional<CheckedState> StateReader::committed_state() {
  if (!facts_.wal_header) return CheckedState(borrowed(SourceFile::main));
  const BorrowedFile wal = borrowed(SourceFile::wal);
  const WalScan scan = scan_wal(wal.fd, wal.path, context_);
  if (scan.header) wal_prefix_ = scan.committed;
  if (scan.committed.frames == 0) return CheckedState(borrowed(SourceFile::main));
  try {
    return view_of(scan.committed, context_);
  } catch (const Error&) {
    if (is_unchanged()) throw;
    return std::nullopt;
  }
}

CheckedState StateReader::view_of(const WalPrefix& prefix, RunContext& context) const {
  return CheckedState(CommittedView::of_wal(borrowed(SourceFile::main), borrowed(SourceFile::wal),
                                            prefix, context));
}

BorrowedFile StateReader::borrowed(SourceFile file) const {
  return {files_.fd_of(file), files_.path_of(file)};
}

std::optional<CheckedState> StateReader::state_at(std::uint64_t frames, RunContext& context) const {
  if (!wal_prefix_ || frames > wal_prefix_->frames) return std::nullopt;
  if (frames == 0) return CheckedState(borrowed(SourceFile::main));
  WalPrefix prefix = *wal_prefix_;
  std::array<std::byte, format::kWalFrameHeaderSizeBytes> bytes{};
  const std::uint64_t offset = format::wal_frame_offset(frames, prefix.header.page_size_bytes);
  if (files_.read(SourceFile::wal, bytes, offset) < bytes.size()) return std::nullopt;
  const format::WalFrameHeader last = format::parse_wal_frame_header(bytes);
  if (!last.is_commit()) return std::nullopt;
  prefix.frames = frames;
  prefix.size_pages = last.commit_size_pages;
  return view_of(prefix, context);
}

bool StateReader::is_unchanged() {
  const auto same = [&](SourceFile file, const std::optional<FileStat>& before) {
    const std::optional<FileStat> now = files_.stat_by_path(file);
    return now.has_value() == before.has_value() && (!now || now->unchanged(*before));
  };
  return same(SourceFile::main, facts_.main) && same(SourceFile::wal, facts_.wal) &&
         same(SourceFile::journal, facts_.journal) && !lock_state(files_).writer;
}

void StateReader::read_a_copy(const std::function<void(const CheckedState&)>& look) {
  stage_(files_.given_path(), tempdir_, context_, [&](StagedImage& image, const Report& report) {
    copied_ = report;
    const UniqueFd fd = open_at(AT_FDCWD, image.main_path(), O_RDONLY, 0, image.main_path());
    look(CheckedState(BorrowedFile{fd.get(), files_.main_path()}));
  });
}

}  // namespace sqlbk::checkpoint
