#pragma once
// The longest packet that a path takes. ICMP lowers it (RFC 1191, 8201), and so do full segments
// that vanish without an ICMP message; probes raise it again (Packetization Layer Path MTU
// Discovery, RFC 4821). Sizes are bytes of TCP header and payload in one packet.

#include <algorithm>
#include <cassert>
#include <cstdint>

#include "base/chrono.h"
#include "tcp/sequence.h"

namespace sluice::tcp {

class PathMtu {
 public:
  // Nothing longer is sent. kUnlimited until something was learned: then only the route's MTU
  // counts.
  uint16_t limit() const { return limit_; }
  static constexpr uint16_t kUnlimited = 0xffff;
  bool learned() const { return limit_ != kUnlimited; }

  // A router's message. A path may become wider again: a longer packet is tried after `patience`.
  void lower(uint16_t size, Time now, Duration patience) {
    limit_ = size;
    ceiling_ = kUnlimited;
    forget_probe();
    search_at_ = now + patience;
  }

  // Segments of `size` vanish again and again, and shorter ones have not been tried. The search for
  // the size that gets through goes from `base` upwards, and begins as soon as something is
  // acknowledged.
  void black_hole(uint16_t size, uint16_t base, Time now) {
    assert(base < size);
    lower(base, now, Duration::zero());
    ceiling_ = static_cast<uint16_t>(size - 1);
  }

  // The size to probe now; 0: none. highest: the size that route and peer would take. A probe may
  // have failed for another reason, so an ended search begins anew after `patience`.
  uint16_t next_probe(uint16_t highest, Time now, Duration patience) {
    if (probe_end_ != 0 || limit_ >= highest || now < search_at_) return 0;
    const uint16_t high = std::min(highest, ceiling_);
    if (high < limit_ + kGranularity) {
      ceiling_ = kUnlimited;
      search_at_ = now + patience;
      return 0;
    }
    // Most paths that were narrow for a while are as wide again as before.
    return ceiling_ >= highest ? highest : static_cast<uint16_t>((limit_ + high + 1) / 2);
  }

  // A probe of `size` has left; its last byte is before `end`.
  void probing(uint16_t size, Seq end) {
    probe_size_ = size;
    probe_end_ = end;
  }
  bool is_probe(Seq end) const { return probe_end_ != 0 && probe_end_ == end; }
  void arrived() {
    assert(probe_end_ != 0);
    limit_ = probe_size_;
    forget_probe();
  }
  void failed() {
    assert(probe_end_ != 0);
    ceiling_ = static_cast<uint16_t>(probe_size_ - 1);
    forget_probe();
  }
  // The probe proved nothing, since the connection has other losses.
  void forget_probe() { probe_end_ = 0; }

 private:
  // Bytes: a finer result is not worth another lost segment.
  static constexpr uint16_t kGranularity = 16;

  Seq probe_end_ = 0;  // zero: no probe is in flight
  Time search_at_{};
  uint16_t limit_ = kUnlimited;
  uint16_t ceiling_ = kUnlimited;  // nothing above it has come through lately
  uint16_t probe_size_ = 0;
};

}  // namespace sluice::tcp
