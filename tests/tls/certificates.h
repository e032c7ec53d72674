#pragma once
// Certificates for tests, made when they are needed: nothing in the tree expires.

#include <stdlib.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "tls/openssl.h"

namespace sluice::test {

enum class KeyKind { kEcdsa, kRsa, kEd25519, kSecp256k1 };

// All RSA certificates of a process have the same key, since it takes long to find one.
inline tls::KeyPtr make_key(KeyKind kind) {
  if (kind == KeyKind::kEcdsa) return tls::KeyPtr(EVP_EC_gen("P-256"));
  if (kind == KeyKind::kSecp256k1) return tls::KeyPtr(EVP_EC_gen("secp256k1"));
  if (kind == KeyKind::kEd25519) return tls::KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  static const tls::KeyPtr rsa(EVP_RSA_gen(2048));
  EVP_PKEY_up_ref(rsa.get());
  return tls::KeyPtr(rsa.get());
}

// A certificate and its private key.
struct Issued {
  tls::X509Ptr certificate;
  tls::KeyPtr key;

  std::string pem() const {
    const tls::BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), certificate.get());
    return text(bio.get());
  }
  std::string key_pem() const {
    const tls::BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return text(bio.get());
  }

 private:
  static std::string text(BIO* bio) {
    char* data = nullptr;
    const long n = BIO_get_mem_data(bio, &data);
    return {data, static_cast<size_t>(n)};
  }
};

// What differs from an ordinary server's certificate, valid since yesterday and for 30 days.
struct Wishes {
  KeyKind kind = KeyKind::kEcdsa;
  bool ca = false;
  long begins = -86'400;  // seconds from now
  long ends = 30 * 86'400;
  const char* extended_usage = nullptr;
};

// issuer: nullptr for a self-signed certificate. names: as in subjectAltName, "DNS:a.example".
inline Issued issue(const std::string& subject, const std::vector<std::string>& names,
                    const Issued* issuer, const Wishes& wishes = {}) {
  Issued out{tls::X509Ptr(X509_new()), make_key(wishes.kind)};
  X509* x = out.certificate.get();
  static long serial = std::time(nullptr) * 1000L;
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x), wishes.begins);
  X509_gmtime_adj(X509_getm_notAfter(x), wishes.ends);
  X509_set_pubkey(x, out.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
  X509* by = issuer != nullptr ? issuer->certificate.get() : x;
  X509_set_issuer_name(x, X509_get_subject_name(by));
  X509V3_CTX context;
  X509V3_set_ctx(&context, by, x, nullptr, nullptr, 0);
  const auto extend = [&](int nid, const std::string& value) {
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
  };
  extend(NID_basic_constraints, wishes.ca ? "critical,CA:TRUE" : "CA:FALSE");
  extend(NID_subject_key_identifier, "hash");
  if (issuer != nullptr) extend(NID_authority_key_identifier, "keyid");
  if (wishes.extended_usage != nullptr) extend(NID_ext_key_usage, wishes.extended_usage);
  std::string all;
  for (const std::string& n : names) all += (all.empty() ? "" : ",") + n;
  if (!all.empty()) extend(NID_subject_alt_name, all);
  EVP_PKEY* signer = issuer != nullptr ? issuer->key.get() : out.key.get();
  X509_sign(x, signer, EVP_PKEY_get_id(signer) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256());
  return out;
}

// A directory of files for one test.
// The CA's list of revoked certificates, PEM, for a day. revoked: nullptr for an empty list.
inline std::string revocations(const Issued& ca, const Issued* revoked) {
  X509_CRL* crl = X509_CRL_new();
  X509_CRL_set_version(crl, 1);
  X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca.certificate.get()));
  ASN1_TIME* t = ASN1_TIME_adj(nullptr, std::time(nullptr), 0, -60);
  X509_CRL_set1_lastUpdate(crl, t);
  X509_gmtime_adj(t, 86'400);
  X509_CRL_set1_nextUpdate(crl, t);
  if (revoked != nullptr) {
    X509_REVOKED* r = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked->certificate.get()));
    X509_gmtime_adj(t, -60);
    X509_REVOKED_set_revocationDate(r, t);
    X509_CRL_add0_revoked(crl, r);
  }
  ASN1_TIME_free(t);
  X509_CRL_sign(crl, ca.key.get(), EVP_sha256());
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(bio.get(), crl);
  X509_CRL_free(crl);
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(n)};
}

class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-tls-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::trunc) << text;
    return path_ / name;
  }
  std::filesystem::path path(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace sluice::test
