#include "inspection_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "print.hpp"
#include "sqlbk/core/printable.hpp"
#include "sqlbk/format/sqlite_version.hpp"

namespace sqlbk::tool {
namespace {

constexpr std::size_t kLabelWidth = 16;
// Longer than most programs' names together with their process ids.
constexpr std::size_t kProcessWidth = 26;

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size() + 1, width), ' ');
  return text;
}

class Page {
 public:
  explicit Page(TextOutput& out) : out_(out) {}

  void section(std::string_view title) {
    if (!std::exchange(is_first_, false)) out_ << '\n';
    out_ << title << '\n';
  }
  void row(const std::string& label, const std::string& value, std::size_t width = kLabelWidth) {
    out_ << "  " << padded(label, width) << value << '\n';
  }
  void line(const std::string& text) { out_ << "  " << text << '\n'; }

 private:
  TextOutput& out_;
  bool is_first_ = true;
};

std::string hexadecimal(std::uint32_t value) {
  std::array<char, 16> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "0x%08x", value));
  return text.data();
}

std::string counted(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
}

std::string size_text(std::uint64_t bytes) {
  std::string text = std::to_string(bytes) + " bytes";
  if (bytes >= 1024) text += " (" + format_bytes(bytes) + ')';
  return text;
}

void print_files(Page& page, const SourceFacts& facts) {
  page.section("database " + quoted(facts.given_path));
  page.row("path", facts.main_path);
  const auto file = [&page](SourceFile which, const std::optional<FileStat>& stat) {
    const std::string label = which == SourceFile::main ? "main" : std::string(suffix_of(which));
    if (stat) page.row(label, size_text(stat->size_bytes));
  };
  file(SourceFile::main, facts.main);
  file(SourceFile::wal, facts.wal);
  file(SourceFile::shm, facts.shm);
  file(SourceFile::journal, facts.journal);
}

std::string journal_mode_text(const Inspection& found) {
  const std::string_view mode = journal_mode(found);
  if (mode == "wal") return "wal";
  if (mode == "rollback") return "rollback (delete, memory or off, or not to be told)";
  return "rollback (" + std::string(mode) + ", by the journal that lies there)";
}

void print_header(Page& page, const Inspection& found) {
  page.row("journal mode", journal_mode_text(found));
  if (!found.header) {
    page.row("pages", "0: an empty database");
    return;
  }
  const format::DbHeader& header = *found.header;
  page.row("page size", size_text(header.page_size_bytes) +
                            (header.reserved_bytes == 0
                                 ? ""
                                 : ", " + std::to_string(header.reserved_bytes) + " reserved"));
  page.row("pages", std::to_string(found.size_pages) + ", " +
                        std::to_string(header.freelist_pages) + " of them free");
  page.row("encoding", std::string(encoding(header)));
  page.row("auto_vacuum", std::string(auto_vacuum(header)));
  page.row("application id", hexadecimal(header.application_id));
  page.row("user version", std::to_string(static_cast<std::int32_t>(header.user_version)));
  page.row("schema", "cookie " + std::to_string(header.schema_cookie) + ", format " +
                         std::to_string(header.schema_format));
  const std::string version = format::version_text(header.sqlite_version);
  page.row("written by", version.empty() ? "not told" : "SQLite " + version);
  if (found.header_is_in_wal) page.row("", "all this as of the newest commit, in the WAL");
}

void print_rest_of_wal(Page& page, const WalContents& wal) {
  std::vector<std::string> lines;
  if (wal.has_torn_frame) lines.emplace_back("a frame that is torn, or being written");
  const auto add = [&lines](std::uint64_t count, const std::string& what) {
    if (count != 0) lines.push_back(counted(count, "frame") + what);
  };
  add(wal.zero_salt_frames, " without salts and checksums");
  add(wal.unchained_frames, " of this generation, out of its chain");
  add(wal.older_frames, " of earlier generations");
  for (const std::string& line : lines) page.row(&line == lines.data() ? "behind these" : "", line);
}

