#include "tls/failure.h"

#include <vector>

#include <openssl/err.h>

namespace sluice::tls {
namespace {

constexpr long kVerifyErrors = 128;  // OpenSSL 3.0 has 95, numbered from 0
constexpr int kAlerts = 256;

struct Texts {
  Texts() {
    for (long code = 0; code < kVerifyErrors; ++code)
      verify.push_back(std::string("its certificate does not verify: ") +
                       X509_verify_cert_error_string(code));
    for (int alert = 0; alert < kAlerts; ++alert)
      alerts.push_back(std::string("the pod answered with the TLS alert: ") +
                       SSL_alert_desc_string_long(alert));
  }
  std::vector<std::string> verify;
  std::vector<std::string> alerts;
};

const Texts& texts() {
  static const Texts t;
  return t;
}

}  // namespace

void prepare_failures() {
  texts();
}

const char* failure_of_alert(uint8_t alert) {
  return texts().alerts[alert].c_str();
}

const char* failure_of(const SSL* ssl) {
  constexpr const char* kOther = "TLS failed";
  const unsigned long e = ERR_peek_error();
  if (ERR_GET_LIB(e) != ERR_LIB_SSL) return kOther;
  const int reason = ERR_GET_REASON(e);
  // OpenSSL adds this number to an alert that it received.
  if (reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + kAlerts)
    return failure_of_alert(static_cast<uint8_t>(reason - SSL_AD_REASON_OFFSET));
  switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED: {
      const long code = SSL_get_verify_result(ssl);
      return code >= 0 && code < kVerifyErrors ? texts().verify[static_cast<size_t>(code)].c_str()
                                               : "its certificate does not verify";
    }
    case SSL_R_WRONG_VERSION_NUMBER:
      return "the pod does not speak TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
      return "the pod has no TLS 1.2 or 1.3";
    default: {
      const char* text = ERR_reason_error_string(e);
      return text != nullptr ? text : kOther;
    }
  }
}

}  // namespace sluice::tls
