#include "libcrypto.hpp"

#include <string>

#include "sqlbk/core/error.hpp"

#ifdef SQLBK_LOADS_LIBCRYPTO
#include <dlfcn.h>
#endif

namespace sqlbk::checkpoint {

#ifdef SQLBK_LOADS_LIBCRYPTO

namespace {

#define SQLBK_TEXT_OF(x) #x
#define SQLBK_TEXT(x) SQLBK_TEXT_OF(x)
constexpr const char* kName = "libcrypto.so." SQLBK_TEXT(OPENSSL_SHLIB_VERSION);

[[noreturn]] void throw_unloadable() {
  const char* reason = ::dlerror();
  throw Error(Errc::io_error, std::string("unable to load ") + kName +
                                  ", which computes a SHA-256: " +
                                  (reason != nullptr ? reason : "no reason is given"))
      .with_hint("install it (Debian: libssl3), or leave the digest out");
}

class Loader {
 public:
  Loader() : library_(::dlopen(kName, RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) throw_unloadable();
  }
  template <typename Function>
  Loader& find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(library_, name));
    if (function == nullptr) throw_unloadable();
    return *this;
  }

 private:
  void* library_;  // for as long as the process lives
};

Libcrypto load() {
  Libcrypto functions{};
  Loader()
      .find(functions.EVP_MD_CTX_new, "EVP_MD_CTX_new")
      .find(functions.EVP_MD_CTX_free, "EVP_MD_CTX_free")
      .find(functions.EVP_sha256, "EVP_sha256")
      .find(functions.EVP_DigestInit_ex, "EVP_DigestInit_ex")
      .find(functions.EVP_DigestUpdate, "EVP_DigestUpdate")
      .find(functions.EVP_DigestFinal_ex, "EVP_DigestFinal_ex");
  return functions;
}

}  // namespace

#else

namespace {

Libcrypto load() {
  return {&::EVP_MD_CTX_new,    &::EVP_MD_CTX_free,  &::EVP_sha256,
          &::EVP_DigestInit_ex, &::EVP_DigestUpdate, &::EVP_DigestFinal_ex};
}

}  // namespace

#endif

const Libcrypto& libcrypto() {
  static const Libcrypto functions = load();
  return functions;
}

}  // namespace sqlbk::checkpoint
