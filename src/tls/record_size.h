#pragma once
// How much payload the next record gets. A receiver can use no byte of a record before the record's
// last byte has come. At the start of a burst, when the path carries few segments in a round trip,
// each record fits into one segment; later, records are as large as TLS allows, which costs least.

#include <algorithm>
#include <cstdint>

#include "base/chrono.h"

namespace sluice::tls {

class RecordSize {
 public:
  // Payload of a record that leaves in one segment of Ethernet, over IPv4 or IPv6, with TCP's
  // timestamps.
  static constexpr uint32_t kSmall = 1'390;
  // Bytes of a burst that leave in small records: TCP's first three or four round trips.
  static constexpr uint32_t kBurst = 65'536;
  // A burst begins after a pause of this length.
  static constexpr Duration kPause = 1s;

  // largest: the size of later records. adapts: false when all records have that size.
  RecordSize(uint32_t largest, bool adapts) : largest_(largest), left_(adapts ? kBurst : 0) {
    adapts_ = adapts;
  }

  // The payload that the next record may have.
  uint32_t next(Time now) {
    if (adapts_ && now - last_ >= kPause) left_ = kBurst;
    return current();
  }
  // The same, for a record that is made at once behind the last one.
  uint32_t current() const { return left_ > 0 ? kSmall : largest_; }
  // A record with so much payload was made.
  void made(uint32_t n, Time now) {
    left_ -= std::min(left_, n);
    last_ = now;
  }

 private:
  const uint32_t largest_;
  bool adapts_;
  uint32_t left_;
  Time last_{};
};

}  // namespace sluice::tls
