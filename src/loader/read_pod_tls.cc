#include <ctime>

#include <fmt/format.h>

#include "base/address.h"
#include "loader/reading.h"
#include "tls/authorities.h"
#include "tls/client_context.h"
#include "tls/credential.h"
#include "tls/server_contexts.h"

namespace sluice::loader {
namespace {

using Verify = config::TlsClient::Verify;

// The CAs and the name of pods' certificates. nullopt: there is a mistake, or nothing is verified.
std::optional<tls::Authorities> read_rules(Table& t, Reading& reading, config::TlsClient& out) {
  std::string ca, crl;
  const bool has_ca = t.string("ca", ca);
  const bool has_crl = t.string("crl", crl);
  const bool has_name = t.string("expected", out.expected);
  if (out.verify == Verify::kNone) {
    if (has_ca || has_crl || has_name)
      t.mistake(has_ca    ? "ca"
                : has_crl ? "crl"
                          : "expected",
                "with verify = \"none\" neither ca nor crl nor expected has a meaning");
    return std::nullopt;
  }
  if (!has_ca || !has_name || out.expected.empty()) {
    t.mistake(
        "tls needs ca, a file with the CAs of the pods' certificates, and expected, the name that "
        "the certificates have: a DNS name, an IP address or a URI such as a SPIFFE id");
    return std::nullopt;
  }
  const auto file = t.document().resolve(ca);
  reading.files.push_back(file);
  std::filesystem::path crl_file;
  if (!crl.empty()) reading.files.push_back(crl_file = t.document().resolve(crl));
  tls::FileError error;
  auto authorities = tls::read_authorities(file, crl_file, error);
  if (!authorities) {
    const bool of_crl = error.which == tls::FileError::Which::kKey;
    t.mistake(of_crl ? "crl" : "ca",
              fmt::format("{}: {}", (of_crl ? crl_file : file).string(), error.text));
    return std::nullopt;
  }
  out.ca_file = file.string();
  out.digest = authorities->digest;
  return authorities;
}

// Sluice's own certificate. nullopt: there is a mistake, or none is named.
std::optional<tls::Credential> read_own(Table& t, Reading& reading, config::TlsClient& out) {
  std::string certificate, key;
  const bool has_certificate = t.string("certificate", certificate);
  const bool has_key = t.string("key", key);
  if (has_certificate != has_key) {
    t.mistake(has_key ? "key" : "certificate", "certificate and key come together");
    return std::nullopt;
  }
  if (!has_key) return std::nullopt;
  const auto certificate_file = t.document().resolve(certificate);
  const auto key_file = t.document().resolve(key);
  reading.files.push_back(certificate_file);
  reading.files.push_back(key_file);
  tls::FileError error;
  auto own = tls::read_credential(certificate_file, key_file, error, tls::Use::kClient);
  if (!own) {
    const bool of_key = error.which == tls::FileError::Which::kKey;
    t.mistake(of_key ? "key" : "certificate",
              fmt::format("{}: {}", (of_key ? key_file : certificate_file).string(), error.text));
    return std::nullopt;
  }
  if (const std::string why = tls::validity(own->facts, std::time(nullptr)); !why.empty())
    reading.warnings.push_back(t.place(
        "certificate", fmt::format("{}: the certificate {}", certificate_file.string(), why)));
  out.certificates.push_back(own->facts);
  return own;
}

}  // namespace

void read_pod_tls(Table& service, Reading& reading, config::Service& out) {
  auto t = service.table("tls");
  if (!config::is_secure(out.protocol)) {
    if (t) service.mistake("tls", "tls is for services with protocol = \"h2\" or \"https1\"");
    return;
  }
  if (!t) {
    service.mistake(
        "protocol",
        "TLS toward pods needs a table tls, such as tls = { ca = \"pods-ca.pem\", expected = "
        "\"pods.example\" }");
    return;
  }
  if (const auto c = t->choice("verify", {"full", "none"}))
    out.tls.verify = *c == 0 ? Verify::kFull : Verify::kNone;
  if (out.tls.verify == Verify::kNone)
    reading.warnings.push_back(
        t->place("verify",
                 "pods' certificates are not verified: an attacker on the way can read and change "
                 "all calls"));
  const auto authorities = read_rules(*t, reading, out.tls);
  const auto own = read_own(*t, reading, out.tls);
  const bool named = t->string("server_name", out.tls.server_name);
  const std::string& expected = out.tls.expected;
  if (!named && !tls::is_uri(expected) && !Address::parse(expected)) out.tls.server_name = expected;
  t->finish();
  if (out.tls.verify == Verify::kFull && !authorities) return;
  std::string error;
  out.tls.context = tls::ClientContext::make(
      out.tls, config::is_http1(out.protocol) ? tls::kHttp11 : tls::kHttp2, own ? &*own : nullptr,
      authorities ? &*authorities : nullptr, reading.lanes(), error);
  if (out.tls.context == nullptr)
    service.mistake("tls", fmt::format("OpenSSL refuses the settings: {}", error));
}

}  // namespace sluice::loader
