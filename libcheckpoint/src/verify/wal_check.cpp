// What of a WAL counts, and whether something that once counted is cut off.
//
// SQLite reads a WAL up to the first frame whose checksum is wrong: a flipped byte silently takes
// all commits from there on away. It can be told from an unfinished write: a frame's checksum
// continues the one that its predecessor *stores*, so frames behind the bad one still fit one to
// the other. Where such a run holds a commit, it had been committed with all before it.
#include <array>
#include <vector>

#include "sqlbk/core/fold.hpp"
#include "sqlbk/core/io.hpp"
#include "verify/checks.hpp"

namespace sqlbk::checkpoint {
namespace {

using format::WalChecksum;
using format::WalFrameHeader;
using format::WalSalt;

// Frames of a WAL in any order, each checked against its predecessor only.
class Frames {
 public:
  Frames(const LiveFiles& files, std::uint32_t page_size_bytes, bool big_endian)
      : files_(files),
        page_size_bytes_(page_size_bytes),
        big_endian_(big_endian),
        buffer_(static_cast<std::size_t>(format::wal_frame_size_bytes(page_size_bytes))) {}

  // False where the file ends before the frame does.
  bool load(std::uint64_t frame) {
    return files_.read(SourceFile::wal, buffer_,
                       format::wal_frame_offset(frame, page_size_bytes_)) == buffer_.size();
  }
  WalFrameHeader header() const {
    return format::parse_wal_frame_header(
        format::Bytes(buffer_).first(format::kWalFrameHeaderSizeBytes));
  }
  // What the checksum of the loaded frame should be, behind this one.
  WalChecksum computed(WalChecksum previous) const {
    const format::Bytes bytes(buffer_);
    const WalChecksum over_header = format::wal_checksum(previous, bytes.first(8), big_endian_);
    return format::wal_checksum(over_header, bytes.subspan(format::kWalFrameHeaderSizeBytes),
                                big_endian_);
  }

