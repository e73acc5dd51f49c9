#include "inspection_json.hpp"

#include <nlohmann/json.hpp>

#include "json_output.hpp"
#include "sqlbk/format/sqlite_version.hpp"

namespace sqlbk::tool {
namespace {

using nlohmann::json;

json files_json(const SourceFacts& facts) {
  json files = json::array();
  const auto add = [&files, &facts](SourceFile file, const std::optional<FileStat>& stat) {
    if (!stat) return;
    files.push_back({{"name", name_of(file)},
                     {"path", facts.main_path + std::string(suffix_of(file))},
                     {"size_bytes", stat->size_bytes}});
  };
  add(SourceFile::main, facts.main);
  add(SourceFile::wal, facts.wal);
  add(SourceFile::shm, facts.shm);
  add(SourceFile::journal, facts.journal);
  return files;
}

json header_json(const Inspection& found) {
  if (!found.header) return nullptr;
  const format::DbHeader& header = *found.header;
  return {{"from", found.header_is_in_wal ? "wal" : "main"},
          {"page_size_bytes", header.page_size_bytes},
          {"size_pages", found.size_pages},
          {"freelist_pages", header.freelist_pages},
          {"reserved_bytes", header.reserved_bytes},
          {"encoding", encoding(header)},
          {"auto_vacuum", auto_vacuum(header)},
          {"application_id", header.application_id},
          {"user_version", static_cast<std::int32_t>(header.user_version)},
          {"schema_cookie", header.schema_cookie},
          {"schema_format", header.schema_format},
          {"change_counter", header.change_counter},
          {"write_version", header.write_version},
          {"read_version", header.read_version},
          {"sqlite_version", format::version_text(header.sqlite_version)},
          {"sqlite_bugs", known_bugs(header)}};
}

json wal_json(const Inspection& found) {
  if (!found.wal) return nullptr;
  const WalContents& wal = *found.wal;
  return {{"header", wal.header ? "valid" : format::to_string(wal.header.issue)},
          {"salts", wal.header ? to_string(wal.header->salt) : ""},
          {"checkpoint_sequence", wal.header->checkpoint_sequence},
          {"byte_order", wal.header->big_endian_checksum ? "big" : "little"},
          {"page_size_bytes", wal.header->page_size_bytes},
          {"valid_frames", wal.valid_frames},
          {"commits", wal.commits},
          {"committed_frames", wal.committed_frames},
          {"committed_size_pages", wal.committed_size_pages},
          {"unchained_frames", wal.unchained_frames},
          {"zero_salt_frames", wal.zero_salt_frames},
          {"older_frames", wal.older_frames},
          {"torn", wal.has_torn_frame},
          {"settled", wal.is_settled}};
}

json index_json(const std::optional<format::WalIndexHeader>& index) {
  if (!index) return nullptr;
  return {{"salts", to_string(index->salt)},
          {"mx_frame", index->mx_frame},
          {"size_pages", index->size_pages},
          {"backfilled_frames", index->backfilled_frames}};
}

std::string_view answer_name(WalResetBugAnswer answer) {
  switch (answer) {
    case WalResetBugAnswer::not_asked:
      return "not_asked";
    case WalResetBugAnswer::sound:
      return "sound";
    case WalResetBugAnswer::changed:
      return "changed";
    case WalResetBugAnswer::struck:
      return "struck";
  }
  return "unknown";
}

json finding_json(const WalResetBugFinding& finding) {
  if (finding.answer == WalResetBugAnswer::not_asked) return nullptr;
  const auto page = [&finding]() -> json {
    if (!finding.missing) return nullptr;
    return {{"page_number", finding.missing->page_number}, {"frame", finding.missing->frame}};
  };
  return {{"answer", answer_name(finding.answer)},
          {"mx_frame", finding.mx_frame},
          {"backfilled_frames", finding.backfilled_frames},
          {"missing_page", page()}};
}

json users_json(const OpenFiles& open) {
  json users = json::array();
  for (const FileUser& user : open.users) {
    json files = json::array();
    for (const SourceFile file : user.files) files.push_back(name_of(file));
    users.push_back({{"pid", user.pid}, {"program", user.program}, {"files", files}});
  }
  return users;
}

json locks_json(const std::vector<NamedLock>& locks) {
  json rows = json::array();
  for (const NamedLock& lock : locks) {
    rows.push_back({{"file", name_of(lock.file)},
                    {"name", lock.name},
                    {"mode", lock.is_write ? "write" : "read"},
                    {"pid", lock.pid},
                    {"program", lock.program}});
  }
  return rows;
}

std::string_view kind_name(FileSystemKind kind) {
  switch (kind) {
    case FileSystemKind::local:
      return "local";
    case FileSystemKind::overlay:
      return "overlay";
    case FileSystemKind::fuse:
      return "fuse";
    case FileSystemKind::network:
      return "network";
  }
  return "unknown";
}

json plan_json(const CopyPlan& plan) {
  const int exit_code = plan.refusal ? errc_info(plan.refusal->code()).exit_code : 0;
  return {{"decisions", plan.decisions},
          {"exit_code", exit_code},
          {"refusal", plan.refusal ? to_json(*plan.refusal) : json(nullptr)}};
}

}  // namespace

json to_json(const Inspection& found) {
  return {{"path", found.facts.main_path},
          {"files", files_json(found.facts)},
          {"header", header_json(found)},
          {"journal_mode", journal_mode(found)},
          {"wal", wal_json(found)},
          {"wal_index", index_json(found.wal_index)},
          {"wal_reset_bug", finding_json(found.wal_reset_bug)},
          {"journal",
           {{"state", journal_state(found.facts)},
            {"names_super_journal", found.facts.names_super_journal}}},
          {"users", users_json(found.open)},
          {"unseen_processes", found.open.unseen_processes},
          {"locks", locks_json(found.locks)},
          {"file_system",
           {{"name", found.facts.file_system.name},
            {"kind", kind_name(found.facts.file_system.kind)},
            {"reflink", to_string(found.reflink)}}},
          {"copy", plan_json(found.plan)},
          {"warnings", found.warnings}};
}

json empty_inspection_json() {
  return {{"path", ""},
          {"files", json::array()},
          {"header", nullptr},
          {"journal_mode", ""},
          {"wal", nullptr},
          {"wal_index", nullptr},
          {"wal_reset_bug", nullptr},
          {"journal", nullptr},
          {"users", json::array()},
          {"unseen_processes", 0},
          {"locks", json::array()},
          {"file_system", nullptr},
          {"copy", nullptr},
          {"warnings", json::array()}};
}

}  // namespace sqlbk::tool
