#include "tls/forwarded_certificate.h"

#include <algorithm>
#include <string_view>

#include <openssl/x509v3.h>

#include "tls/credential.h"

namespace sluice::tls {
namespace {

using NamesPtr = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

bool plain(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    return c > ' ' && c <= '~' && c != '"' && c != ';' && c != ',' && c != '\\' && c != '=';
  });
}

// RFC 2253 escapes quotation marks and backslashes; what it leaves is printable ASCII.
std::string subject_of(X509& x) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(&x), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio.get(), &data);
  std::string out(data, n > 0 ? static_cast<size_t>(n) : 0);
  const bool sound =
      std::all_of(out.begin(), out.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return sound ? out : std::string();
}

}  // namespace

std::string forwarded_certificate(X509& certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(&certificate, &der);
  std::string out =
      "Hash=" + sha256({reinterpret_cast<const char*>(der), size > 0 ? size_t(size) : 0});
  OPENSSL_free(der);
  out += ";Subject=\"" + subject_of(certificate) + "\"";
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_URI) continue;
    const ASN1_STRING* value =
        name->type == GEN_DNS ? name->d.dNSName : name->d.uniformResourceIdentifier;
    const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                                static_cast<size_t>(ASN1_STRING_length(value)));
    if (plain(text)) out += (name->type == GEN_DNS ? ";DNS=" : ";URI=") + std::string(text);
  }
  return out;
}

}  // namespace sluice::tls
