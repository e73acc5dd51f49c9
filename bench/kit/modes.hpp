// The words of the live-writer's command line as enums: what an owner of a database can be told to
// be. Values only; the texts are SQLite's where SQLite has one.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace sqlbk::kit {

enum class Role {
  writer,        // commits transactions of the workload
  checkpointer,  // only checkpoints, from a connection of its own
  zero_salt,     // makes a WAL with bug Z (zero_salt.hpp) and keeps the database open
  idle,          // keeps the database open, whose ever it is, and changes nothing
};
enum class JournalMode { wal, delete_file, truncate, persist, memory, off };
enum class LockingMode { normal, exclusive };
enum class Synchronous { off, normal, full };
enum class CheckpointMode { none, passive, full, restart, truncate };

// What a writer does after the last of a limited number of transactions.
enum class AfterLast {
  stay,  // idle, the connection open
  hold,  // inside an open write transaction whose changes have partly reached the files
  exit,
};

// How the frames of bug Z come about (zero_salt.hpp).
enum class ZeroSaltVariant {
  plain,
  spilled_before_savepoint,
  first_of_generation,
  failed_statement,
};

// The texts of an enum in the order of its values.
template <typename Enum>
struct EnumTexts;

template <>
struct EnumTexts<Role> {
  static constexpr std::array<std::string_view, 4> kValue{"writer", "checkpointer", "zero-salt",
                                                          "idle"};
};
template <>
struct EnumTexts<JournalMode> {
  static constexpr std::array<std::string_view, 6> kValue{"wal",     "delete", "truncate",
                                                          "persist", "memory", "off"};
};
template <>
struct EnumTexts<LockingMode> {
  static constexpr std::array<std::string_view, 2> kValue{"normal", "exclusive"};
};
template <>
struct EnumTexts<Synchronous> {
  static constexpr std::array<std::string_view, 3> kValue{"off", "normal", "full"};
};
template <>
struct EnumTexts<CheckpointMode> {
  static constexpr std::array<std::string_view, 5> kValue{"none", "passive", "full", "restart",
                                                          "truncate"};
};
template <>
struct EnumTexts<AfterLast> {
  static constexpr std::array<std::string_view, 3> kValue{"stay", "hold", "exit"};
};
template <>
struct EnumTexts<ZeroSaltVariant> {
  static constexpr std::array<std::string_view, 4> kValue{
      "plain", "spilled-before-savepoint", "first-of-generation", "failed-statement"};
};

template <typename Enum>
concept NamedEnum = requires {
  EnumTexts<Enum>::kValue.size();
};

template <NamedEnum Enum>
constexpr std::string_view to_string(Enum value) noexcept {
  return EnumTexts<Enum>::kValue[static_cast<std::size_t>(value)];
}

template <NamedEnum Enum>
constexpr std::optional<Enum> from_string(std::string_view text) noexcept {
  for (std::size_t i = 0; i < EnumTexts<Enum>::kValue.size(); ++i) {
    if (EnumTexts<Enum>::kValue[i] == text) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace sqlbk::kit
