#pragma once
// Numbers that a stranger must not guess: initial sequence numbers (RFC 6528) and the offset of a
// connection's timestamp clock (RFC 7323, 5.4).

#include <cstdint>

#include "base/address.h"
#include "base/chrono.h"
#include "base/hash.h"

namespace sluice::tcp {

// A clock of 4 us ticks plus a keyed hash of the four-tuple. Later incarnations of a tuple start
// higher; the ISNs of other tuples tell nothing about this one.
uint32_t initial_sequence(const SipKey& key, const Endpoint& local, const Endpoint& remote,
                          Time now);

// Added to timestamp_clock(). Constant for a tuple, so that timestamps advance when a tuple in
// TIME_WAIT is reused.
uint32_t timestamp_offset(const SipKey& key, const Endpoint& local, const Endpoint& remote);

// Milliseconds (RFC 7323, 5.4 wants a tick between 1 ms and 1 s).
inline uint32_t timestamp_clock(Time now) {
  return static_cast<uint32_t>(now.time_since_epoch() / 1ms);
}

// Keyed hash of a tuple and a purpose; the purposes' outputs are independent.
uint64_t tuple_hash(const SipKey& key, const Endpoint& local, const Endpoint& remote,
                    uint64_t purpose);

}  // namespace sluice::tcp