void print_wal(Page& page, const Inspection& found) {
  if (!found.wal) return;
  const WalContents& wal = *found.wal;
  page.section("write-ahead log");
  if (!wal.header) {
    page.row("header", std::string(format::to_string(wal.header.issue)) + ": holds nothing");
    return;
  }
  page.row("generation", to_string(wal.header->salt) + ", checkpoint sequence " +
                             std::to_string(wal.header->checkpoint_sequence) + ", checksums " +
                             (wal.header->big_endian_checksum ? "big" : "little") + "-endian");
  page.row("valid", counted(wal.valid_frames, "frame"));
  page.row("committed",
           counted(wal.committed_frames, "frame") + " in " + counted(wal.commits, "transaction"));
  print_rest_of_wal(page, wal);
  if (!found.wal_index) return;
  const format::WalIndexHeader& index = *found.wal_index;
  page.row("wal-index", "mxFrame " + std::to_string(index.mx_frame) + ", nBackfill " +
                            std::to_string(index.backfilled_frames));
  if (index.salt != wal.header->salt) {
    page.row("", "for the next generation, " + to_string(index.salt) + ", not in the file yet");
  }
  if (found.wal_reset_bug.answer == WalResetBugAnswer::struck) {
    page.row("damage", "SQLite's WAL-reset bug has struck: " + numbers_of(found.wal_reset_bug));
  }
}

void print_journal(Page& page, const SourceFacts& facts) {
  if (!facts.journal) return;
  page.section("rollback journal");
  const std::string_view state = journal_state(facts);
  std::string text(state);
  if (state == "hot") text += ": its transaction was not finished; the next to open rolls it back";
  if (state == "active") text += ": a transaction is under way";
  page.row("state", text);
  if (facts.names_super_journal) page.row("", "names a super-journal");
}

std::string process_text(int pid, const std::string& program) {
  if (pid <= 0) return "not told";
  return std::to_string(pid) + ' ' + printable(program);
}

void print_users(Page& page, const OpenFiles& open) {
  page.section("opened by");
  for (const FileUser& user : open.users) {
    std::string files;
    for (const SourceFile file : user.files) {
      if (!files.empty()) files += ' ';
      files += file == SourceFile::main ? "main" : suffix_of(file);
    }
    page.row(process_text(user.pid, user.program), files, kProcessWidth);
  }
  if (open.users.empty()) page.line("nobody that could be seen");
  if (open.unseen_processes != 0) {
    page.line(std::to_string(open.unseen_processes) + " process" +
              (open.unseen_processes == 1 ? "" : "es") +
              " of other users could not be looked into");
  }
}

void print_locks(Page& page, const std::vector<NamedLock>& locks) {
  page.section("locks");
  for (const NamedLock& lock : locks) {
    page.row(process_text(lock.pid, lock.program),
             padded(std::string(lock.name), 13) + (lock.is_write ? "write" : "read"),
             kProcessWidth);
  }
  if (locks.empty()) page.line("none");
}

std::string reflink_text(ReflinkSupport support) {
  switch (support) {
    case ReflinkSupport::no:
      return "no: the file system cannot";
    case ReflinkSupport::likely:
      return "likely: the file system can, if it was made so; only a try tells";
    case ReflinkSupport::unknown:
      return "unknown: only a try tells";
  }
  return "unknown";
}

void print_file_system(Page& page, const Inspection& found) {
  page.section("file system");
  const FileSystem& system = found.facts.file_system;
  std::string text = system.name;
  if (system.kind == FileSystemKind::overlay) text += ", a layer over another";
  if (system.kind == FileSystemKind::fuse) text += ", served by a program";
  if (system.kind == FileSystemKind::network) text += ", which another kernel may write";
  page.row("name", text);
  page.row("reflink", reflink_text(found.reflink));
}

void print_plan(Page& page, const CopyPlan& plan) {
  page.section("sqlbk copy");
  for (const std::string& decision : plan.decisions) page.line(decision);
  if (!plan.refusal) return;
  page.line("refused, exit " + std::to_string(errc_info(plan.refusal->code()).exit_code) + ": " +
            plan.refusal->what());
  if (!plan.refusal->hint().empty()) page.line("hint: " + std::string(plan.refusal->hint()));
}

}  // namespace

void print_inspection(TextOutput& out, const Inspection& inspection) {
  Page page(out);
  print_files(page, inspection.facts);
  print_header(page, inspection);
  print_wal(page, inspection);
  print_journal(page, inspection.facts);
  print_users(page, inspection.open);
  print_locks(page, inspection.locks);
  print_file_system(page, inspection);
  print_plan(page, inspection.plan);
  if (inspection.warnings.empty()) return;
  page.section("warnings");
  for (const std::string& warning : inspection.warnings) page.line(warning);
}

}  // namespace sqlbk::tool
