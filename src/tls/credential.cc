#include "tls/credential.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace sluice::tls {
namespace {

namespace fs = std::filesystem;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

BioPtr open(const fs::path& file, std::string& error) {
  errno = 0;
  BioPtr bio(BIO_new_file(file.c_str(), "r"));
  if (bio == nullptr) {
    error = errno != 0 ? std::strerror(errno) : "cannot be opened";
    ERR_clear_error();
  }
  return bio;
}

std::string text_of(const X509_NAME* name) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio.get(), &data);
  return n > 0 ? std::string(data, static_cast<size_t>(n)) : std::string();
}

int64_t seconds_of(const ASN1_TIME* t) {
  std::tm tm{};
  return ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;
}

std::vector<std::string> names_of(X509& leaf) {
  std::vector<std::string> out;
  const NamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&leaf, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                       static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
    } else if (name->type == GEN_IPADD) {
      const int size = ASN1_STRING_length(name->d.iPAddress);
      char text[INET6_ADDRSTRLEN];
      if ((size == 4 || size == 16) &&
          inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text,
                    sizeof text) != nullptr)
        out.emplace_back(text);
    }
  }
  return out;
}

std::string key_type_of(const EVP_PKEY& key) {
  if (EVP_PKEY_is_a(&key, "RSA")) return "RSA-" + std::to_string(EVP_PKEY_get_bits(&key));
  if (char group[64]; EVP_PKEY_is_a(&key, "EC") &&
                      EVP_PKEY_get_group_name(&key, group, sizeof group, nullptr) == 1) {
    const char* nist = EC_curve_nid2nist(OBJ_txt2nid(group));
    return nist != nullptr ? nist : group;
  }
  const char* name = EVP_PKEY_get0_type_name(&key);
  return name != nullptr ? name : "unknown";
}

std::string digest_of(const Credential& c) {
  std::string all;
  const auto add = [&](const X509Ptr& x) {
    unsigned char* der = nullptr;
    const int n = i2d_X509(x.get(), &der);
    if (n > 0) all.append(reinterpret_cast<const char*>(der), static_cast<size_t>(n));
    OPENSSL_free(der);
  };
  add(c.leaf);
  for (const X509Ptr& x : c.chain) add(x);
  return sha256(all);
}

// Empty: all is well.
std::string read_chain(const fs::path& file, Credential& c, Use use) {
  std::string error;
  const BioPtr bio = open(file, error);
  if (bio == nullptr) return error;
  for (;;) {
    X509Ptr x(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
    if (x == nullptr) break;
    (c.leaf == nullptr ? c.leaf : c.chain.emplace_back()) = std::move(x);
  }
  const unsigned long last = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  if (!at_end) return "is not valid PEM: " + take_errors();
  ERR_clear_error();
  if (c.leaf == nullptr) return "has no certificate (PEM, \"BEGIN CERTIFICATE\")";
  const X509* subject = c.leaf.get();
  for (size_t i = 0; i < c.chain.size(); ++i) {
    X509* issuer = c.chain[i].get();
    const bool issued = X509_check_issued(issuer, const_cast<X509*>(subject)) == X509_V_OK &&
                        X509_verify(const_cast<X509*>(subject), X509_get0_pubkey(issuer)) == 1;
    if (!issued) {
      ERR_clear_error();
      return "certificate " + std::to_string(i + 2) + " (" +
             text_of(X509_get_subject_name(issuer)) + ") did not issue certificate " +
             std::to_string(i + 1) + " (" + text_of(X509_get_subject_name(subject)) +
             "); the chain must begin with the server's certificate, each followed by its issuer";
    }
    subject = issuer;
  }
  const bool server = use == Use::kServer;
  const int purpose = server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT;
  if (X509_check_purpose(c.leaf.get(), purpose, 0) != 1) {
    ERR_clear_error();
    return std::string("the first certificate is not for TLS ") + (server ? "servers" : "clients") +
           " (extended key usage)";
  }
  return {};
}

std::string read_key(const fs::path& file, Credential& c) {
  std::string error;
  const BioPtr bio = open(file, error);
  if (bio == nullptr) return error;
  c.key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (c.key == nullptr) {
    const unsigned long last = ERR_peek_last_error();
    const bool locked =
        ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_BAD_PASSWORD_READ;
    const std::string why = take_errors();
    return locked ? "the key needs a passphrase; Sluice takes keys without one"
                  : "has no usable private key: " + why;
  }
  if (X509_check_private_key(c.leaf.get(), c.key.get()) != 1) {
    ERR_clear_error();
    return "the key does not belong to the certificate in " + c.facts.certificate_file;
  }
  return {};
}

}  // namespace

