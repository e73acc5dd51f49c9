#include "proof_json.hpp"

#include <charconv>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace sqlbk::tool {
namespace {

constexpr const char* kSalts = "wal_salts";
constexpr const char* kFrames = "wal_frames";
constexpr const char* kValidFrames = "wal_valid_frames";
constexpr const char* kIndexFrames = "wal_index_mx_frame";
constexpr const char* kResets = "wal_resets";
constexpr const char* kWasReset = "wal_reset_during_copy";

// All of `text`; nullopt: it is no such number.
template <typename Number>
std::optional<Number> number_in(std::string_view text, int base = 10) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, value, base);
  return code == std::errc() && rest == end && !text.empty() ? std::optional(value) : std::nullopt;
}

// As format::to_string() writes them.
std::optional<format::WalSalt> salts_in(const std::string& text) {
  constexpr std::size_t kDigits = 8;
  if (text.size() != 2 * kDigits + 1 || text[kDigits] != '-') return std::nullopt;
  const auto half = [&text](std::size_t at) {
    return number_in<std::uint32_t>(std::string_view(text).substr(at, kDigits), 16);
  };
  const auto salt1 = half(0);
  const auto salt2 = half(kDigits + 1);
  if (!salt1 || !salt2) return std::nullopt;
  return format::WalSalt{.salt1 = *salt1, .salt2 = *salt2};
}

// Reads fields until one is there that is not as it is written.
class ProofReader {
 public:
  explicit ProofReader(const nlohmann::json& proof) : proof_(proof) {}

  bool is_good() const noexcept { return is_good_; }

  template <typename Number>
  std::optional<Number> number(const char* name) {
    return read(name, [](const std::string& text) { return number_in<Number>(text); });
  }
  std::optional<format::WalSalt> salts(const char* name) { return read(name, salts_in); }
  std::optional<bool> truth(const char* name) {
    return read(name, [](const std::string& text) -> std::optional<bool> {
      if (text != "true" && text != "false") return std::nullopt;
      return text == "true";
    });
  }

 private:
  template <typename Parse>
  auto read(const char* name, Parse parse) -> decltype(parse(std::string())) {
    const auto found = proof_.find(name);
    if (found == proof_.end()) return std::nullopt;
    const auto value = parse(found->is_string() ? found->template get<std::string>() : "");
    if (!value) is_good_ = false;
    return value;
  }

  const nlohmann::json& proof_;
  bool is_good_ = true;
};

}  // namespace

nlohmann::json proof_json(const std::optional<WalPosition>& wal) {
  nlohmann::json proof = nlohmann::json::object();
  if (!wal) return proof;
  if (wal->salt) proof[kSalts] = format::to_string(*wal->salt);
  proof[kFrames] = std::to_string(wal->frames);
  if (wal->valid_frames) proof[kValidFrames] = std::to_string(*wal->valid_frames);
  if (wal->index_frames) proof[kIndexFrames] = std::to_string(*wal->index_frames);
  if (wal->resets) proof[kResets] = std::to_string(*wal->resets);
  if (wal->was_reset) proof[kWasReset] = *wal->was_reset ? "true" : "false";
  return proof;
}

std::optional<ParsedProof> parse_proof(const nlohmann::json& proof) {
  if (!proof.is_object()) return std::nullopt;
  ProofReader reader(proof);
  WalPosition wal;
  wal.salt = reader.salts(kSalts);
  const std::optional<std::uint64_t> frames = reader.number<std::uint64_t>(kFrames);
  wal.frames = frames.value_or(0);
  wal.valid_frames = reader.number<std::uint64_t>(kValidFrames);
  wal.index_frames = reader.number<std::uint32_t>(kIndexFrames);
  wal.resets = reader.number<unsigned>(kResets);
  wal.was_reset = reader.truth(kWasReset);
  if (!reader.is_good()) return std::nullopt;
  return frames ? ParsedProof{wal} : ParsedProof{};
}

}  // namespace sqlbk::tool
