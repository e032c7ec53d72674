#include "tls/handshake.h"

#include <algorithm>
#include <cstring>

#include <openssl/err.h>

#include "tls/bio.h"
#include "tls/client_hello.h"
#include "tls/failure.h"
#include "tls/forwarded_certificate.h"
#include "tls/library.h"

namespace sluice::tls {
namespace {

using T = stats::Tls;

// The reason of the error that OpenSSL has queued first.
stats::Counter T::*reason_of(unsigned long e) {
  switch (ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_INAPPROPRIATE_FALLBACK:
      return &T::failed_version;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
      return &T::failed_cipher;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return &T::failed_certificate;
    default:
      break;
  }
  // OpenSSL adds this number to an alert that it received.
  const bool alert = ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) >= SSL_AD_REASON_OFFSET;
  return alert ? &T::failed_alert : &T::failed_other;
}

}  // namespace

bool Handshake::begin() {
  ssl_.reset(SSL_new(client_ != nullptr ? client_->get(lane_) : contexts_->first(lane_)));
  BioPtr bio = ssl_ != nullptr ? make_bio() : nullptr;
  if (bio == nullptr) return false;
  BIO_up_ref(bio.get());  // OpenSSL counts the two directions
  SSL_set0_rbio(ssl_.get(), bio.get());
  SSL_set0_wbio(ssl_.get(), bio.release());
  set_owner(ssl_.get(), *this);
  if (client_ != nullptr) return begin_client();
  SSL_set_accept_state(ssl_.get());
  if (ticket_keys_ == nullptr) {
    SSL_set_options(ssl_.get(), SSL_OP_NO_TICKET);
    SSL_set_num_tickets(ssl_.get(), 0);
  }
  return true;
}

bool Handshake::begin_client() {
  SSL_set_connect_state(ssl_.get());
  const std::string& name = client_->server_name();
  return name.empty() || SSL_set_tlsext_host_name(ssl_.get(), name.c_str()) == 1;
}

void Handshake::step() {
  if (abandoned.load(std::memory_order_relaxed)) return;
  ERR_clear_error();
  if (ssl_ == nullptr && !begin()) {
    end_ = &T::memory_refusals;
    state_ = State::kFailed;
    ERR_clear_error();
    return;
  }
  const int result = SSL_do_handshake(ssl_.get());
  const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_NONE) {
    complete();
  } else if (error != SSL_ERROR_WANT_READ) {
    give_up();
  }
  if (state_ == State::kUnderWay && taken_ == input_.size()) {
    input_.clear();
    taken_ = 0;
  }
  ERR_clear_error();
}

// Ends the work of OpenSSL, unless it has to make the records.
void Handshake::take_keys() {
  if (own_records_) keys_ = secrets_.keys(library_of(lane_), ssl_.get(), client_ != nullptr);
  if (keys_) ssl_.reset();
}

void Handshake::complete() {
  state_ = State::kDone;
  version_ = SSL_get_version(ssl_.get());
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  const std::string_view alpn(reinterpret_cast<const char*>(name), size);
  for (const std::string_view known : {kHttp2, kHttp11, kHttp10})
    if (alpn == known) alpn_ = known;
  if (alpn.empty() && client_ == nullptr) alpn_ = kHttp11;  // the client sent no ALPN
  if (client_ == nullptr) {
    end_ = SSL_session_reused(ssl_.get()) == 1 ? &T::handshakes_resumed : &T::handshakes_full;
    if (X509* x = SSL_get0_peer_certificate(ssl_.get());
        x != nullptr && SSL_get_verify_result(ssl_.get()) == X509_V_OK)
      peer_certificate_ = forwarded_certificate(*x);
    take_keys();
    return;
  }
  // HTTP/2 over TLS needs ALPN (RFC 9113, 3.2); HTTP/1.1 is what a pod without ALPN speaks.
  if (alpn == client_->protocol() || (alpn.empty() && client_->protocol() == kHttp11)) {
    end_ = &T::pod_handshakes;
    take_keys();
  } else {
    failure_ = "the pod's TLS does not offer the protocol of the service (ALPN)";
    end_ = &T::pod_handshakes_failed;
    state_ = State::kFailed;
  }
}

