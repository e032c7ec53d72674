// The records that OwnRecords makes.

#include <algorithm>
#include <cstring>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/byte_order.h"
#include "tls/own_records.h"

namespace sluice::tls {
namespace {

constexpr uint32_t kRecordHeader = TrafficKey::kHeaderSize;
constexpr uint32_t kRecordTag = TrafficKey::kTagSize;
constexpr uint32_t kBlock = 16;  // of the ciphers: pieces of whole blocks are cheapest
// The largest content that is made in one piece.
constexpr uint32_t kSmall = buf::Queue::kMaxContiguous - kRecordHeader - 1 - kRecordTag;

void write_header(uint8_t* to, uint32_t content) {
  to[0] = SSL3_RT_APPLICATION_DATA;
  store_be16(to + 1, TLS1_2_VERSION);
  store_be16(to + 3, static_cast<uint16_t>(content + 1 + kRecordTag));
}

// Copies the first n bytes and removes them.
void move_bytes(buf::Queue& from, uint8_t* to, uint32_t n) {
  while (n > 0) {
    const buf::Slice piece = from.pop(n);
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
    n -= piece.size();
  }
}

}  // namespace

Records::Sealed OwnRecords::seal(buf::Queue& plain, uint32_t n) {
  if (stopped_) return Sealed::kBroken;
  if (keys_.seal->sequence() >= keys_.seal->suite().most_records)
    if (const Sealed s = update_sending(); s != Sealed::kDone) return s;
  if (n > kSmall) return seal_large(plain, n);
  return seal_small(SSL3_RT_APPLICATION_DATA, n, [&](uint8_t* to) { move_bytes(plain, to, n); });
}

template <class Fill>
Records::Sealed OwnRecords::seal_small(uint8_t type, uint32_t n, Fill fill) {
  const uint32_t size = kRecordHeader + n + 1 + kRecordTag;
  uint8_t* const record = out_.append_space(size, memory_.hold());
  if (record == nullptr) return Sealed::kNoMemory;
  write_header(record, n);
  uint8_t* const content = record + kRecordHeader;
  fill(content);
  content[n] = type;
  TrafficKey& key = *keys_.seal;
  if (!key.begin(record) || !key.pass(content, content, n + 1) || !key.seal(content + n + 1)) {
    ERR_clear_error();
    out_.drop_back(size);
    return Sealed::kBroken;
  }
  watch_.sent();
  return Sealed::kDone;
}

// The record fills whole buffers. When it fails halfway, the connection can only be reset.
Records::Sealed OwnRecords::seal_large(buf::Queue& plain, uint32_t n) {
  TrafficKey& key = *keys_.seal;
  std::array<uint8_t, kRecordHeader> header;
  write_header(header.data(), n);
  bool good = key.begin(header.data());
  uint32_t before = kRecordHeader;  // bytes of the header that this buffer has in front
  for (uint32_t left = n + 1; left > 0 && good; before = 0) {
    buf::Slice buffer = memory_.hold().alloc();
    if (!buffer) return Sealed::kNoMemory;
    uint8_t* const to = buffer.mutable_data() + before;
    std::copy_n(header.begin(), before, buffer.mutable_data());
    const uint32_t room = buffer.tailroom() - before;
    const bool last = room >= left + kRecordTag;
    const uint32_t size = last ? left : std::min(room, left - 1) / kBlock * kBlock;
    const uint32_t content = last ? left - 1 : size;
    buf::Slice piece = content > 0 ? plain.pop(content) : buf::Slice();
    if (piece.size() == size) {
      good = key.pass(piece.data(), to, size);
    } else {
      if (piece.size() > 0) std::memcpy(to, piece.data(), piece.size());
      move_bytes(plain, to + piece.size(), content - piece.size());
      if (last) to[content] = SSL3_RT_APPLICATION_DATA;
      good = key.pass(to, to, size);
    }
    if (last) good = good && key.seal(to + size);
    buffer.grow_back(before + size + (last ? kRecordTag : 0));
    out_.append(std::move(buffer));
    left -= size;
  }
  if (!good) {
    ERR_clear_error();
    return Sealed::kNoMemory;
  }
  watch_.sent();
  return Sealed::kDone;
}

Records::Sealed OwnRecords::seal_alert(uint8_t level, uint8_t description) {
  if (stopped_) return Sealed::kDone;
  stopped_ = true;  // nothing follows an alert (RFC 8446, 6)
  const Sealed s = seal_small(SSL3_RT_ALERT, 2, [&](uint8_t* to) {
    to[0] = level;
    to[1] = description;
  });
  if (s == Sealed::kDone) watch_.alert_sent();
  return s;
}

Records::Sealed OwnRecords::end() {
  return seal_alert(SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
}

Records::Sealed OwnRecords::give_up() {
  return seal_alert(SSL3_AL_FATAL, SSL_AD_INTERNAL_ERROR);
}

// Our KeyUpdate is the last record of the present key (RFC 8446, 4.6.3).
Records::Sealed OwnRecords::update_sending() {
  static constexpr std::array<uint8_t, 5> kMessage{SSL3_MT_KEY_UPDATE, 0, 0, 1,
                                                   SSL_KEY_UPDATE_NOT_REQUESTED};
  const Sealed s = seal_small(SSL3_RT_HANDSHAKE, kMessage.size(),
                              [](uint8_t* to) { std::copy(kMessage.begin(), kMessage.end(), to); });
  if (s != Sealed::kDone) return s;
  if (keys_.seal->update()) return Sealed::kDone;
  ERR_clear_error();
  return Sealed::kBroken;
}

}  // namespace sluice::tls
