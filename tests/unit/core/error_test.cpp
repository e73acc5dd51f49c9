#include "sqlbk/core/error.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "errors.hpp"
#include "files.hpp"

namespace sqlbk {
namespace {

TEST(ErrorTable, IsInTheOrderOfTheEnum) {
  ASSERT_EQ(errc_table().size(), static_cast<std::size_t>(Errc::interrupted) + 1);
  for (std::size_t i = 0; i < errc_table().size(); ++i) {
    EXPECT_EQ(errc_table()[i].code, static_cast<Errc>(i)) << errc_table()[i].name;
    EXPECT_EQ(&errc_info(static_cast<Errc>(i)), &errc_table()[i]);
  }
}

TEST(ErrorTable, NamesAreUniqueAndFitIntoJson) {
  std::set<std::string_view> names;
  for (const ErrcInfo& row : errc_table()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos)
        << row.name;
  }
}

TEST(ErrorTable, RowsAreComplete) {
  const std::set<int> exit_codes{1, 2, 3, 4, 5, 6, 130};
  for (const ErrcInfo& row : errc_table()) {
    EXPECT_TRUE(exit_codes.contains(row.exit_code)) << row.name;
    EXPECT_FALSE(row.meaning.empty()) << row.name;
    EXPECT_FALSE(row.hint.empty()) << row.name;
    EXPECT_FALSE(row.meaning.ends_with('.')) << row.name;
    EXPECT_EQ(row.meaning.find('\n'), std::string_view::npos) << row.name;
  }
}

// design.md, section 4: what a script that calls sqlbk relies on.
TEST(ErrorTable, ExitCodesAreAsPromised) {
  const std::map<int, std::set<Errc>> promised{
      {2, {Errc::usage}},
      {3, {Errc::damaged, Errc::wal_reset_bug}},
      {4,
       {Errc::source_changed, Errc::source_busy, Errc::assumption_refused,
        Errc::lock_budget_exceeded, Errc::deadline_exceeded, Errc::unsuitable,
        Errc::frames_without_checksum}},
      {5, {Errc::destination_exists, Errc::destination_in_use}},
      {6, {Errc::not_a_database, Errc::unsupported_database, Errc::unsupported_file_system}},
      {130, {Errc::interrupted}}};
  std::map<int, std::set<Errc>> found;
  for (const ErrcInfo& row : errc_table()) {
    if (row.exit_code != 1) found[row.exit_code].insert(row.code);
  }
  EXPECT_EQ(found, promised);
}

std::string without(std::string text, char unwanted) {
  std::erase(text, unwanted);
  return text;
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? ""
                                    : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// Rows of a Markdown table whose first cell is a code: "| `no_space` | 1 | … |".
TEST(ErrorTable, IsTheDocumentedOne) {
  const char* root = std::getenv("SQLBK_SOURCE_ROOT");
  ASSERT_NE(root, nullptr) << "SQLBK_SOURCE_ROOT is not set";
  const std::string path = std::string(root) + "/docs/exit-codes.md";
  ASSERT_TRUE(test::is_there(path)) << path;
  std::istringstream file(test::read_text(path));
  std::map<std::string, std::string> documented;
  for (std::string line; std::getline(file, line);) {
    std::istringstream cells(line);
    std::string before, code, exit, meaning;
    if (!std::getline(cells, before, '|') || !std::getline(cells, code, '|') ||
        !std::getline(cells, exit, '|') || !std::getline(cells, meaning, '|')) {
      continue;
    }
    code = trimmed(without(code, '`'));
    if (code.empty() ||
        code.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos) {
      continue;
    }
    exit = trimmed(without(exit, '`'));
    if (exit.empty() || exit.find_first_not_of("0123456789") != std::string::npos) continue;
    EXPECT_TRUE(documented.emplace(code, exit).second) << code << " twice";
    EXPECT_FALSE(trimmed(meaning).empty()) << code;
  }
  std::map<std::string, std::string> expected;
  for (const ErrcInfo& row : errc_table()) {
    expected.emplace(row.name, std::to_string(row.exit_code));
  }
  EXPECT_EQ(documented, expected);
}

TEST(ErrorTest, CarriesWhatItIsGiven) {
  Error error(Errc::no_space, "no room");
  EXPECT_STREQ(error.what(), "no room");
  EXPECT_EQ(error.code(), Errc::no_space);
  EXPECT_EQ(error.os_errno(), 0);
  EXPECT_EQ(error.sqlite_extended_code(), 0);
  EXPECT_EQ(error.path(), "");
  EXPECT_EQ(error.hint(), errc_info(Errc::no_space).hint);
  error.with_path("a").with_errno(ENOSPC).with_sqlite_code(13).with_hint("sweep");
  EXPECT_EQ(error.path(), "a");
  EXPECT_EQ(error.os_errno(), ENOSPC);
  EXPECT_EQ(error.sqlite_extended_code(), 13);
  EXPECT_EQ(error.hint(), "sweep");
}

Error with_all_fields() {
  Error error(Errc::no_space, "no room");
  error.with_path("a").with_errno(ENOSPC).with_sqlite_code(13).with_hint("sweep");
  error.with_source("source").with_destination("destination");
  return error;
}

void expect_all_fields(const Error& error, Errc code = Errc::no_space) {
  EXPECT_EQ(error.code(), code);
  EXPECT_EQ(error.path(), "a");
  EXPECT_EQ(error.os_errno(), ENOSPC);
  EXPECT_EQ(error.sqlite_extended_code(), 13);
  EXPECT_EQ(error.hint(), "sweep");
  EXPECT_EQ(error.source(), "source");
  EXPECT_EQ(error.destination(), "destination");
}

TEST(ErrorTest, ContextGoesBeforeTheMessageAndChangesNothingElse) {
  Error error = with_all_fields();
  error.add_context("unable to pack").add_context("unable to travel");
  EXPECT_STREQ(error.what(), "unable to travel: unable to pack: no room");
  expect_all_fields(error);
}

TEST(ErrorTest, AnotherCodeChangesNothingElse) {
  Error error = with_all_fields();
  error.with_code(Errc::damaged);
  EXPECT_STREQ(error.what(), "no room");
  expect_all_fields(error, Errc::damaged);
}

TEST(ErrorTest, AHintOfItsOwnIsToldFromThatOfItsCode) {
  Error error(Errc::no_space, "no room");
  EXPECT_FALSE(error.has_own_hint());
  error.with_code(Errc::damaged);
  EXPECT_EQ(error.hint(), errc_info(Errc::damaged).hint);
  error.with_hint(std::string(errc_info(Errc::damaged).hint));
  EXPECT_TRUE(error.has_own_hint());
}

TEST(ErrorTest, WhatIsAddedOnTheWayUpArrives) {
  try {
    try {
      throw with_all_fields();
    } catch (Error& error) {
      error.add_context("unable to travel");
      throw;
    }
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "unable to travel: no room");
    expect_all_fields(error);
  }
}

TEST(SystemError, ChoosesTheCodeThatFits) {
  const auto code = [](int os_errno) { return system_error("open", "x", os_errno).code(); };
  EXPECT_EQ(code(ENOSPC), Errc::no_space);
  EXPECT_EQ(code(EDQUOT), Errc::no_space);
  EXPECT_EQ(code(EACCES), Errc::permission_denied);
  EXPECT_EQ(code(EPERM), Errc::permission_denied);
  EXPECT_EQ(code(EROFS), Errc::permission_denied);
  EXPECT_EQ(code(EIO), Errc::io_error);
  EXPECT_EQ(code(ENOENT), Errc::io_error);
}

TEST(SystemError, SaysWhatWithWhichFileAndWhy) {
  const Error error = system_error("open", "/a b", EACCES);
  EXPECT_STREQ(error.what(), "unable to open '/a b': Permission denied");
  EXPECT_EQ(error.path(), "/a b");
  EXPECT_EQ(error.os_errno(), EACCES);
}

TEST(Quoted, EscapesControlBytesOnly) {
  EXPECT_EQ(sqlbk::quoted(""), "''");
  EXPECT_EQ(sqlbk::quoted("plain \xc3\xa4"), "'plain \xc3\xa4'");
  EXPECT_EQ(sqlbk::quoted("a\nb\x1b[0m\x7f\t"), "'a\\x0ab\\x1b[0m\\x7f\\x09'");
  EXPECT_EQ(sqlbk::quoted(std::string("\0", 1)), "'\\x00'");
}

}  // namespace
}  // namespace sqlbk
