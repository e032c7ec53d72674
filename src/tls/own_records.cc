#include "tls/own_records.h"

#include <algorithm>
#include <cstring>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/byte_order.h"
#include "tls/failure.h"
#include "tls/keep.h"

namespace sluice::tls {
namespace {

constexpr uint32_t kHeader = TrafficKey::kHeaderSize;
constexpr uint32_t kTag = TrafficKey::kTagSize;
constexpr uint32_t kLeast = kTag + 1;                    // a record's content has a type
constexpr uint32_t kMost = Records::kMaxPlain + 256;     // RFC 8446, 5.2
constexpr uint32_t kMostInner = Records::kMaxPlain + 1;  // content, type and padding (5.4)
// Records that carry nothing, one after the other, whatever the guards say: as many as OpenSSL
// takes.
constexpr uint32_t kMostEmpty = 32;

}  // namespace

OwnRecords::OwnRecords(TrafficKeys keys, bool client, RecordWatch& watch, buf::Memory& memory,
                       buf::Queue& out)
    : keys_(std::move(keys)),
      client_(client),
      watch_(watch),
      memory_(memory),
      out_(out),
      messages_(client) {}

void OwnRecords::receive(buf::Slice data) {
  fresh_ = std::move(data);
}

void OwnRecords::discard() {
  fresh_.reset();
  record_.clear();
  record_size_ = content_left_ = 0;
}

Records::Read OwnRecords::read(buf::Slice& plain) {
  for (;;) {
    if (content_left_ > 0) {
      plain = record_.pop(content_left_);
      content_left_ -= plain.size();
      if (content_left_ == 0) record_.clear();  // type, padding and tag
      return Read::kPlain;
    }
    if (const Read r = collect(); r != Read::kPlain) return r;
    if (const Read r = open(); r != Read::kPlain) return r;
  }
}

// Until record_ has one whole record.
Records::Read OwnRecords::collect() {
  if (record_size_ == 0)
    if (const Read r = collect_header(); r != Read::kPlain) return r;
  const auto missing = static_cast<uint32_t>(record_size_ - record_.size());
  if (fresh_.size() > missing) {
    record_.append(fresh_.split_front(missing));
  } else if (fresh_.size() == missing) {
    record_.append(std::move(fresh_));  // is opened and given before the caller returns
  } else {
    return keep(std::move(fresh_), record_, memory_) ? Read::kMore : Read::kNoMemory;
  }
  return Read::kPlain;
}

Records::Read OwnRecords::collect_header() {
  if (!record_.empty() || fresh_.size() < kHeader) {
    const auto missing = static_cast<uint32_t>(kHeader - record_.size());
    const uint32_t n = std::min(missing, fresh_.size());
    if (n > 0 && !keep(fresh_.split_front(n), record_, memory_)) return Read::kNoMemory;
    if (n < missing) return Read::kMore;
    uint8_t* to = header_.data();
    record_.peek(record_.begin(), kHeader,
                 [&](const buf::Fragment& f) { to = std::copy(f.begin(), f.end(), to); });
  } else {
    std::copy_n(fresh_.data(), kHeader, header_.begin());
  }
  // The handshake is over, so nothing but protected records may come. The version is looked at only
  // as a part of the bytes that the tag covers.
  const uint32_t length = load_be16(header_.data() + 3);
  if (header_[0] != SSL3_RT_APPLICATION_DATA) return broken(SSL_AD_UNEXPECTED_MESSAGE);
  if (length > kMost) return broken(SSL_AD_RECORD_OVERFLOW);
  if (length < kLeast) return broken(SSL_AD_BAD_RECORD_MAC);
  record_size_ = kHeader + length;
  watch_.received();
  watch_.on_data(static_cast<int>(length - kLeast));
  return watch_.tripped() ? Read::kTripped : Read::kPlain;
}

Records::Read OwnRecords::open() {
  ++completed_;
  const uint32_t inner = record_size_ - kHeader - kTag;
  const uint64_t at = record_.begin() + kHeader;
  if (inner > kMostInner) return broken(SSL_AD_RECORD_OVERFLOW);
  TrafficKey& key = *keys_.open;
  bool good = key.begin(header_.data());
  record_.peek(at, inner, [&](const buf::Fragment& f) {
    // Nobody else has these bytes.
    good =
        good && key.pass(f.data(), const_cast<uint8_t*>(f.data()), static_cast<uint32_t>(f.size()));
  });
  std::array<uint8_t, kTag> tag;
  uint8_t* to = tag.data();
  record_.peek(at + inner, kTag,
               [&](const buf::Fragment& f) { to = std::copy(f.begin(), f.end(), to); });
  if (!good || !key.open(tag.data())) return broken(SSL_AD_BAD_RECORD_MAC);
  // The last byte that is not 0 is the content's type (5.4).
  uint8_t type = 0;
  uint32_t size = 0;
  uint32_t passed = 0;
  record_.peek(at, inner, [&](const buf::Fragment& f) {
    const auto last = std::find_if(f.rbegin(), f.rend(), [](uint8_t b) { return b != 0; });
    if (last != f.rend()) {
      type = *last;
      size = passed + static_cast<uint32_t>(f.rend() - last) - 1;
    }
    passed += static_cast<uint32_t>(f.size());
  });
  record_size_ = 0;
  record_.trim_to(at);
  if (type == SSL3_RT_ALERT) return take_alert(size);
  if (type == SSL3_RT_HANDSHAKE) return take_messages(size);
  // Nothing comes between the parts of a message (RFC 8446, 5.1).
  if (type != SSL3_RT_APPLICATION_DATA || messages_.within())
    return broken(SSL_AD_UNEXPECTED_MESSAGE);
  content_left_ = size;
  if (size > 0) {
    empty_ = 0;
    return Read::kPlain;
  }
  record_.clear();
  return ++empty_ > kMostEmpty ? broken(SSL_AD_UNEXPECTED_MESSAGE) : Read::kPlain;
}

Records::Read OwnRecords::take_alert(uint32_t size) {
  std::array<uint8_t, 2> alert{};
  if (size == 0) return broken(SSL_AD_UNEXPECTED_MESSAGE);  // RFC 8446, 5.4
  if (size != alert.size()) return broken(SSL_AD_DECODE_ERROR);
  uint8_t* to = alert.data();
  record_.peek(record_.begin(), size,
               [&](const buf::Fragment& f) { to = std::copy(f.begin(), f.end(), to); });
  record_.clear();
  watch_.alert_received();
  const bool fatal = alert[1] != SSL_AD_CLOSE_NOTIFY && alert[1] != SSL_AD_USER_CANCELLED;
  if (messages_.within() && !fatal) return broken(SSL_AD_UNEXPECTED_MESSAGE);
  switch (alert[1]) {  // in TLS 1.3 the level says nothing (RFC 8446, 6)
    case SSL_AD_CLOSE_NOTIFY:
      return Read::kEnd;
    case SSL_AD_USER_CANCELLED:
      watch_.on_warning();
      return watch_.tripped() ? Read::kTripped : Read::kPlain;
    default:
      if (client_) failure_ = failure_of_alert(alert[1]);
      return Read::kBroken;
  }
}

Records::Read OwnRecords::take_messages(uint32_t size) {
  if (size == 0) return broken(SSL_AD_UNEXPECTED_MESSAGE);  // RFC 8446, 5.4
  std::optional<uint8_t> alert;
  record_.peek(record_.begin(), size, [&](const buf::Fragment& f) {
    if (!alert) alert = messages_.take(f);
  });
  record_.clear();
  if (alert) return broken(*alert);
  for (uint32_t n = messages_.take_tickets(); n > 0; --n) watch_.on_ticket();
  if (watch_.tripped()) return Read::kTripped;
  const LateMessages::KeyUpdate update = messages_.take_key_update();
  if (update == LateMessages::KeyUpdate::kNone) return Read::kPlain;
  watch_.on_key_update();
  if (watch_.tripped()) return Read::kTripped;
  if (!keys_.open->update()) return broken(SSL_AD_INTERNAL_ERROR);
  if (update == LateMessages::KeyUpdate::kPeers || stopped_) return Read::kPlain;
  switch (update_sending()) {
    case Sealed::kDone:
      return Read::kPlain;
    case Sealed::kNoMemory:
      return Read::kNoMemory;
    case Sealed::kBroken:
      break;
  }
  return broken(SSL_AD_INTERNAL_ERROR);
}

Records::Read OwnRecords::broken(uint8_t alert) {
  ERR_clear_error();
  if (client_) failure_ = SSL_alert_desc_string_long(alert);
  return seal_alert(SSL3_AL_FATAL, alert) == Sealed::kNoMemory ? Read::kNoMemory : Read::kBroken;
}

}  // namespace sluice::tls
