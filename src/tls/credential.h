#pragma once
// A certificate, the chain behind it, and the private key, from two PEM files.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/tls.h"
#include "tls/openssl.h"

namespace sluice::tls {

struct Credential {
  config::Certificate facts;
  X509Ptr leaf;
  std::vector<X509Ptr> chain;  // without the leaf; may be empty
  KeyPtr key;
};

// The file that is wrong, and the reason.
struct FileError {
  enum class Which { kCertificate, kKey } which;
  std::string text;
};

// The role in which a certificate is shown.
enum class Use : uint8_t { kServer, kClient };

// Reads both files. Checks that each certificate of the file was issued by the next one, that the
// first one is for this use of TLS, and that the key belongs to it. Dates are not checked, since a
// certificate that expires while it is in use must not block later reloads: see validity().
// nullopt: `error` has the first mistake.
std::optional<Credential> read_credential(const std::filesystem::path& certificate,
                                          const std::filesystem::path& key, FileError& error,
                                          Use use = Use::kServer);

// Adds certificate, chain and key to the context, which has room for one of each kind of key.
// False: OpenSSL's queue of errors has the reason.
bool use_credential(SSL_CTX* ctx, const Credential& credential);

// The same certificate, chain and key as objects of a library context. Without `leaf` or `key`: out
// of memory.
Credential copy_into(OSSL_LIB_CTX* library, const Credential& credential);

// The dates of a certificate against the clock; empty when `now` (seconds since 1970) lies between
// them.
std::string validity(const config::Certificate& certificate, int64_t now);

}  // namespace sluice::tls
