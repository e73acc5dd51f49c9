// The part of OpenSSL's libcrypto that is used here. Private to libcheckpoint.
//
// Where sqlbk is built as shared libraries it is loaded by the first use: its start takes as long
// as a copy of a megabyte, and most runs compute no digest. A static build links it.
#pragma once

#include <openssl/evp.h>

namespace sqlbk::checkpoint {

struct Libcrypto {
  decltype(&::EVP_MD_CTX_new) EVP_MD_CTX_new;
  decltype(&::EVP_MD_CTX_free) EVP_MD_CTX_free;
  decltype(&::EVP_sha256) EVP_sha256;
  decltype(&::EVP_DigestInit_ex) EVP_DigestInit_ex;
  decltype(&::EVP_DigestUpdate) EVP_DigestUpdate;
  decltype(&::EVP_DigestFinal_ex) EVP_DigestFinal_ex;
};

// Throws io_error where it cannot be loaded. Thread-safe.
const Libcrypto& libcrypto();

}  // namespace sqlbk::checkpoint
