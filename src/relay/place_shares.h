#pragma once
// Places for calls on a service's pods, when there are not enough: how many each address that
// clients come from may have, and at each address each of its connections. Equal shares of those
// who have or want places; nothing is counted while there are enough.

#include <cstdint>
#include <unordered_map>

#include "base/chrono.h"

namespace sluice::relay {

class PlaceShares {
 public:
  // Who had or wanted a place counts for so long, so that its share is there when it comes again.
  static constexpr Duration kKept = 10s;

  // A count from the beginning: every place that is taken, every client that waits, then settle().
  void restart(Time now);
  void clear();
  void count_place(uint64_t address, uint64_t client);
  void count_waiting(uint64_t address, uint64_t client) { find(address, client); }
  // capacity: places in all.
  void settle(uint64_t capacity);

  // The same between two counts.
  void took(uint64_t address, uint64_t client, Time now) {
    now_ = now;
    count_place(address, client);
  }
  void left(uint64_t address, uint64_t client);

  // The client has not its share of what its address may have.
  bool may_take(uint64_t address, uint64_t client) const;
  // Places that the client lacks.
  uint32_t owed(uint64_t client) const;
  // The client to take places from, and how many it has beyond its share; none: 0 places.
  struct Excess {
    uint64_t client = 0;
    uint32_t places = 0;
  };
  Excess most_beyond() const;

 private:
  struct Address {
    uint32_t places = 0;
    uint32_t clients = 0;
  };
  struct Client {
    uint64_t address = 0;
    uint32_t places = 0;
    Time seen{};
  };

  Client& find(uint64_t address, uint64_t client);
  uint32_t share_of(const Address& a) const;

  std::unordered_map<uint64_t, Address> addresses_;
  std::unordered_map<uint64_t, Client> clients_;
  uint32_t share_ = UINT32_MAX;  // of an address
  Time now_{};
};

}  // namespace sluice::relay
