#pragma once
// TLS at a listener and toward pods: the settings, what the certificates say, and what the tls room
// made of both.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sluice::tls {
class ServerContexts;  // tls/server_contexts.h
class ClientContext;   // tls/client_context.h
}  // namespace sluice::tls

namespace sluice::config {

// A certificate with its key, as their files were when they were read. For reports.
struct Certificate {
  std::string certificate_file;  // PEM: the certificate, then the chain that leads to its CA
  std::string key_file;          // PEM: the private key
  std::vector<std::string>
      names;  // DNS names and IP addresses (RFC 5280, 4.2.1.6), as written there
  std::string subject;
  std::string issuer;
  std::string key_type;  // such as "P-256" or "RSA-2048"
  // Validity, in seconds since 1970.
  int64_t not_before = 0;
  int64_t not_after = 0;
  std::string digest;  // SHA-256 of the whole chain, in hexadecimal

  bool operator==(const Certificate&) const = default;
};

// "Security/Server Side TLS" of Mozilla, version 5.7.
enum class TlsProfile : uint8_t {
  kIntermediate,  // TLS 1.2 with forward secrecy and AEADs, and TLS 1.3
  kModern,        // TLS 1.3 only
};

// The answer to a server name that no certificate covers (RFC 6066, 3).
enum class UnknownName : uint8_t {
  kDefault,  // the first certificate
  kRefuse,   // the alert unrecognized_name
};

// Certificates of clients.
struct ClientCertificates {
  enum class Mode : uint8_t { kNone, kOptional, kRequired };
  Mode mode = Mode::kNone;
  std::string ca_file;   // PEM: the CAs that may have issued them
  std::string crl_file;  // PEM: the CAs' lists of revoked certificates (RFC 5280, 5); may be empty
  uint32_t depth = 4;    // CAs between a client's certificate and one of ca_file, at most
  std::string digest;    // of both files

  bool operator==(const ClientCertificates&) const = default;
};

// [listener.tls]
struct TlsServer {
  std::vector<Certificate> certificates;  // the first is the default; at least one
  TlsProfile profile = TlsProfile::kIntermediate;
  UnknownName unknown_name = UnknownName::kDefault;
  ClientCertificates clients;
  // ALPN (RFC 7301), Sluice's choice first; an empty list: ALPN is not answered. nullopt: HTTP/2
  // and HTTP/1.1.
  std::optional<std::vector<std::string>> alpn;
  // Made by the loader from all of the above. Snapshots share them, and handshakes that began with
  // them keep them.
  std::shared_ptr<const tls::ServerContexts> contexts;

  // Equal settings and equal certificates make equal contexts.
  bool operator==(const TlsServer& o) const {
    return certificates == o.certificates && profile == o.profile &&
           unknown_name == o.unknown_name && clients == o.clients && alpn == o.alpn;
  }
};

// A key of session tickets (RFC 5077, 4), as its file has it: 16 bytes of name, 32 of the MAC's
// key, 32 of the cipher's key.
using TicketKey = std::array<uint8_t, 80>;

// [service.tls]
struct TlsClient {
  enum class Verify : uint8_t {
    kFull,  // the certificate leads to a CA, and has the expected name
    kNone,  // any certificate, self-signed ones too: no protection against an active attacker
  };
  Verify verify = Verify::kFull;
  std::string ca_file;      // PEM: the CAs of pods' certificates; empty with kNone
  std::string expected;     // a DNS name, an IP address or a URI (SPIFFE id) in the certificate
  std::string server_name;  // SNI (RFC 6066, 3); empty: none
  std::vector<Certificate> certificates;  // for pods that ask for one; at most one
  std::string digest;                     // of ca_file
  // Made by the loader from all of the above, as TlsServer::contexts; nullptr: cleartext.
  std::shared_ptr<const tls::ClientContext> context;

  // Whether a pod's certificate is judged in the same way.
  bool same_rules(const TlsClient& o) const {
    return verify == o.verify && ca_file == o.ca_file && expected == o.expected &&
           server_name == o.server_name && digest == o.digest;
  }
  bool operator==(const TlsClient& o) const {
    return same_rules(o) && certificates == o.certificates;
  }
};

}  // namespace sluice::config
