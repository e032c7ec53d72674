#include "tls/client_context.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/address.h"
#include "tls/callbacks.h"
#include "tls/failure.h"
#include "tls/library.h"
#include "tls/policy.h"

namespace sluice::tls {
namespace {

bool has_uri(const X509* certificate, std::string_view uri) {
  struct FreeNamesOf {
    void operator()(GENERAL_NAMES* n) const { GENERAL_NAMES_free(n); }
  };
  const std::unique_ptr<GENERAL_NAMES, FreeNamesOf> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* n = sk_GENERAL_NAME_value(names.get(), i);
    if (n->type != GEN_URI) continue;
    const ASN1_IA5STRING* text = n->d.uniformResourceIdentifier;
    if (std::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                         static_cast<size_t>(ASN1_STRING_length(text))) == uri)
      return true;
  }
  return false;
}

// OpenSSL compares DNS names and addresses by itself, and knows nothing of URIs.
int verify_pod(int ok, X509_STORE_CTX* chain) {
  if (ok != 1 && lacks_only_list_of_anchor(chain)) {
    X509_STORE_CTX_set_error(chain, X509_V_OK);
    return 1;
  }
  if (ok != 1 || X509_STORE_CTX_get_error_depth(chain) != 0) return ok;
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* context =
      static_cast<const ClientContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (context->expected_uri().empty() ||
      has_uri(X509_STORE_CTX_get_current_cert(chain), context->expected_uri()))
    return 1;
  X509_STORE_CTX_set_error(chain, X509_V_ERR_HOSTNAME_MISMATCH);
  return 0;
}

bool expect(SSL_CTX* ctx, const std::string& name) {
  if (is_uri(name)) return true;
  X509_VERIFY_PARAM* p = SSL_CTX_get0_param(ctx);
  if (Address::parse(name)) return X509_VERIFY_PARAM_set1_ip_asc(p, name.c_str()) == 1;
  // RFC 9525: no common names, and no wildcards within a label.
  X509_VERIFY_PARAM_set_hostflags(
      p, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(p, name.data(), name.size()) == 1;
}

bool set_up(SSL_CTX* ctx, const config::TlsClient& settings, const std::string& protocol,
            const Credential* own, const Authorities* cas) {
  const std::string list = static_cast<char>(protocol.size()) + protocol;
  if (!apply_policy(ctx, TLS1_2_VERSION) ||
      SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const unsigned char*>(list.data()),
                              static_cast<unsigned>(list.size())) != 0)
    return false;
  install_reports(ctx);
  if (own != nullptr && !use_credential(ctx, *own)) return false;
  if (settings.verify == config::TlsClient::Verify::kNone) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
    return true;
  }
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, verify_pod);
  return cas != nullptr && SSL_CTX_set1_verify_cert_store(ctx, cas->store.get()) == 1 &&
         expect(ctx, settings.expected);
}

}  // namespace

std::shared_ptr<const ClientContext> ClientContext::make(const config::TlsClient& settings,
                                                         std::string_view protocol,
                                                         const Credential* own,
                                                         const Authorities* cas, size_t lanes,
                                                         std::string& error) {
  ERR_clear_error();
  prepare_failures();
  std::shared_ptr<ClientContext> out(new ClientContext);
  out->protocol_ = protocol;
  out->server_name_ = settings.server_name;
  if (is_uri(settings.expected)) out->expected_uri_ = settings.expected;
  for (size_t lane = 0; lane < lanes; ++lane) {
    OSSL_LIB_CTX* library = library_of(lane);
    CtxPtr ctx(SSL_CTX_new_ex(library, nullptr, TLS_client_method()));
    const Credential copy = own != nullptr ? copy_into(library, *own) : Credential();
    if (ctx == nullptr ||
        !set_up(ctx.get(), settings, out->protocol_, own != nullptr ? &copy : nullptr, cas)) {
      error = take_errors();
      return nullptr;
    }
    SSL_CTX_set_app_data(ctx.get(), out.get());
    out->lanes_.push_back(std::move(ctx));
  }
  return out;
}

}  // namespace sluice::tls
