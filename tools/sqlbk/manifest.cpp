#include "manifest.hpp"

#include <array>
#include <cstdint>
#include <fcntl.h>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "json_output.hpp"
#include "print.hpp"
#include "proof_json.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "text_file.hpp"

namespace sqlbk::tool {
namespace {

constexpr const char* kWhat = "the manifest";
constexpr int kSchema = 1;
constexpr std::uint64_t kMostBytes = 16U << 20U;

Existing existing(bool force) {
  return force ? Existing::replace : Existing::refuse;
}

nlohmann::json manifest_of(const Report& report) {
  const nlohmann::json all = to_json(report);
  nlohmann::json object{
      {"sqlbk_manifest", kSchema},
      {"written", now_in_utc()},
      {"versions", {{"sqlbk", SQLBK_VERSION}, {"sqlite", sqlite::library_version()}}}};
  object["source"] = {{"path", report.source},
                      {"device", report.source_identity.device},
                      {"inode", report.source_identity.inode},
                      {"size_bytes", report.source_identity.size_bytes},
                      {"wal_size_bytes", report.source_identity.wal_size_bytes},
                      {"ctime_ns", report.source_identity.ctime_ns},
                      {"wal_ctime_ns", report.source_identity.wal_ctime_ns},
                      {"change_counter", report.change_counter},
                      {"schema_cookie", report.schema_cookie}};
  object["copy"] = {
      {"path", report.destination},
      {"page_size_bytes", report.page_size_bytes},
      {"pages", report.page_size_bytes == 0 ? 0 : report.size_bytes / report.page_size_bytes},
      {"size_bytes", report.size_bytes},
      {"wal_size_bytes", report.wal_size_bytes},
      {"sha256", report.sha256},
      {"wal_sha256", report.wal_sha256}};
  for (const char* name : {"strategy", "verdict", "assumptions", "warnings", "proof", "attempts",
                           "steps", "times_ms"}) {
    object[name] = all[name];
  }
  return object;
}

[[noreturn]] void throw_no_manifest(const std::string& path, const std::string& why) {
  throw Error(Errc::usage, sqlbk::quoted(path) + " is not a manifest of sqlbk: " + why)
      .with_path(path)
      .with_hint("name a file that 'sqlbk copy --manifest' has written");
}

std::optional<Verdict> verdict_of(std::string_view name) {
  for (const Verdict verdict : {Verdict::none, Verdict::snapshot, Verdict::proven, Verdict::at_rest,
                                Verdict::recovered, Verdict::assumed, Verdict::unproven}) {
    if (to_string(verdict) == name) return verdict;
  }
  return std::nullopt;
}

// Which state of the source was copied.
checkpoint::SourcePosition position_in(const nlohmann::json& manifest, const std::string& path) {
  const nlohmann::json& source = manifest.at("source");
  checkpoint::SourcePosition position;
  position.files.device = source.at("device").get<std::uint64_t>();
  position.files.inode = source.at("inode").get<std::uint64_t>();
  position.files.size_bytes = source.at("size_bytes").get<std::uint64_t>();
  position.files.wal_size_bytes = source.at("wal_size_bytes").get<std::uint64_t>();
  position.files.ctime_ns = source.at("ctime_ns").get<std::int64_t>();
  position.files.wal_ctime_ns = source.at("wal_ctime_ns").get<std::int64_t>();
  position.change_counter = source.at("change_counter").get<std::uint32_t>();
  const std::optional<Verdict> verdict = verdict_of(manifest.at("verdict").get<std::string>());
  const std::optional<ParsedProof> proof = parse_proof(manifest.at("proof"));
  if (!verdict || !proof) throw_no_manifest(path, "its verdict or proof is not one of sqlbk's");
  position.verdict = *verdict;
  position.wal = proof->wal;
  return position;
}

}  // namespace

void check_manifest_path(const std::string& path, const CopyRequest& request) {
  const std::array databases{request.source,
                             resolve_destination(request.source, request.destination)};
  check_text_file(kWhat, path, existing(request.target.force), databases);
}

void write_manifest(const std::string& path, const Report& report, bool force) {
  // Once more: two names of one file may differ in case, and now there is the copy.
  check_text_file(kWhat, path, existing(force), {});
  write_text_file(kWhat, path, json_text(manifest_of(report), 2) + '\n', existing(force));
}

checkpoint::ExpectedCopy read_manifest(const std::string& path) {
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY, 0, path);
  const FileStat stat = stat_of(fd.get(), path);
  if (!stat.is_regular() || stat.size_bytes > kMostBytes)
    throw_no_manifest(path, "not such a file");
  std::string text(static_cast<std::size_t>(stat.size_bytes), '\0');
  text.resize(read_up_to(fd.get(), std::as_writable_bytes(std::span(text)), 0, path));
  try {
    const nlohmann::json object = nlohmann::json::parse(text);
    if (object.at("sqlbk_manifest").get<int>() != kSchema) {
      throw_no_manifest(path, "its schema has another number");
    }
    const nlohmann::json& copy = object.at("copy");
    checkpoint::ExpectedCopy expected;
    expected.size_bytes = copy.at("size_bytes").get<std::uint64_t>();
    expected.wal_size_bytes = copy.at("wal_size_bytes").get<std::uint64_t>();
    expected.page_size_bytes = copy.at("page_size_bytes").get<std::uint32_t>();
    expected.sha256 = copy.at("sha256").get<std::string>();
    expected.wal_sha256 = copy.at("wal_sha256").get<std::string>();
    expected.source = position_in(object, path);
    return expected;
  } catch (const nlohmann::json::parse_error&) {
    throw_no_manifest(path, "it is not JSON");
  } catch (const nlohmann::json::exception&) {
    throw_no_manifest(path, "a field is missing or of another type");
  }
}

}  // namespace sqlbk::tool
