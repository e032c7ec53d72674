#pragma once
// The SSL_CTX objects of a listener: one for each set of certificates, chosen by server name, and
// each lane. Made by the loader before publication, and never changed.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/tls.h"
#include "tls/authorities.h"
#include "tls/credential.h"
#include "tls/openssl.h"

namespace sluice::tls {

// The protocols that ALPN offers (RFC 7301), in Sluice's order.
inline constexpr std::string_view kHttp2 = "h2";
inline constexpr std::string_view kHttp11 = "http/1.1";
inline constexpr std::string_view kHttp10 = "http/1.0";  // of old clients, and curl --http1.0

class ServerContexts {
 public:
  // settings.certificates is filled in from the credentials. clients: the CAs of clients'
  // certificates; nullptr when settings.clients asks for none. `scope`: the listener's name; a
  // ticket holds only where it was made. nullptr: `error` has OpenSSL's reason, and the credential
  // that it concerns, if any.
  struct Error {
    size_t credential = 0;
    std::string text;
  };
  // lanes: threads that make handshakes, at least one; each has SSL_CTX objects and keys of its own
  // (tls/library.h).
  static std::shared_ptr<const ServerContexts> make(const config::TlsServer& settings,
                                                    const std::vector<Credential>& credentials,
                                                    const Authorities* clients, std::string scope,
                                                    size_t lanes, Error& error);

  // Begins a handshake; the one that choose() names then replaces the context.
  SSL_CTX* first(size_t lane) const { return context(lane, 0); }

  // The set of certificates for a server name as the client sent it; empty: the client sent none.
  // Exact names come before wildcards, which cover one label (RFC 9525, 6.3). A wildcard's
  // certificates join those of an exact name that have other kinds of keys. nullopt:
  // unrecognized_name.
  std::optional<size_t> choose(std::string_view server_name) const;
  SSL_CTX* context(size_t lane, size_t chosen) const {
    return lanes_[lane % lanes_.size()][chosen].get();
  }

  // By credential: whether a handshake can choose it. A handshake cannot where no name leads to it,
  // or where credentials before it have all of its names and the same kind of key.
  static std::vector<bool> reachable(const std::vector<Credential>& credentials);

  // True when a connection with the set `chosen` may carry requests for hosts of the set `other`.
  // The default set stands for all names of the first certificate.
  bool serves(size_t chosen, size_t other) const;

  // The protocols that ALPN may choose, in Sluice's order, as on the wire (RFC 7301, 3.1). Empty:
  // ALPN is not answered.
  const std::string& alpn() const { return alpn_; }

  // What a session has to agree in to be resumed: 32 bytes. library: of the thread that asks
  // (tls/library.h).
  std::string session_scope(std::string_view server_name, OSSL_LIB_CTX* library) const;

 private:
  ServerContexts() = default;

  std::vector<std::vector<CtxPtr>> lanes_;  // by lane and set; set 0 is the default
  std::vector<bool> with_first_;            // by set: it has the first certificate
  bool refuses_unknown_ = false;
  std::map<std::string, size_t, std::less<>> names_;  // lower case; "*.example.com" included
  std::string scope_;
  std::string alpn_;
};

}  // namespace sluice::tls
