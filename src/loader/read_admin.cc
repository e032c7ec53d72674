#include <algorithm>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "loader/read_endpoints.h"
#include "loader/reading.h"
#include "tls/credential.h"

namespace sluice::loader {
namespace {

bool is_loopback(const Address& a) {
  static const Prefix kV4 = *Prefix::parse("127.0.0.0/8");
  static const Address kV6 = *Address::parse("::1");
  return kV4.contains(a) || a == kV6;
}

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void read_certificate(Table& t, Reading& reading, config::AdminHttp& out) {
  std::string certificate, key;
  const bool has_certificate = t.string("certificate", certificate);
  const bool has_key = t.string("key", key);
  if (has_certificate != has_key)
    t.mistake(has_key ? "key" : "certificate", "certificate and key need each other");
  if (!has_certificate || !has_key) return;
  const auto certificate_file = t.document().resolve(certificate);
  const auto key_file = t.document().resolve(key);
  reading.files.push_back(certificate_file);
  reading.files.push_back(key_file);
  tls::FileError error;
  if (!tls::read_credential(certificate_file, key_file, error)) {
    const bool of_key = error.which == tls::FileError::Which::kKey;
    t.mistake(of_key ? "key" : "certificate",
              fmt::format("{}: {}", (of_key ? key_file : certificate_file).string(), error.text));
    return;
  }
  out.certificate = content_of(certificate_file);
  out.key = content_of(key_file);
}

// A token is worth nothing if it can be guessed.
void read_token(Table& t, Reading& reading, config::AdminHttp& out) {
  constexpr size_t kShortest = 16, kLongest = 1'024;
  std::string path;
  if (!t.string("token_file", path)) return;
  const auto file = t.document().resolve(path);
  reading.files.push_back(file);
  out.token = content_of(file);
  while (!out.token.empty() && (out.token.back() == '\n' || out.token.back() == '\r'))
    out.token.pop_back();
  const bool bad =
      std::any_of(out.token.begin(), out.token.end(), [](char c) { return c <= ' ' || c > '~'; });
  if (bad || out.token.size() < kShortest || out.token.size() > kLongest)
    t.mistake("token_file", fmt::format("{} has no token of {} to {} printable characters",
                                        file.string(), kShortest, kLongest));
}

}  // namespace

void read_admin(Table& root, Reading& reading) {
  auto t = root.table("admin");
  if (!t) return;
  if (const auto address = read_endpoint(*t, "http")) {
    reading.admin_http.address = address;
    for (const char* key : {"certificate", "key", "token_file"})
      if (!is_loopback(address->address) && !t->has(key))
        t->mistake("http", fmt::format("http = \"{}\" is no address of loopback, like "
                                       "\"127.0.0.1:9464\"; beyond it the server needs TLS and a "
                                       "token, and {} is not set",
                                       address->str(), key));
  }
  read_certificate(*t, reading, reading.admin_http);
  read_token(*t, reading, reading.admin_http);
  std::vector<std::string>& hosts = reading.admin_http.hosts;
  t->strings("hosts", hosts);
  for (std::string& host : hosts) {
    std::transform(host.begin(), host.end(), host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const bool v6 = host.starts_with('[');
    if (host.empty() || host.find('/') != std::string::npos ||
        (!v6 && host.find(':') != std::string::npos))
      t->mistake("hosts", fmt::format("\"{}\" is not a name or an address without a port", host));
  }
  t->finish();
}

}  // namespace sluice::loader
