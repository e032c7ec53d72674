#pragma once
// Shares in the places for calls on a service's pods, when places are scarce. Each client address
// that has or wants places gets an equal share; at each address, each of its connections does.
// Nothing is counted while there are enough places.

#include <cstdint>
#include <unordered_map>

#include "base/chrono.h"

namespace sluice::relay {

class PlaceShares {
 public:
  // A client that had or wanted a place counts for so long: the shares of others do not grow in its
  // short pauses. Others may fill its places meanwhile, but for those that are kept free.
  static constexpr Duration kKept = 10s;

  // Starts a new count. The caller then reports every place that is taken and every client that
  // waits, and calls settle().
  void restart(Time now);
  void clear();
  void count_place(uint64_t address, uint64_t client);
  void count_waiting(uint64_t address, uint64_t client) { find(address, client); }
  // capacity: places in all.
  void settle(uint64_t capacity);

  // A client waits that has less than its share: until the next count nobody takes more than its
  // own.
  void keep_all() { kept_free_ = capacity_; }

  // Changes between two counts.
  void took(uint64_t address, uint64_t client, Time now) {
    now_ = now;
    count_place(address, client);
  }
  void left(uint64_t address, uint64_t client);

  // The client has less than its share of the places of its address, or more places are free than
  // are kept for those who come back.
  bool may_take(uint64_t address, uint64_t client) const;
  // Places that the client lacks to its share.
  uint32_t owed(uint64_t client) const;
  // The client that has most beyond its share, and how many places that is; 0 places: there is
  // none.
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
  uint64_t taken_ = 0;           // places
  uint64_t capacity_ = 0;
  uint64_t kept_free_ = 0;  // of the capacity, for clients with less than their share
  Time now_{};
};

}  // namespace sluice::relay
