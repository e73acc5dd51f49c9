#include "proof_json.hpp"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sqlbk::tool {
namespace {

WalPosition everything() {
  WalPosition wal;
  wal.salt = format::WalSalt{.salt1 = 0x0123abcd, .salt2 = 0xfedc4321};
  wal.frames = 17;
  wal.valid_frames = 18;
  wal.index_frames = 16;
  wal.resets = 2;
  wal.was_reset = true;
  return wal;
}

void expect_same(const WalPosition& a, const WalPosition& b) {
  EXPECT_EQ(a.salt, b.salt);
  EXPECT_EQ(a.frames, b.frames);
  EXPECT_EQ(a.valid_frames, b.valid_frames);
  EXPECT_EQ(a.index_frames, b.index_frames);
  EXPECT_EQ(a.resets, b.resets);
  EXPECT_EQ(a.was_reset, b.was_reset);
}

TEST(ProofJson, IsReadAsItIsWritten) {
  WalPosition little;
  little.frames = 3;
  for (const WalPosition& wal : {everything(), little, WalPosition{}}) {
    const auto parsed = parse_proof(proof_json(wal));
    ASSERT_TRUE(parsed && parsed->wal);
    expect_same(*parsed->wal, wal);
  }
}

TEST(ProofJson, OfNoWalIsEmpty) {
  EXPECT_EQ(proof_json(std::nullopt), nlohmann::json::object());
  const auto parsed = parse_proof(nlohmann::json::object());
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(parsed->wal);
}

TEST(ProofJson, HasTheNamesAndValuesOfTheDocumentation) {
  const nlohmann::json expected{
      {"wal_salts", "0123abcd-fedc4321"}, {"wal_frames", "17"}, {"wal_valid_frames", "18"},
      {"wal_index_mx_frame", "16"},       {"wal_resets", "2"},  {"wal_reset_during_copy", "true"}};
  EXPECT_EQ(proof_json(everything()), expected);
}

TEST(ProofJson, WhatIsNotWrittenSoIsNotTaken) {
  for (const auto& [name, value] : {std::pair{"wal_salts", "0123abcd"},
                                    {"wal_salts", "0123abcd-fedc432g"},
                                    {"wal_frames", "many"},
                                    {"wal_frames", ""},
                                    {"wal_frames", "17x"},
                                    {"wal_frames", "-1"},
                                    {"wal_index_mx_frame", "4294967296"},
                                    {"wal_resets", "1.5"},
                                    {"wal_reset_during_copy", "maybe"}}) {
    nlohmann::json proof = proof_json(everything());
    proof[name] = value;
    EXPECT_FALSE(parse_proof(proof)) << name << " is " << value;
    proof[name] = 17;
    EXPECT_FALSE(parse_proof(proof)) << name << " is a number";
  }
  EXPECT_FALSE(parse_proof(nlohmann::json::array()));
}

}  // namespace
}  // namespace sqlbk::tool
