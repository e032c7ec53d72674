// The handshake of a Stream: its steps, its end, and the reasons why it fails.

#include <openssl/err.h>

#include "tls/callbacks.h"
#include "tls/client_hello.h"
#include "tls/context.h"
#include "tls/failure.h"
#include "tls/forwarded_certificate.h"
#include "tls/stream.h"

namespace sluice::tls {

void Stream::begin_handshake() {
  state_ = State::kHandshake;
  ++context_.stats.handshaking;
}

// OpenSSL works on the received bytes at once, signatures included. This is the place from which a
// handshake could go to another thread: nothing here depends on when it comes back.
void Stream::shake_hands() {
  const auto before = static_cast<uint32_t>(received_.size());
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
  if (starved_) {
    out_of_memory();
    return;
  }
  before_open_ += before;
  if (error == SSL_ERROR_NONE) {
    established();
  } else if (error != SSL_ERROR_WANT_READ) {
    fail_handshake();
  } else if (before_open_ > context_.guards.handshake_size) {
    act(Guard::kSize);
  } else {
    ERR_clear_error();
    send_written();
  }
}

void Stream::established() {
  ERR_clear_error();
  if (is_client()) {
    // HTTP/2 over TLS needs ALPN (RFC 9113, 3.2); HTTP/1.1 is what a pod without ALPN speaks.
    if (alpn() != client_->protocol() && !(alpn().empty() && client_->protocol() == kHttp11)) {
      ++context_.stats.pod_handshakes_failed;
      failure_ = "the pod's TLS does not offer the protocol of the service (ALPN)";
      leave_handshake();
      fail();
      return;
    }
    ++context_.stats.pod_handshakes;
  } else if (SSL_session_reused(ssl_.get()) == 1) {
    ++context_.stats.handshakes_resumed;
  } else {
    ++context_.stats.handshakes_full;
  }
  if (X509* x = is_client() ? nullptr : SSL_get0_peer_certificate(ssl_.get());
      x != nullptr && SSL_get_verify_result(ssl_.get()) == X509_V_OK)
    peer_certificate_ = forwarded_certificate(*x);
  leave_handshake();
  state_ = State::kOpen;
  send_written();  // our Finished, and the tickets
  if (state_ != State::kOpen) return;
  user_->on_established(*this);
  on_writable(*lower_);  // for the bytes that waited for the handshake
}

void Stream::handshake_closed(transport::CloseReason how) {
  if (!is_client()) {
    ++context_.stats.failed_closed;
  } else if (*failure_ == '\0') {
    ++context_.stats.pod_handshakes_failed;
    failure_ = how == transport::CloseReason::kReset
                   ? "the pod reset the connection in the TLS handshake"
                   : "the pod closed the connection in the TLS handshake";
  }
  leave_handshake();
}

void Stream::fail_handshake() {
  count_failure();
  leave_handshake();
  fail();
}

void Stream::count_failure() {
  stats::Tls& stats = context_.stats;
  if (is_client()) {
    ++stats.pod_handshakes_failed;
    failure_ = failure_of(ssl_.get());
    return;
  }
  switch (refusal_) {
    case Refusal::kProtocol:
      ++stats.failed_protocol;
      return;
    case Refusal::kName:
      ++stats.failed_name;
      return;
    case Refusal::kNone:
      break;
  }
  const unsigned long e = ERR_peek_error();
  switch (ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_INAPPROPRIATE_FALLBACK:
      ++stats.failed_version;
      return;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
      ++stats.failed_cipher;
      return;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      ++stats.failed_certificate;
      return;
    default:
      break;
  }
  // OpenSSL adds this number to an alert that it received.
  const bool alert = ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) >= SSL_AD_REASON_OFFSET;
  if (alert) {
    ++stats.failed_alert;
  } else {
    ++stats.failed_other;
  }
}

void Stream::leave_handshake() {
  if (state_ != State::kHandshake) return;
  --context_.stats.handshaking;
  timer_.disarm();
}

bool Stream::on_client_hello(int& alert) {
  const auto extension = [&](unsigned type) -> std::optional<buf::View> {
    const unsigned char* bytes = nullptr;
    size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl_.get(), type, &bytes, &size) != 1) return std::nullopt;
    return buf::View(bytes, size);
  };
  // HTTP/2 over TLS needs ALPN (RFC 9113, 3.2), so no protocol is assumed without it.
  const auto alpn = extension(TLSEXT_TYPE_application_layer_protocol_negotiation);
  if (!alpn || !(offers_protocol(*alpn, kHttp2) || offers_protocol(*alpn, kHttp11))) {
    refusal_ = Refusal::kProtocol;
    alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return false;
  }
  server_name_.clear();  // a second ClientHello, after HelloRetryRequest, comes here too
  if (const auto name = extension(TLSEXT_TYPE_server_name)) {
    const auto text = server_name_of(*name);
    if (!text) {
      alert = SSL_AD_DECODE_ERROR;
      return false;
    }
    server_name_ = *text;
  }
  SSL_CTX* chosen = contexts_->choose(server_name_);
  if (chosen == nullptr) {
    refusal_ = Refusal::kName;
    alert = SSL_AD_UNRECOGNIZED_NAME;
    return false;
  }
  const std::string scope = contexts_->session_scope(server_name_);
  return SSL_set_SSL_CTX(ssl_.get(), chosen) != nullptr &&
         SSL_set_session_id_context(ssl_.get(),
                                    reinterpret_cast<const unsigned char*>(scope.data()),
                                    static_cast<unsigned>(scope.size())) == 1;
}

const TicketKeys* Stream::ticket_keys() const {
  return context_.ticket_keys;
}

std::string_view Stream::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  if (ssl_ != nullptr) SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

const char* Stream::security() const {
  return ssl_ != nullptr ? SSL_get_version(ssl_.get()) : "";
}

// Old connections keep the contexts of their handshake, so their answers do not change.
transport::Stream::Authority Stream::authority_for(std::string_view host) const {
  if (is_client()) return Authority::kThis;
  const SSL_CTX* own = contexts_->choose(host);
  if (own == nullptr) return Authority::kNone;
  return own == SSL_get_SSL_CTX(ssl_.get()) ? Authority::kThis : Authority::kAnother;
}

}  // namespace sluice::tls