void Handshake::give_up() {
  state_ = State::kFailed;
  if (client_ != nullptr) {
    failure_ = failure_of(ssl_.get());
    end_ = &T::pod_handshakes_failed;
  } else if (end_ == nullptr) {
    end_ = reason_of(ERR_peek_error());
  }
}

// As OpensslRecords::give_up(): to read without a source is an internal error.
void Handshake::refuse() {
  end_ = nullptr;
  if (state_ != State::kUnderWay || ssl_ == nullptr) return;
  state_ = State::kFailed;
  SSL_set0_rbio(ssl_.get(), nullptr);
  SSL_do_handshake(ssl_.get());
  end_ = nullptr;
  ERR_clear_error();
}

void Handshake::count(stats::Tls& stats) {
  const auto add = [](stats::Counter& counter, uint32_t& n) { counter.add(std::exchange(n, 0)); };
  add(stats.records_in, records_in_);
  add(stats.records_out, records_out_);
  add(stats.alerts_in, alerts_in_);
  add(stats.alerts_out, alerts_out_);
  if (state_ != State::kUnderWay && end_ != nullptr) ++(stats.*std::exchange(end_, nullptr));
}

OSSL_LIB_CTX* Handshake::library() const {
  return library_of(lane_);
}

Handshake::Result Handshake::take_result() {
  input_.erase(input_.begin(), input_.begin() + static_cast<ptrdiff_t>(taken_));
  return {std::move(keys_),
          std::move(ssl_),
          alpn_,
          version_,
          std::move(input_),
          std::move(server_name_),
          std::move(peer_certificate_),
          chosen_};
}

uint32_t Handshake::take_received(uint8_t* to, uint32_t n) {
  n = static_cast<uint32_t>(std::min<size_t>(n, input_.size() - taken_));
  if (n > 0) std::memcpy(to, input_.data() + taken_, n);  // memcpy takes no null pointer
  taken_ += n;
  return n;
}

bool Handshake::put_record(buf::View bytes) {
  output_.insert(output_.end(), bytes.begin(), bytes.end());
  return true;
}

void Handshake::on_message(bool sent, int type, buf::View bytes) {
  if (type == SSL3_RT_HEADER) {
    ++(sent ? records_out_ : records_in_);
    if (!sent) ++received_;
    secrets_.on_record(sent);
  }
  if (type == SSL3_RT_HANDSHAKE && !bytes.empty() && bytes[0] == SSL3_MT_FINISHED)
    secrets_.on_finished(sent);
  if (type == SSL3_RT_ALERT) ++(sent ? alerts_out_ : alerts_in_);
}

bool Handshake::on_client_hello(int& alert) {
  const auto extension = [&](unsigned type) -> std::optional<buf::View> {
    const unsigned char* bytes = nullptr;
    size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl_.get(), type, &bytes, &size) != 1) return std::nullopt;
    return buf::View(bytes, size);
  };
  // HTTP/2 over TLS needs ALPN (RFC 9113, 3.2), so a client without ALPN speaks HTTP/1.1.
  const auto alpn = extension(TLSEXT_TYPE_application_layer_protocol_negotiation);
  if (alpn && !lists_protocols(*alpn)) {
    alert = SSL_AD_DECODE_ERROR;
    return false;
  }
  if (alpn && !contexts_->alpn().empty() && !offers_one_of(*alpn, contexts_->alpn())) {
    end_ = &T::failed_protocol;
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
  const std::optional<size_t> chosen = contexts_->choose(server_name_);
  if (!chosen) {
    end_ = &T::failed_name;
    alert = SSL_AD_UNRECOGNIZED_NAME;
    return false;
  }
  chosen_ = *chosen;
  const std::string scope = contexts_->session_scope(server_name_, library());
  return SSL_set_SSL_CTX(ssl_.get(), contexts_->context(lane_, chosen_)) != nullptr &&
         SSL_set_session_id_context(ssl_.get(),
                                    reinterpret_cast<const unsigned char*>(scope.data()),
                                    static_cast<unsigned>(scope.size())) == 1;
}

}  // namespace sluice::tls
