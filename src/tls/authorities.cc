#include "tls/authorities.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace sluice::tls {
namespace {

namespace fs = std::filesystem;
using CrlPtr = std::unique_ptr<X509_CRL, Free<X509_CRL_free>>;

std::optional<std::string> content_of(const fs::path& file, std::string& error) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  std::error_code ignored;
  if (!in || fs::is_directory(file, ignored)) {
    error = errno != 0 ? std::strerror(errno) : "cannot be read";
    return std::nullopt;
  }
  text << in.rdbuf();
  return text.str();
}

bool at_end_of_pem() {
  const unsigned long last = ERR_peek_last_error();
  return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

int on_verify(int ok, X509_STORE_CTX* chain) {
  if (ok == 1 || !lacks_only_list_of_anchor(chain)) return ok;
  X509_STORE_CTX_set_error(chain, X509_V_OK);
  return 1;
}

// Empty: all is well.
std::string add_authorities(const std::string& text, Authorities& out) {
  const BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  std::vector<X509Ptr> all;
  for (;;) {
    X509Ptr x(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
    if (x == nullptr) break;
    if (X509_check_ca(x.get()) == 0)
      return "certificate " + std::to_string(all.size() + 1) + " is not one of a CA";
    if (X509_STORE_add_cert(out.store.get(), x.get()) != 1) return take_errors();
    sk_X509_NAME_push(out.names.get(), X509_NAME_dup(X509_get_subject_name(x.get())));
    all.push_back(std::move(x));
  }
  if (!at_end_of_pem()) return "is not valid PEM: " + take_errors();
  // A CA without its issuer ends chains. Where the issuer is there too, chains go on to it, and its
  // list of revoked certificates counts.
  const bool partial = std::any_of(all.begin(), all.end(), [&](const X509Ptr& x) {
    return std::none_of(all.begin(), all.end(), [&](const X509Ptr& issuer) {
      return X509_check_issued(issuer.get(), x.get()) == X509_V_OK;
    });
  });
  if (partial) X509_STORE_set_flags(out.store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  X509_STORE_set_verify_cb(out.store.get(), on_verify);
  ERR_clear_error();
  return !all.empty() ? std::string() : "has no certificate (PEM, \"BEGIN CERTIFICATE\")";
}

std::string add_revocations(const std::string& text, Authorities& out) {
  const BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  size_t n = 0;
  for (;;) {
    const CrlPtr crl(PEM_read_bio_X509_CRL(bio.get(), nullptr, no_passphrase, nullptr));
    if (crl == nullptr) break;
    if (X509_STORE_add_crl(out.store.get(), crl.get()) != 1) return take_errors();
    ++n;
  }
  if (!at_end_of_pem()) return "is not valid PEM: " + take_errors();
  ERR_clear_error();
  if (n == 0) return "has no list of revoked certificates (PEM, \"BEGIN X509 CRL\")";
  X509_STORE_set_flags(out.store.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return {};
}

}  // namespace

bool lacks_only_list_of_anchor(X509_STORE_CTX* chain) {
  const int error = X509_STORE_CTX_get_error(chain);
  if (error != X509_V_ERR_UNABLE_TO_GET_CRL && error != X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER)
    return false;
  const int depth = X509_STORE_CTX_get_error_depth(chain);
  STACK_OF(X509)* certificates = X509_STORE_CTX_get0_chain(chain);
  if (depth == 0 || depth + 1 != sk_X509_num(certificates)) return false;
  X509* last = sk_X509_value(certificates, depth);
  return X509_check_issued(last, last) != X509_V_OK;
}

std::optional<Authorities> read_authorities(const fs::path& ca, const fs::path& crl,
                                            FileError& error) {
  ERR_clear_error();
  Authorities out{StorePtr(X509_STORE_new()), NameListPtr(sk_X509_NAME_new_null()), {}};
  std::string why;
  const auto authorities = content_of(ca, why);
  if (authorities) why = add_authorities(*authorities, out);
  if (!why.empty()) {
    error = {FileError::Which::kCertificate, why};
    return std::nullopt;
  }
  std::optional<std::string> revocations = std::string();
  if (!crl.empty()) {
    revocations = content_of(crl, why);
    if (revocations) why = add_revocations(*revocations, out);
    if (!why.empty()) {
      error = {FileError::Which::kKey, why};
      return std::nullopt;
    }
  }
  out.digest = sha256(*authorities + '\0' + *revocations);
  ERR_clear_error();
  return out;
}

}  // namespace sluice::tls
