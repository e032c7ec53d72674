#pragma once
// All holders of a worker's memory, in the order in which they are evicted when memory is short.
// The order is kept up to date as it changes. A holder without memory is in no list and costs
// nothing.

#include <array>
#include <bit>
#include <cstdint>

#include "base/byte_lease.h"
#include "base/slab.h"
#include "config/settings.h"
#include "relay/holder.h"
#include "relay/process.h"
#include "stats/relay.h"

namespace sluice::relay {

class Holders {
 public:
  // Ticks, 16.8 ms each. Progress within one grain counts as progress at the same time.
  static constexpr uint64_t kGrain = 4;
  // Ticks added to every age. So weight alone decides among holders that have just come.
  static constexpr uint64_t kLeastAge = 2;
  // Ticks, about 5 s. Holders that took nothing for so long may be evicted together, in one look.
  static constexpr uint64_t kStale = 300;
  // An address may leave behind as many calls as so many connections may.
  static constexpr uint32_t kLeftoverConnections = 4;

  // Everything referred to outlives the object.
  Holders(const Time& now, const config::Limits& limits, stats::Relay& stats,
          AddressTable& addresses, Process& process)
      : now_(now),
        limits_(limits),
        stats_(stats),
        addresses_(addresses),
        heap_(process.calls_heap(), process.workers()) {}
  Holders(const Holders&) = delete;

  // For a new connection, which is the holder's first user. from: relay/address_key.h.
  Holder& open(uint64_t from, ClientConnection& client);

  // The client to evict: of the address with the highest score, the connection with the highest
  // score. nullptr when there is none.
  ClientConnection* worst();

  // Less than an eighth of the heap is left, and this worker's clients have their share of the rest
  // or more. So the clients of a worker are not evicted for what those of another one keep.
  bool heap_short() const {
    const uint64_t most = limits_.calls_heap;
    return heap_.left(most) < most / 8 && heap_.has_share_of(most - most / 8);
  }
  // Bytes of the process's heap for calls that are left.
  uint64_t heap_left() const { return heap_.left(limits_.calls_heap); }

  // After a reload.
  void settle() { heap_.settle(limits_.calls_heap); }

  // The functions below are for the holders.
  uint64_t ticks() const { return static_cast<uint64_t>(now_.time_since_epoch().count()) >> 24; }
  uint64_t client_bound() const { return limits_.client_heap; }
  uint32_t leftover_bound() const { return limits_.concurrent_streams; }
  void charge_heap(uint64_t bytes) {  // modulo 2^64
    stats_.calls_heap.add(bytes);
    heap_.charge(bytes, limits_.calls_heap);
  }
  void charge_lasting(uint64_t bytes) { stats_.client_tables.add(bytes); }
  // The address's weight has changed.
  void rank(ClientAddress& a) {
    if (a.weight == 0 || !a.linked() || a.rank != rank_of(a.weight)) place(a);
  }
  // Moves the address behind those of its rank that have made no progress for longer.
  void to_back(ClientAddress& a);
  void destroy(Holder& h, ClientAddress& a);

 private:
  // Ranks are powers of two, from 16 buffers; pools have far fewer than 2^20.
  static constexpr size_t kRanks = 17;
  static constexpr uint32_t kFirstRankShift = 4;
  // Most addresses of a rank, and connections of an address, in one look; the longest without
  // progress first. The upper ranks cannot have more addresses than that.
  static constexpr unsigned kLooks = 64;
  // Most choices in one look that turn out to keep far less than at their last look.
  static constexpr unsigned kTries = 16;

  static uint8_t rank_of(uint32_t weight) {
    return static_cast<uint8_t>(
        std::min<size_t>(std::bit_width(weight >> kFirstRankShift), kRanks - 1));
  }
  void place(ClientAddress& a);
  // The sum of its holders' scores.
  uint64_t score(const ClientAddress& a) const {
    const uint64_t now = ticks() + kLeastAge;
    return a.weight * now * now - 2 * now * a.moment + a.second_moment;
  }
  ClientAddress* worst_address();

  const Time& now_;
  const config::Limits& limits_;
  stats::Relay& stats_;
  AddressTable& addresses_;
  ByteLease heap_;
  Slab<Holder> holders_;
  std::array<List<ClientAddress>, kRanks> ranks_;
};

}  // namespace sluice::relay
