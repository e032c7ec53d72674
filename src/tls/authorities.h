#pragma once
// The CAs that may have issued a peer's certificate, and the certificates that they revoked.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "tls/credential.h"
#include "tls/openssl.h"

namespace sluice::tls {

using StorePtr = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
struct FreeNames {
  void operator()(STACK_OF(X509_NAME) * names) const {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
  }
};
using NameListPtr = std::unique_ptr<STACK_OF(X509_NAME), FreeNames>;

struct Authorities {
  StorePtr store;
  NameListPtr names;   // of the CAs, for the CertificateRequest
  std::string digest;  // SHA-256 of both files, in hexadecimal
};

// Reads PEM files. With a file of CRLs, each CA of a chain needs a CRL that has not expired (RFC
// 5280, 6.3); without one nothing is checked for revocation. A chain may end at an intermediate CA
// whose issuer is not in `ca`, and needs no list of that issuer. nullopt: `error` has the reason;
// kCertificate is of `ca`, kKey of `crl`.
std::optional<Authorities> read_authorities(const std::filesystem::path& ca,
                                            const std::filesystem::path& crl, FileError& error);

// For callbacks of X509_STORE_CTX_verify: true when the error is that an intermediate CA, which
// `ca` has without its issuer, is in no list of revoked certificates. Such a CA is trusted as it
// is, and only its issuer could have made that list.
bool lacks_only_list_of_anchor(X509_STORE_CTX* chain);

}  // namespace sluice::tls