 private:
  const LiveFiles& files_;
  std::uint32_t page_size_bytes_;
  bool big_endian_;
  std::vector<std::byte> buffer_;
};

// The last commit of the unbroken run of frames behind `frame`, whose checksum is `stored`, all
// with the same salts; 0: none.
std::uint64_t last_commit_behind(Frames& frames, std::uint64_t frame, WalChecksum stored,
                                 const std::optional<WalSalt>& salt, RunContext& context) {
  std::uint64_t last_commit = 0;
  std::optional<WalSalt> wanted = salt;
  while (frames.load(++frame)) {
    context.tick();
    const WalFrameHeader header = frames.header();
    if (!wanted) wanted = header.salt;
    if (header.salt != *wanted || header.page_number == 0 ||
        frames.computed(stored) != header.checksum) {
      break;
    }
    stored = header.checksum;
    if (header.is_commit()) last_commit = frame;
  }
  return last_commit;
}

// As above, behind the bad frame `bad`: its page or its checksum may be what is wrong.
std::uint64_t last_commit_behind_bad(Frames& frames, std::uint64_t bad,
                                     const format::WalHeader& header, RunContext& context) {
  WalChecksum previous = header.checksum;
  if (bad > 1) {
    if (!frames.load(bad - 1)) return 0;
    previous = frames.header().checksum;
  }
  if (!frames.load(bad)) return 0;
  const WalChecksum stored = frames.header().checksum;
  const WalChecksum computed = frames.computed(previous);
  const std::uint64_t last = last_commit_behind(frames, bad, stored, header.salt, context);
  return last != 0 ? last : last_commit_behind(frames, bad, computed, header.salt, context);
}

void report_lost(std::uint64_t bad, std::uint64_t last, const std::string& what,
                 StepReport& found) {
  found.findings.push_back(what + ": the commits up to frame " + std::to_string(last) +
                           " are lost, from frame " + std::to_string(bad) + " on");
}

// A header that SQLite does not accept takes the whole WAL away.
void check_without_header(const LiveFiles& files, const SourceFacts& facts, RunContext& context,
                          VerifyReport& report, StepReport& found) {
  const std::string issue(format::to_string(facts.wal_header.issue));
  if (facts.header) {
    for (const bool big_endian : {false, true}) {
      Frames frames(files, facts.header->page_size_bytes, big_endian);
      // Whether frame 1 is whole only a sound header can tell; the frames behind it can.
      if (!frames.load(1)) break;
      const std::uint64_t last =
          last_commit_behind(frames, 1, frames.header().checksum, std::nullopt, context);
      if (last != 0) {
        report_lost(1, last, "the WAL's header is damaged (" + issue + ")", found);
        return;
      }
    }
  }
  report.notes.push_back("the WAL's header is not valid (" + issue +
                         "): SQLite takes the WAL for empty");
}

// The wal-index that was left behind remembers how many frames were committed.
void check_against_index(const LiveFiles& files, const WalScan& scan, StepReport& found) {
  std::array<std::byte, format::kWalIndexHeaderSizeBytes> bytes{};
  const std::size_t got = files.read(SourceFile::shm, bytes, 0);
  const auto index = format::parse_wal_index_header(format::Bytes(bytes).first(got));
  if (!index || index->salt != scan.header->salt || scan.zero_salts_follow) return;
  if (index->mx_frame > scan.committed.frames) {
    found.findings.push_back("the wal-index says that " + std::to_string(index->mx_frame) +
                             " frames are committed, but only " +
                             std::to_string(scan.committed.frames) + " are whole");
  }
}

void add_facts(const WalScan& scan, std::uint64_t size_bytes, VerifyReport& report) {
  const std::uint32_t page_size = scan.header->page_size_bytes;
  const auto add = [&report](const char* name, std::uint64_t value) {
    report.facts.emplace_back(name, std::to_string(value));
  };
  add("wal_frames", format::wal_frames_in(size_bytes, page_size));
  add("wal_valid_frames", scan.valid_frames);
  add("wal_committed_frames", scan.committed.frames);
  report.facts.emplace_back("wal_salt", std::to_string(scan.header->salt.salt1) + "," +
                                            std::to_string(scan.header->salt.salt2));
}

}  // namespace

void check_wal(const LiveFiles& files, const SourceFacts& facts, RunContext& context,
               VerifyReport& report, StepReport& found) {
  if (facts.wal_size_bytes() == 0) {
    found.verdict = StepVerdict::skipped;
    found.findings.emplace_back("there is none");
    return;
  }
  if (!facts.wal_header) {
    check_without_header(files, facts, context, report, found);
    return;
  }
  if (facts.header && facts.header->page_size_bytes != facts.wal_header->page_size_bytes) {
    found.verdict = StepVerdict::could_not_check;
    found.findings.push_back("its pages have " + std::to_string(facts.wal_header->page_size_bytes) +
                             " bytes, those of the database " +
                             std::to_string(facts.header->page_size_bytes) +
                             ": it belongs to another database");
    return;
  }
  const WalScan scan =
      scan_wal(files.fd_of(SourceFile::wal), files.path_of(SourceFile::wal), context);
  // A writer may have started the WAL anew meanwhile: what was read is then of two generations.
  if (!scan.header || !facts.at_rest()) {
    report.notes.emplace_back(
        "the WAL is in use: what stands behind its last commit was not judged");
    if (scan.header) add_facts(scan, files.stat(SourceFile::wal).size_bytes, report);
    return;
  }
  add_facts(scan, facts.wal_size_bytes(), report);
  Frames frames(files, scan.header->page_size_bytes, scan.header->big_endian_checksum);
  const std::uint64_t bad = scan.valid_frames + 1;
  const std::uint64_t last = last_commit_behind_bad(frames, bad, *scan.header, context);
  if (last != 0) report_lost(bad, last, "frame " + std::to_string(bad) + " is damaged", found);
  if (last == 0) check_against_index(files, scan, found);
  if (scan.zero_salts_follow) {
    report.notes.emplace_back(
        "frames without checksums follow, as SQLite up to 3.49.2 can leave them: nothing tells "
        "whether they are committed");
  }
}

}  // namespace sqlbk::checkpoint