std::optional<Credential> read_credential(const fs::path& certificate, const fs::path& key,
                                          FileError& error, Use use) {
  ERR_clear_error();
  Credential c;
  c.facts.certificate_file = certificate.string();
  c.facts.key_file = key.string();
  if (std::string why = read_chain(certificate, c, use); !why.empty()) {
    error = {FileError::Which::kCertificate, std::move(why)};
    return std::nullopt;
  }
  if (std::string why = read_key(key, c); !why.empty()) {
    error = {FileError::Which::kKey, std::move(why)};
    return std::nullopt;
  }
  c.facts.names = names_of(*c.leaf);
  c.facts.subject = text_of(X509_get_subject_name(c.leaf.get()));
  c.facts.issuer = text_of(X509_get_issuer_name(c.leaf.get()));
  c.facts.key_type = key_type_of(*c.key);
  c.facts.not_before = seconds_of(X509_get0_notBefore(c.leaf.get()));
  c.facts.not_after = seconds_of(X509_get0_notAfter(c.leaf.get()));
  c.facts.digest = digest_of(c);
  ERR_clear_error();
  return c;
}

bool use_credential(SSL_CTX* ctx, const Credential& c) {
  if (SSL_CTX_use_certificate(ctx, c.leaf.get()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx, c.key.get()) != 1 || SSL_CTX_clear_chain_certs(ctx) != 1)
    return false;
  for (const X509Ptr& x : c.chain)
    if (SSL_CTX_add1_chain_cert(ctx, x.get()) != 1) return false;
  return true;
}

Credential copy_into(OSSL_LIB_CTX* library, const Credential& credential) {
  const auto copy = [&](X509* from) -> X509Ptr {
    unsigned char* der = nullptr;
    const int size = i2d_X509(from, &der);
    X509* to = X509_new_ex(library, nullptr);
    const unsigned char* p = der;
    X509Ptr out(size > 0 && to != nullptr ? d2i_X509(&to, &p, size) : nullptr);  // frees on error
    OPENSSL_free(der);
    return out;
  };
  Credential out{
      .facts = credential.facts, .leaf = copy(credential.leaf.get()), .chain = {}, .key = {}};
  for (const X509Ptr& x : credential.chain)
    if ((out.chain.emplace_back(copy(x.get()))) == nullptr) return {};
  unsigned char* der = nullptr;
  const int size = i2d_PrivateKey(credential.key.get(), &der);
  const unsigned char* p = der;
  if (size > 0) out.key.reset(d2i_AutoPrivateKey_ex(nullptr, &p, size, library, nullptr));
  OPENSSL_clear_free(der, static_cast<size_t>(std::max(size, 0)));
  return out;
}

std::string validity(const config::Certificate& certificate, int64_t now) {
  const auto date = [](int64_t t) {
    const std::time_t seconds = t;
    std::tm tm{};
    gmtime_r(&seconds, &tm);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &tm);
    return std::string(text);
  };
  if (now < certificate.not_before) return "is not valid before " + date(certificate.not_before);
  if (now > certificate.not_after) return "has expired on " + date(certificate.not_after);
  return {};
}

}  // namespace sluice::tls
