// Everything in the kit that looks random and must come out the same twice: random numbers by seed,
// and the bytes that a row must hold, computed from its keys, so that a checker can tell any row
// that is not as its writer left it. Thread-safety: pure functions; a Random has one user.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

namespace sqlbk::kit {

// The finaliser of SplitMix64: a bijection that spreads every bit over all others.
constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

// SplitMix64. Unlike the distributions of <random>, the same on every standard library.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) noexcept : state_(mix64(seed)) {}

  constexpr std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15U;
    return mix64(state_);
  }
  // REQUIRES: bound > 0. The bias of the remainder does not matter to a workload.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
  constexpr bool one_in(std::uint64_t n) noexcept { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

constexpr std::uint64_t mix_pair(std::int64_t a, std::int64_t b) noexcept {
  return mix64(mix64(static_cast<std::uint64_t>(a)) ^ std::rotl(static_cast<std::uint64_t>(b), 17));
}

// What one account adds (modulo 2^64) to the fingerprint of the whole table.
constexpr std::uint64_t account_mark(std::int64_t id, std::int64_t balance) noexcept {
  return mix_pair(id, ~balance);
}

// The size of the payload of one row of the log: 20 to 219 bytes.
constexpr std::int64_t log_payload_bytes(std::int64_t writer, std::int64_t sequence) noexcept {
  return static_cast<std::int64_t>(20 + mix_pair(sequence, writer) % 200);
}

// The bytes that belong to the pair of keys (a, b), in the byte order of this machine.
inline void fill_pattern(std::int64_t a, std::int64_t b, std::span<char> bytes) noexcept {
  Random random(mix_pair(a, b));
  while (!bytes.empty()) {
    const std::uint64_t word = random.next();
    const std::size_t n = bytes.size() < sizeof word ? bytes.size() : sizeof word;
    std::memcpy(bytes.data(), &word, n);
    bytes = bytes.subspan(n);
  }
}

}  // namespace sqlbk::kit
