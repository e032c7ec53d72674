#include "tls/library.h"

#include <array>
#include <mutex>

#include <openssl/crypto.h>

namespace sluice::tls {

OSSL_LIB_CTX* library_of(size_t lane) {
  static std::mutex mutex;
  static std::array<OSSL_LIB_CTX*, kMaxLanes> all{};
  const std::lock_guard lock(mutex);
  OSSL_LIB_CTX*& library = all.at(lane);
  if (library == nullptr) library = OSSL_LIB_CTX_new();
  return library;
}

}  // namespace sluice::tls
