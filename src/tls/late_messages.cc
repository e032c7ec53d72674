#include "tls/late_messages.h"

#include <algorithm>

#include <openssl/ssl.h>

#include "base/byte_order.h"

namespace sluice::tls {
namespace {

// RFC 8446, 4.6.1: a ticket of 2^16 - 1 bytes, as many of extensions, a nonce, and the lengths.
constexpr uint32_t kMaxTicket = 2 * 65'535 + 255 + 13;

}  // namespace

std::optional<uint8_t> LateMessages::take(buf::View piece) {
  while (!piece.empty()) {
    if (key_update_ != KeyUpdate::kNone) return SSL_AD_UNEXPECTED_MESSAGE;
    if (header_size_ < kHeaderSize) {
      header_[header_size_++] = piece[0];
      piece = piece.subspan(1);
      if (header_size_ < kHeaderSize) continue;
      if (const auto alert = check_header()) return alert;
      continue;
    }
    const auto n = static_cast<uint32_t>(std::min<size_t>(left_, piece.size()));
    left_ -= n;
    const uint8_t last = piece[n - 1];
    piece = piece.subspan(n);
    if (left_ > 0) continue;
    if (const auto alert = end_message(last)) return alert;
  }
  return std::nullopt;
}

std::optional<uint8_t> LateMessages::check_header() {
  left_ = load_be24(header_.data() + 1);
  switch (header_[0]) {
    case SSL3_MT_KEY_UPDATE:
      if (left_ != 1) return SSL_AD_DECODE_ERROR;
      return std::nullopt;
    case SSL3_MT_NEWSESSION_TICKET:
      if (!client_) return SSL_AD_UNEXPECTED_MESSAGE;
      if (left_ == 0 || left_ > kMaxTicket) return SSL_AD_DECODE_ERROR;
      return std::nullopt;
    default:
      return SSL_AD_UNEXPECTED_MESSAGE;
  }
}

std::optional<uint8_t> LateMessages::end_message(uint8_t last) {
  header_size_ = 0;
  if (header_[0] == SSL3_MT_NEWSESSION_TICKET) {
    ++tickets_;
    return std::nullopt;
  }
  if (last > SSL_KEY_UPDATE_REQUESTED) return SSL_AD_ILLEGAL_PARAMETER;
  key_update_ = last == SSL_KEY_UPDATE_REQUESTED ? KeyUpdate::kBoth : KeyUpdate::kPeers;
  return std::nullopt;
}

}  // namespace sluice::tls
