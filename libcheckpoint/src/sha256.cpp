#include "sha256.hpp"

#include <array>
#include <vector>

#include "libcrypto.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::checkpoint {
namespace {

void require(bool worked) {
  if (worked) return;
  throw Error(Errc::io_error, "unable to compute a SHA-256: libcrypto refused")
      .with_hint("a policy of this system may forbid it: see openssl.cnf");
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const noexcept {
  libcrypto().EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(libcrypto().EVP_MD_CTX_new()) {
  require(context_ != nullptr &&
          libcrypto().EVP_DigestInit_ex(context_.get(), libcrypto().EVP_sha256(), nullptr) == 1);
}

void Sha256::update(std::span<const std::byte> bytes) {
  require(libcrypto().EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::array<std::byte, 32> Sha256::take() {
  std::array<std::byte, 32> digest{};
  require(libcrypto().EVP_DigestFinal_ex(
              context_.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1 &&
          libcrypto().EVP_DigestInit_ex(context_.get(), libcrypto().EVP_sha256(), nullptr) == 1);
  return digest;
}

std::string Sha256::finish() {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : take()) {
    const auto value = std::to_integer<unsigned>(byte);
    text += kHex[value >> 4U];
    text += kHex[value & 15U];
  }
  return text;
}

std::string sha256_of(int fd, const std::string& path, RunContext& context) {
  Sha256 sum;
  std::vector<std::byte> buffer(std::size_t{1} << 20U);
  for (std::uint64_t offset = 0;;) {
    const std::size_t got = read_up_to(fd, buffer, offset, path);
    sum.update(std::span(buffer).first(got));
    offset += got;
    context.advance(got);
    if (got < buffer.size()) break;
  }
  return sum.finish();
}

}  // namespace sqlbk::checkpoint
