// The guards of a Stream, and the counts of its records and alerts.

#include <openssl/ssl3.h>

#include "base/byte_order.h"
#include "tls/context.h"
#include "tls/stream.h"

namespace sluice::tls {
namespace {

constexpr uint8_t kWarning = 1;
constexpr size_t kHeaderSize = 5;  // of a record: type, version, length (RFC 8446, 5.1)
// Bytes that protection adds to the content of a record: the tag, and the content's type or, in TLS
// 1.2 with AES-GCM, the explicit nonce (RFC 5288, 3).
constexpr uint16_t kTag = 16;
constexpr uint16_t kType = 1;
constexpr uint16_t kNonce = 8;

}  // namespace

// OpenSSL calls this in the middle of its work, so a guard acts only afterwards.
void Stream::on_message(bool sent, int type, buf::View bytes) {
  stats::Tls& stats = context_.stats;
  switch (type) {
    case SSL3_RT_HEADER:
      if (sent) {
        ++stats.records_out;
        return;
      }
      ++stats.records_in;
      if (bytes.size() >= kHeaderSize && !is_client()) look_at_header(bytes);
      return;
    case SSL3_RT_ALERT:
      if (!sent) {
        ++stats.alerts_in;
        return;
      }
      ++stats.alerts_out;
      // OpenSSL refuses by this warning, and would go on.
      if (bytes.size() == 2 && bytes[0] == kWarning && bytes[1] == SSL_AD_NO_RENEGOTIATION)
        tripped_ = Guard::kRenegotiation;
      return;
    case SSL3_RT_HANDSHAKE:
      if (!sent && !bytes.empty() && bytes[0] == SSL3_MT_KEY_UPDATE &&
          !key_updates_.take(context_.guards.key_updates, context_.now))
        tripped_ = Guard::kKeyUpdates;
      return;
    default:
      return;
  }
}

// Of clients only: a pod's records carry the answers to many clients, which would lose them.
void Stream::look_at_header(buf::View header) {
  if (header[0] != SSL3_RT_APPLICATION_DATA) return;
  const bool tls13 = SSL_version(ssl_.get()) == TLS1_3_VERSION;
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
  const bool nonce = !tls13 && SSL_CIPHER_get_cipher_nid(cipher) != NID_chacha20_poly1305;
  const int overhead = kTag + (tls13 ? kType : 0) + (nonce ? kNonce : 0);
  const int content = load_be16(header.data() + 3) - overhead;
  if (content <= 0) {
    if (!empty_records_.take(context_.guards.empty_records, context_.now))
      tripped_ = Guard::kEmptyRecords;
  } else if (content < static_cast<int>(config::kTinyRecord)) {
    if (!tiny_records_.take(context_.guards.tiny_records, context_.now))
      tripped_ = Guard::kTinyRecords;
  }
}

void Stream::act(Guard guard) {
  const GuardInfo& info = info_of(guard);
  ++(context_.stats.*info.count);
  context_.events.push({info.name, info.what, lower_->peer(), is_client()});
  tripped_ = Guard::kNone;
  if (is_client()) {
    failure_ = info.what;
    if (state_ == State::kHandshake) ++context_.stats.pod_handshakes_failed;
  }
  leave_handshake();
  fail();
}

}  // namespace sluice::tls
