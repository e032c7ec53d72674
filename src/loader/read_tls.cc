#include <ctime>

#include <fmt/format.h>

#include "loader/reading.h"
#include "tls/authorities.h"
#include "tls/credential.h"
#include "tls/server_contexts.h"

namespace sluice::loader {
namespace {

constexpr std::string_view kCertificateForm =
    "{ certificate = \"server.pem\", key = \"server.key\" }";

// One element of `certificates`. nullopt: there is a mistake.
std::optional<tls::Credential> read_credential(Table& t, Reading& reading) {
  std::string certificate, key;
  const bool has_certificate = t.string("certificate", certificate, true);
  const bool has_key = t.string("key", key, true);
  t.finish();
  if (!has_certificate || !has_key) return std::nullopt;
  const auto certificate_file = t.document().resolve(certificate);
  const auto key_file = t.document().resolve(key);
  reading.files.push_back(certificate_file);
  reading.files.push_back(key_file);
  tls::FileError error;
  auto out = tls::read_credential(certificate_file, key_file, error);
  if (!out) {
    const bool of_key = error.which == tls::FileError::Which::kKey;
    t.mistake(of_key ? "key" : "certificate",
              fmt::format("{}: {}", (of_key ? key_file : certificate_file).string(), error.text));
    return std::nullopt;
  }
  if (const std::string why = tls::validity(out->facts, std::time(nullptr)); !why.empty())
    reading.warnings.push_back(t.place(
        "certificate", fmt::format("{}: the certificate {}", certificate_file.string(), why)));
  return out;
}

// Warns of certificates that no handshake can have. `tables` are those of the credentials.
void warn_of_useless(std::vector<Table>& tables, const std::vector<tls::Credential>& credentials,
                     Reading& reading) {
  const std::vector<bool> reachable = tls::ServerContexts::reachable(credentials);
  for (size_t i = 0; i < credentials.size(); ++i) {
    const config::Certificate& facts = credentials[i].facts;
    const auto warn = [&](const std::string& why) {
      reading.warnings.push_back(
          tables[i].place("certificate", fmt::format("{}: {}", facts.certificate_file, why)));
    };
    const bool elliptic = EVP_PKEY_get_base_id(credentials[i].key.get()) == EVP_PKEY_EC;
    if (elliptic && !facts.key_type.starts_with("P-"))
      warn(fmt::format(
          "TLS has no use for keys of the curve {}; clients take P-256, P-384 and P-521",
          facts.key_type));
    if (reachable[i]) continue;
    if (facts.names.empty())
      warn(
          "the certificate is never used: it has no DNS name as subjectAltName, and is not the "
          "first one");
    else
      warn(
          "the certificate is never used: certificates before it have all of its names, and keys "
          "of the same kind");
  }
}

// nullopt: there is a mistake.
std::optional<tls::Authorities> read_clients(Table& t, Reading& reading,
                                             config::ClientCertificates& out) {
  using Mode = config::ClientCertificates::Mode;
  out.mode = Mode::kRequired;
  if (const auto c = t.choice("mode", {"required", "optional"}))
    out.mode = *c == 0 ? Mode::kRequired : Mode::kOptional;
  t.integer("depth", out.depth, 0, 16);
  std::string ca, crl;
  const bool named = t.string("ca", ca, true);
  t.string("crl", crl);
  t.finish();
  if (!named) return std::nullopt;
  const auto ca_file = t.document().resolve(ca);
  reading.files.push_back(ca_file);
  std::filesystem::path crl_file;
  if (!crl.empty()) reading.files.push_back(crl_file = t.document().resolve(crl));
  tls::FileError error;
  auto authorities = tls::read_authorities(ca_file, crl_file, error);
  if (!authorities) {
    const bool of_crl = error.which == tls::FileError::Which::kKey;
    t.mistake(of_crl ? "crl" : "ca",
              fmt::format("{}: {}", (of_crl ? crl_file : ca_file).string(), error.text));
    return std::nullopt;
  }
  out.ca_file = ca_file.string();
  out.crl_file = crl_file.string();
  out.digest = authorities->digest;
  return authorities;
}

}  // namespace

void read_tls(Table& listener, Reading& reading, config::Listener& out) {
  auto t = listener.table("tls");
  const bool relays = out.protocol == config::Protocol::kTls;
  if (out.protocol != config::Protocol::kHttps && !relays) {
    if (t) listener.mistake("tls", "tls is for listeners with protocol = \"https\" or \"tls\"");
    return;
  }
  if (relays && !t) return;  // TLS goes on to the pod
  if (!t) {
    listener.mistake(fmt::format(
        "a listener with protocol = \"https\" needs a table tls, with certificates = [{}]",
        kCertificateForm));
    return;
  }
  if (const auto c = t->choice("profile", {"intermediate", "modern"}))
    out.tls.profile = *c == 0 ? config::TlsProfile::kIntermediate : config::TlsProfile::kModern;
  if (const auto c = t->choice("unknown_name", {"default", "refuse"}))
    out.tls.unknown_name = *c == 0 ? config::UnknownName::kDefault : config::UnknownName::kRefuse;
  if (relays) out.tls.alpn.emplace();
  if (std::vector<std::string> protocols; t->strings("alpn", protocols)) {
    constexpr size_t kLongest = 255;  // RFC 7301, 3.1
    for (const std::string& p : protocols)
      if (p.empty() || p.size() > kLongest)
        t->mistake("alpn", fmt::format("\"{}\" is no protocol of ALPN", p));
    if (!relays)
      t->mistake("alpn", "alpn is of listeners with protocol = \"tls\"; https has h2 and http/1.1");
    out.tls.alpn = std::move(protocols);
  }
  std::vector<Table> tables = t->tables("certificates");
  if (tables.empty())
    t->mistake("certificates", fmt::format("certificates must name at least one: certificates = "
                                           "[{}]",
                                           kCertificateForm));
  std::vector<tls::Credential> credentials;
  for (Table& c : tables)
    if (auto credential = read_credential(c, reading)) {
      out.tls.certificates.push_back(credential->facts);
      credentials.push_back(std::move(*credential));
    }
  std::optional<tls::Authorities> authorities;
  auto clients = t->table("client_certificates");
  if (clients) authorities = read_clients(*clients, reading, out.tls.clients);
  t->finish();
  if (clients && !authorities) return;
  if (credentials.empty() || credentials.size() < tables.size()) return;
  warn_of_useless(tables, credentials, reading);
  tls::ServerContexts::Error error;
  out.tls.contexts =
      tls::ServerContexts::make(out.tls, credentials, authorities ? &*authorities : nullptr,
                                out.name, reading.lanes(), error);
  if (out.tls.contexts == nullptr)
    tables[error.credential].mistake(
        "certificate",
        fmt::format("{}: OpenSSL refuses the certificate: {}",
                    out.tls.certificates[error.credential].certificate_file, error.text));
}

}  // namespace sluice::loader
