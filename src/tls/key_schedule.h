#pragma once
// The part of TLS 1.3's key schedule that follows the handshake (RFC 8446, 7.1 to 7.3).

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <openssl/types.h>

#include "buf/slice.h"

namespace sluice::tls {

// HKDF-Expand-Label(secret, label, "", out.size()) with the hash `digest`. One block of the hash:
// `out` is no longer than the secret, and the secret is as long as the hash. False: OpenSSL
// refuses.
bool expand_label(OSSL_LIB_CTX* library, const char* digest, buf::View secret,
                  std::string_view label, std::span<uint8_t> out);

}  // namespace sluice::tls
