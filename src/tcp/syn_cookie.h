#pragma once
// SYN cookies (RFC 4987, 3.6): when the half-open table is full, our initial sequence number
// carries the result of the handshake instead of a record. Timestamps need no room in it: the last
// ACK shows whether the peer uses them.

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/chrono.h"
#include "base/hash.h"
#include "tcp/half_open.h"

namespace sluice::tcp {

// 24 bits of keyed hash, 1 bit of time, 2 of MSS, 4 of window scale, 1 of SACK.
class SynCookies {
 public:
  // A cookie is valid for this long at least, and for twice that at most.
  static constexpr Duration kPeriod = 64s;

  explicit SynCookies(const SipKey& key) : key_(key) {}

  // The ISN for a SYN with these options.
  uint32_t make(const Endpoint& local, const Endpoint& remote, const Handshake& h, Time now) const;

  // The handshake whose last ACK carries `ack` and `seq`: iss, irs, MSS, scale and SACK. nullopt
  // when `ack` holds no valid cookie of ours.
  std::optional<Handshake> check(const Endpoint& local, const Endpoint& remote, uint32_t seq,
                                 uint32_t ack, Time now) const;

 private:
  uint32_t mac(const Endpoint& local, const Endpoint& remote, uint32_t irs, uint64_t period,
               uint32_t options) const;
  SipKey key_;
};

}  // namespace sluice::tcp
