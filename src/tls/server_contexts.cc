#include "tls/server_contexts.h"

#include <algorithm>
#include <set>

#include <openssl/err.h>

#include "base/address.h"
#include "tls/callbacks.h"
#include "tls/library.h"
#include "tls/policy.h"
#include "tls/ticket_keys.h"

namespace sluice::tls {
namespace {

std::string lower(std::string_view s) {
  std::string out(s);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool set_up(SSL_CTX* ctx, const config::TlsServer& settings) {
  const int least =
      settings.profile == config::TlsProfile::kModern ? TLS1_3_VERSION : TLS1_2_VERSION;
  // The server's order: ECDSA before RSA, and ChaCha20 for clients that put it first, since these
  // have no instructions for AES.
  SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_timeout(
      ctx, std::chrono::duration_cast<std::chrono::seconds>(TicketKeys::kLifetime).count());
  SSL_CTX_set_max_early_data(ctx, 0);
  install_callbacks(ctx);
  return apply_policy(ctx, least);
}

// Each connection is asked for a certificate, which has to lead to one of the CAs.
bool ask_clients(SSL_CTX* ctx, const config::ClientCertificates& rule, const Authorities& cas) {
  const bool required = rule.mode == config::ClientCertificates::Mode::kRequired;
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  SSL_CTX_set_verify_depth(ctx, static_cast<int>(rule.depth));
  STACK_OF(X509_NAME)* names = SSL_dup_CA_list(cas.names.get());
  if (names == nullptr) return false;
  SSL_CTX_set_client_CA_list(ctx, names);
  return SSL_CTX_set1_verify_cert_store(ctx, cas.store.get()) == 1;
}

// As on the wire.
std::string alpn_list(const std::optional<std::vector<std::string>>& protocols) {
  static const std::vector<std::string> kHttp{std::string(kHttp2), std::string(kHttp11),
                                              std::string(kHttp10)};
  std::string list;
  for (const std::string& p : protocols.value_or(kHttp)) {
    list += static_cast<char>(p.size());
    list += p;
  }
  return list;
}

// EVP_PKEY_EC and others: a context has room for one certificate of each kind of key. RSA-PSS is a
// kind of its own.
int kind_of(const Credential& c) {
  return EVP_PKEY_get_base_id(c.key.get());
}

// "*.example.com" for "a.example.com"; empty for a wildcard and for a name of one label.
std::string wildcard_of(std::string_view name) {
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos || dot == 0 || name.starts_with("*.")) return {};
  return "*" + std::string(name.substr(dot));
}

using Set = std::vector<size_t>;  // certificates, as indices, at most one for each kind of key

void join(Set& set, size_t i, const std::vector<Credential>& credentials) {
  const bool known = std::any_of(set.begin(), set.end(), [&](size_t other) {
    return kind_of(credentials[other]) == kind_of(credentials[i]);
  });
  if (!known) set.push_back(i);
}

// The certificates of each name, in lower case. The first certificate of a kind counts. A kind of
// key that no certificate with the exact name has comes from the wildcard's certificates.
std::map<std::string, Set> sets_of(const std::vector<Credential>& credentials) {
  std::map<std::string, Set> sets;
  for (size_t i = 0; i < credentials.size(); ++i)
    for (const std::string& name : credentials[i].facts.names)
      join(sets[lower(name)], i, credentials);
  for (auto& [name, set] : sets) {
    const auto wildcard = sets.find(wildcard_of(name));
    if (wildcard == sets.end()) continue;
    for (const size_t i : wildcard->second) join(set, i, credentials);
    std::sort(set.begin(), set.end());
  }
  return sets;
}

// The default: the first certificate, with those of other kinds of keys for all of its names.
Set default_of(const std::vector<Credential>& credentials) {
  Set set{0};
  const std::vector<std::string>& names = credentials[0].facts.names;
  for (size_t i = 1; i < credentials.size(); ++i) {
    std::set<std::string> own;
    for (const std::string& name : credentials[i].facts.names) own.insert(lower(name));
    const bool all = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
      return own.contains(lower(name)) || own.contains(wildcard_of(lower(name)));
    });
    if (all && (!names.empty() || own.empty())) join(set, i, credentials);
  }
  return set;
}

}  // namespace

