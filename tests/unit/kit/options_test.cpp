#include "kit/options.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sqlbk/core/error.hpp"

namespace sqlbk::kit {
namespace {

using Arguments = std::vector<std::string>;

Errc code_of_parsing(const Arguments& arguments) {
  try {
    static_cast<void>(parse_live_writer_options(arguments));
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return Errc::io_error;
}

TEST(LiveWriterOptions, EveryOptionComesBackFromItsText) {
  const Arguments all{"--db",
                      "/d/x.db",
                      "--role",
                      "checkpointer",
                      "--writer-id",
                      "7",
                      "--seed",
                      "9",
                      "--vfs",
                      "unix-excl",
                      "--journal-mode",
                      "persist",
                      "--locking",
                      "exclusive",
                      "--synchronous",
                      "full",
                      "--busy-timeout-ms",
                      "250",
                      "--cache-pages",
                      "10",
                      "--autocheckpoint",
                      "0",
                      "--journal-size-limit",
                      "4096",
                      "--chunk-size",
                      "32768",
                      "--keep-wal",
                      "--rows",
                      "33",
                      "--vary-rows",
                      "--savepoints",
                      "--rollbacks",
                      "--log-rows",
                      "50",
                      "--breathe-every",
                      "16",
                      "--breath-pages",
                      "100",
                      "--pause-us",
                      "1500",
                      "--transactions",
                      "12",
                      "--after-last",
                      "hold",
                      "--checkpoint",
                      "restart",
                      "--checkpoint-every-ms",
                      "5",
                      "--variant",
                      "failed-statement",
                      "--status",
                      "/d/status",
                      "--die-with-parent"};
  const LiveWriterOptions options = parse_live_writer_options(all);
  EXPECT_EQ(options.role, Role::checkpointer);
  EXPECT_EQ(options.journal_mode, JournalMode::persist);
  EXPECT_EQ(options.busy_timeout, std::chrono::milliseconds(250));
  EXPECT_EQ(options.autocheckpoint_frames, 0U);
  EXPECT_EQ(options.transaction.rows, 33U);
  EXPECT_EQ(format_live_writer_options(options), all);
}

TEST(LiveWriterOptions, WhatIsNotSetIsNotPassedOn) {
  LiveWriterOptions options;
  options.database = "x";
  EXPECT_EQ(format_live_writer_options(options), (Arguments{"--db", "x"}));
}

TEST(LiveWriterOptions, RefusesWhatItCannotDo) {
  EXPECT_EQ(code_of_parsing({}), Errc::usage);
  EXPECT_EQ(code_of_parsing({"--db"}), Errc::usage);
  EXPECT_EQ(code_of_parsing({"--db", "x", "--bogus"}), Errc::usage);
  EXPECT_EQ(code_of_parsing({"--db", "x", "--rows", "many"}), Errc::usage);
  EXPECT_EQ(code_of_parsing({"--db", "x", "--rows", "-1"}), Errc::usage);
  EXPECT_EQ(code_of_parsing({"--db", "x", "--journal-mode", "WAL2"}), Errc::usage);
  EXPECT_EQ(code_of_parsing({"--db", "x", "--role", "checkpointer"}), Errc::usage);
  EXPECT_EQ(code_of_parsing({"--db", "x", "--journal-mode", "off", "--rollbacks"}), Errc::usage);
  EXPECT_EQ(code_of_parsing({"--db", "x", "--after-last", "exit"}), Errc::usage);
}

TEST(LiveWriterOptions, HelpNamesEveryOption) {
  const std::string help = live_writer_help();
  LiveWriterOptions options;
  EXPECT_TRUE(parse_live_writer_options(Arguments{"--help"}).help);
  for (const char* name : {"--db ", "--status ", "--savepoints ", "--die-with-parent "}) {
    EXPECT_NE(help.find(name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace sqlbk::kit
