#pragma once
// The SSL_CTX objects of a service whose pods speak TLS, one for each lane (tls/library.h). Made by
// the loader before publication, and never changed.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/tls.h"
#include "tls/authorities.h"
#include "tls/credential.h"
#include "tls/openssl.h"

namespace sluice::tls {

class ClientContext {
 public:
  // protocol: for ALPN (RFC 7301). own: for pods that ask for a certificate; nullptr: none. cas:
  // of pods' certificates; nullptr with Verify::kNone only. lanes: at least one.
  // nullptr: `error` has OpenSSL's reason.
  static std::shared_ptr<const ClientContext> make(const config::TlsClient& settings,
                                                   std::string_view protocol, const Credential* own,
                                                   const Authorities* cas, size_t lanes,
                                                   std::string& error);

  SSL_CTX* get(size_t lane) const { return lanes_[lane % lanes_.size()].get(); }
  const std::string& protocol() const { return protocol_; }
  const std::string& server_name() const { return server_name_; }  // SNI; empty: none
  // A URI that the pod's certificate must have (RFC 5280, 4.2.1.6), such as a SPIFFE id; empty: the
  // expected name is none.
  const std::string& expected_uri() const { return expected_uri_; }

 private:
  ClientContext() = default;

  std::vector<CtxPtr> lanes_;
  std::string protocol_;
  std::string server_name_;
  std::string expected_uri_;
};

// Whether an expected name is a URI. It has to begin with a scheme and "//".
inline bool is_uri(std::string_view name) {
  return name.find("://") != std::string_view::npos;
}

}  // namespace sluice::tls
