// SHA-256 by OpenSSL's libcrypto, which uses the processor's instructions for it. Private to
// libcheckpoint.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "sqlbk/core/run_context.hpp"

struct evp_md_ctx_st;

namespace sqlbk::checkpoint {

class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  // In hexadecimal, lower case. The object is then used up.
  std::string finish();
  // As above, in bytes; the object then begins anew.
  std::array<std::byte, 32> take();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// Of a whole file, from its start to where it ends. Counts its bytes as progress.
std::string sha256_of(int fd, const std::string& path, RunContext& context);

}  // namespace sqlbk::checkpoint
