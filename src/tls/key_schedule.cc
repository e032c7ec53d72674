#include "tls/key_schedule.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace sluice::tls {

// HKDF-Expand (RFC 5869, 2.3) of one block is HMAC(secret, info | 1).
bool expand_label(OSSL_LIB_CTX* library, const char* digest, buf::View secret,
                  std::string_view label, std::span<uint8_t> out) {
  constexpr std::string_view kPrefix = "tls13 ";
  std::array<uint8_t, 64> info;  // struct HkdfLabel, and HKDF's counter
  const size_t size = kPrefix.size() + label.size() + 5;
  std::array<uint8_t, EVP_MAX_MD_SIZE> block;
  if (size > info.size() || out.size() > secret.size()) return false;
  uint8_t* p = info.data();
  *p++ = 0;
  *p++ = static_cast<uint8_t>(out.size());
  *p++ = static_cast<uint8_t>(kPrefix.size() + label.size());
  p = std::copy(kPrefix.begin(), kPrefix.end(), p);
  p = std::copy(label.begin(), label.end(), p);
  *p++ = 0;  // no context
  *p++ = 1;
  size_t made = 0;
  const bool done =
      EVP_Q_mac(library, "HMAC", nullptr, digest, nullptr, secret.data(), secret.size(),
                info.data(), size, block.data(), block.size(), &made) != nullptr &&
      made >= out.size();
  if (done) std::memcpy(out.data(), block.data(), out.size());
  OPENSSL_cleanse(block.data(), block.size());
  return done;
}

}  // namespace sluice::tls
