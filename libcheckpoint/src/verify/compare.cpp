// Does one state hold what another holds? Equal pages are equal content; else schema and rows are
// compared: pages differ also after a VACUUM, a change of the page size, or a checkpoint.
#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "sqlbk/core/error.hpp"
#include "sqlbk/format/db_header.hpp"
#include "verify/checks.hpp"
#include "verify/table_hash.hpp"

namespace sqlbk::checkpoint {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20U;
constexpr std::size_t kVersionValidForOffset = 92;

// What of the first page says how the file is written, not what it holds.
void blank_out_modes(std::span<std::byte> start) {
  const auto blank = [start](std::size_t offset, std::size_t size) {
    if (start.size() >= offset + size) std::ranges::fill(start.subspan(offset, size), std::byte{0});
  };
  blank(format::kDbWriteVersionOffset, 2);
  blank(format::kDbChangeCounterOffset, 4);
  blank(kVersionValidForOffset, 8);
}

bool have_equal_pages(const CheckedState& one, const CheckedState& other, RunContext& context) {
  if (one.size_bytes() != other.size_bytes()) return false;
  std::vector<std::byte> left(kBlockBytes);
  std::vector<std::byte> right(kBlockBytes);
  for (std::uint64_t offset = 0; offset < one.size_bytes(); offset += kBlockBytes) {
    context.tick();
    const auto got = std::span(left).first(one.read(left, offset));
    const auto other_got = std::span(right).first(other.read(right, offset));
    if (offset == 0) {
      blank_out_modes(got);
      blank_out_modes(other_got);
    }
    if (!std::ranges::equal(got, other_got)) return false;
  }
  return true;
}

// Type and name to what it is made by.
using Schema = std::map<std::pair<std::string, std::string>, std::string>;

Schema schema_of(sqlite::Connection& connection) {
  Schema schema;
  sqlite::Statement rows(connection, "SELECT type, name, tbl_name, sql FROM sqlite_schema");
  while (rows.step()) {
    schema[{rows.text(0), rows.text(1)}] = rows.text(2) + ": " + rows.text(3);
  }
  return schema;
}

// Tables that hold rows of their own; those behind virtual tables are among them.
std::vector<std::string> tables_of(sqlite::Connection& connection) {
  std::vector<std::string> tables;
  sqlite::Statement rows(connection,
                         "SELECT name FROM pragma_table_list WHERE schema='main' AND type IN "
                         "('table', 'shadow') AND name<>'sqlite_schema' ORDER BY name");
  while (rows.step()) tables.push_back(rows.text(0));
  return tables;
}

void compare_schemas(const Schema& here, const Schema& there, StepReport& found) {
  for (const auto& [key, sql] : there) {
    const std::string what = key.first + " " + quoted(key.second);
    const auto same = here.find(key);
    if (same == here.end()) {
      found.findings.push_back(what + " is missing");
    } else if (same->second != sql) {
      found.findings.push_back(what + " is made in another way");
    }
  }
  for (const auto& [key, sql] : here) {
    if (!there.contains(key)) {
      found.findings.push_back(key.first + " " + quoted(key.second) + " is only in the copy");
    }
  }
}

// How many of the numbers of `one` are not in `other`; both sorted.
std::size_t only_in(const std::vector<std::uint64_t>& one,
                    const std::vector<std::uint64_t>& other) {
  std::vector<std::uint64_t> difference;
  std::ranges::set_difference(one, other, std::back_inserter(difference));
  return difference.size();
}

void compare_tables(const std::string& table, sqlite::Connection& here, sqlite::Connection& there,
                    RunContext& context, StepReport& found) {
  if (hash_table(here, table, context) == hash_table(there, table, context)) return;
  // Only now the rows one by one: eight bytes of memory for each.
  std::vector<std::uint64_t> ours;
  std::vector<std::uint64_t> theirs;
  hash_table(here, table, context, &ours);
  hash_table(there, table, context, &theirs);
  std::ranges::sort(ours);
  std::ranges::sort(theirs);
  found.findings.push_back("table " + quoted(table) + ": of " + std::to_string(theirs.size()) +
                           " rows " + std::to_string(only_in(theirs, ours)) +
                           " are missing or different, and " +
                           std::to_string(only_in(ours, theirs)) + " of " +
                           std::to_string(ours.size()) + " are only in the copy");
}

}  // namespace

void compare_states(const CheckedState& state, const CheckedState& wanted, RunContext& context,
                    StepReport& found) {
  if (have_equal_pages(state, wanted, context)) return;
  const ReaderVfs our_vfs(state, context.progress());
  const ReaderVfs their_vfs(wanted, context.progress());
  sqlite::Connection here = our_vfs.connect(context);
  sqlite::Connection there = their_vfs.connect(context);
  const Schema our_schema = schema_of(here);
  const Schema their_schema = schema_of(there);
  compare_schemas(our_schema, their_schema, found);
  const std::vector<std::string> our_tables = tables_of(here);
  for (const std::string& table : tables_of(there)) {
    const bool in_both = std::ranges::binary_search(our_tables, table);
    const std::pair key{std::string("table"), table};
    const auto ours = our_schema.find(key);
    const auto theirs = their_schema.find(key);
    // Of sqlite_sequence and the like the name is all that matters.
    const bool comparable =
        ours == our_schema.end() || theirs == their_schema.end() || ours->second == theirs->second;
    if (in_both && comparable) compare_tables(table, here, there, context, found);
  }
}

}  // namespace sqlbk::checkpoint