std::shared_ptr<const ServerContexts> ServerContexts::make(
    const config::TlsServer& settings, const std::vector<Credential>& credentials,
    const Authorities* clients, std::string scope, size_t lanes, Error& error) {
  ERR_clear_error();
  std::shared_ptr<ServerContexts> out(new ServerContexts);
  out->refuses_unknown_ = settings.unknown_name == config::UnknownName::kRefuse;
  out->alpn_ = alpn_list(settings.alpn);
  out->scope_ = std::move(scope);
  if (clients != nullptr)
    out->scope_ += std::string(1, '\0') + char('0' + static_cast<int>(settings.clients.mode)) +
                   std::to_string(settings.clients.depth) + ' ' + clients->digest;
  std::vector<Set> distinct{default_of(credentials)};
  for (const auto& [name, set] : sets_of(credentials)) {
    const auto known = std::find(distinct.begin(), distinct.end(), set);
    out->names_[name] = static_cast<size_t>(known - distinct.begin());
    if (known == distinct.end()) distinct.push_back(set);
  }
  for (const Set& set : distinct)
    out->with_first_.push_back(std::find(set.begin(), set.end(), 0u) != set.end());
  for (size_t lane = 0; lane < lanes; ++lane) {
    OSSL_LIB_CTX* library = library_of(lane);
    std::vector<Credential> own;
    for (const Credential& c : credentials) {
      own.push_back(copy_into(library, c));
      if (own.back().leaf == nullptr || own.back().key == nullptr) {
        error = {own.size() - 1, take_errors()};
        return nullptr;
      }
    }
    auto& contexts = out->lanes_.emplace_back();
    for (const Set& set : distinct) {
      CtxPtr ctx(SSL_CTX_new_ex(library, nullptr, TLS_server_method()));
      if (ctx == nullptr || !set_up(ctx.get(), settings) ||
          (clients != nullptr && !ask_clients(ctx.get(), settings.clients, *clients))) {
        error = {set.front(), take_errors()};
        return nullptr;
      }
      for (const size_t i : set)
        if (!use_credential(ctx.get(), own[i])) {
          error = {i, take_errors()};
          return nullptr;
        }
      contexts.push_back(std::move(ctx));
    }
  }
  return out;
}

std::optional<size_t> ServerContexts::choose(std::string_view server_name) const {
  std::string name = lower(server_name);
  if (name.ends_with('.')) name.pop_back();
  // Clients send no address as server name (RFC 6066, 3): a URL with one begins such a handshake.
  if (name.empty() || Address::parse(name)) return 0;
  if (const auto exact = names_.find(name); exact != names_.end()) return exact->second;
  if (const auto wildcard = names_.find(wildcard_of(name)); wildcard != names_.end())
    return wildcard->second;
  return refuses_unknown_ ? std::nullopt : std::optional<size_t>(0);
}

std::vector<bool> ServerContexts::reachable(const std::vector<Credential>& credentials) {
  std::vector<bool> out(credentials.size());
  const auto add = [&](const Set& set) {
    for (const size_t i : set) out[i] = true;
  };
  add(default_of(credentials));
  for (const auto& [name, set] : sets_of(credentials)) add(set);
  return out;
}

bool ServerContexts::serves(size_t chosen, size_t other) const {
  if (chosen == other) return true;
  return (chosen == 0 || other == 0) && with_first_[chosen] && with_first_[other];
}

std::string ServerContexts::session_scope(std::string_view server_name,
                                          OSSL_LIB_CTX* library) const {
  const std::string text = scope_ + '\0' + lower(server_name);
  unsigned char digest[EVP_MAX_MD_SIZE];
  size_t size = 0;
  EVP_Q_digest(library, "SHA256", nullptr, text.data(), text.size(), digest, &size);
  return {reinterpret_cast<const char*>(digest), SSL_MAX_SID_CTX_LENGTH};
}

}  // namespace sluice::tls
