#include "tls/openssl_records.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include <openssl/err.h>

#include "base/byte_order.h"
#include "tls/failure.h"

namespace sluice::tls {
namespace {

constexpr size_t kHeaderSize = 5;  // of a record: type, version, length (RFC 8446, 5.1)

// Bytes that protection adds to the content of a record: the tag, and the content's type or, in TLS
// 1.2 with AES-GCM, the explicit nonce (RFC 5288, 3).
int overhead_of(const SSL* ssl) {
  constexpr int kTag = 16, kType = 1, kNonce = 8;
  if (SSL_version(ssl) == TLS1_3_VERSION) return kTag + kType;
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  return SSL_CIPHER_get_cipher_nid(cipher) == NID_chacha20_poly1305 ? kTag : kTag + kNonce;
}

}  // namespace

OpensslRecords::OpensslRecords(SslPtr ssl, bool client, RecordWatch& watch, buf::Memory& memory,
                               buf::Queue& out, std::span<uint8_t> scratch)
    : ssl_(std::move(ssl)),
      client_(client),
      watch_(watch),
      memory_(memory),
      out_(out),
      scratch_(scratch),
      overhead_(overhead_of(ssl_.get())) {
  set_owner(ssl_.get(), *this);
}

// --- Input ---

void OpensslRecords::receive(buf::Slice data) {
  received_ = std::move(data);
}

void OpensslRecords::discard() {
  received_.reset();
  next_.reset();
}

Records::Read OpensslRecords::read(buf::Slice& plain) {
  if (next_) return *std::exchange(next_, std::nullopt);
  plain = memory_.hold().alloc();
  if (!plain) return Read::kNoMemory;
  int result = 1;
  while (plain.tailroom() > 0) {
    size_t n = 0;
    result = SSL_read_ex(ssl_.get(), plain.mutable_data() + plain.size(), plain.tailroom(), &n);
    if (result != 1 || watch_.tripped()) break;
    plain.grow_back(static_cast<uint32_t>(n));
  }
  const Read found = meaning(result);
  ERR_clear_error();
  if (plain.size() == 0 || found == Read::kTripped || found == Read::kNoMemory) return found;
  if (found != Read::kPlain) next_ = found;
  return Read::kPlain;
}

Records::Read OpensslRecords::meaning(int result) {
  if (starved_) return Read::kNoMemory;
  if (watch_.tripped()) return Read::kTripped;
  if (result == 1) return Read::kPlain;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Read::kMore;
    case SSL_ERROR_ZERO_RETURN:
      return Read::kEnd;
    case SSL_ERROR_SSL:
      if (client_) failure_ = failure_of(ssl_.get());
      return Read::kBroken;
    default:
      return Read::kBroken;
  }
}

bool OpensslRecords::within() const {
  return std::string_view(SSL_rstate_string(ssl_.get())) == "RB";
}

// OpenSSL has bytes of a record, or its header and nothing else yet.
bool OpensslRecords::unfinished() const {
  return SSL_has_pending(ssl_.get()) == 1 || within();
}

uint64_t OpensslRecords::completed() const {
  return headers_ - (within() ? 1 : 0);
}

uint32_t OpensslRecords::take_received(uint8_t* to, uint32_t n) {
  n = std::min(n, received_.size());
  if (n == 0) return 0;
  std::memcpy(to, received_.data(), n);
  received_.drop_front(n);
  return n;
}

// OpenSSL calls this in the middle of its work, so a guard acts only afterwards.
void OpensslRecords::on_message(bool sent, int type, buf::View bytes) {
  switch (type) {
    case SSL3_RT_HEADER:
      if (sent) {
        if (!stopped_) watch_.sent();
        return;
      }
      watch_.received();
      ++headers_;
      if (bytes.size() >= kHeaderSize && bytes[0] == SSL3_RT_APPLICATION_DATA)
        watch_.on_data(load_be16(bytes.data() + 3) - overhead_);
      return;
    case SSL3_RT_ALERT:
      if (!sent) {
        watch_.alert_received();
        if (bytes.size() == 2 && bytes[0] == SSL3_AL_WARNING && bytes[1] != SSL_AD_CLOSE_NOTIFY)
          watch_.on_warning();
        return;
      }
      if (!stopped_) {
        watch_.alert_sent();
        alerted_ = alerted_ || (bytes.size() == 2 && bytes[0] == SSL3_AL_FATAL);
      }
      // OpenSSL refuses by this warning, and would go on.
      if (bytes.size() == 2 && bytes[0] == SSL3_AL_WARNING && bytes[1] == SSL_AD_NO_RENEGOTIATION)
        watch_.on_renegotiation();
      return;
    case SSL3_RT_HANDSHAKE:
      if (sent || bytes.empty()) return;
      if (bytes[0] == SSL3_MT_KEY_UPDATE) watch_.on_key_update();
      if (bytes[0] == SSL3_MT_NEWSESSION_TICKET && client_) watch_.on_ticket();
      return;
    default:
      return;
  }
}

// --- Output ---

bool OpensslRecords::put_record(buf::View bytes) {
  if (stopped_ || out_.append_copy(bytes, memory_.hold())) return true;
  starved_ = true;
  return false;
}

Records::Sealed OpensslRecords::seal(buf::Queue& plain, uint32_t n) {
  uint8_t* to = scratch_.data();
  for (uint32_t left = n; left > 0;) {
    const buf::Slice piece = plain.pop(left);
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
    left -= piece.size();
  }
  size_t written = 0;
  const int result = SSL_write_ex(ssl_.get(), scratch_.data(), n, &written);
  ERR_clear_error();
  if (starved_) return Sealed::kNoMemory;
  return result == 1 && written == n ? Sealed::kDone : Sealed::kBroken;
}

Records::Sealed OpensslRecords::end() {
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
  stopped_ = true;
  return starved_ ? Sealed::kNoMemory : Sealed::kDone;
}

// OpenSSL has no function that sends an alert of choice. To read without a source is an internal
// error, behind which OpenSSL sends this alert.
Records::Sealed OpensslRecords::give_up() {
  if (stopped_) return Sealed::kDone;
  received_.reset();
  SSL_set0_rbio(ssl_.get(), nullptr);
  size_t n = 0;  // of the present record, which nobody reads any more
  while (SSL_read_ex(ssl_.get(), scratch_.data(), scratch_.size(), &n) == 1) continue;
  ERR_clear_error();
  stopped_ = true;
  if (starved_) return Sealed::kNoMemory;
  return alerted_ ? Sealed::kDone : Sealed::kBroken;
}

}  // namespace sluice::tls
