#pragma once
// The addresses that Sluice's ports reach: by their networks, or by a route.

#include <cstdint>
#include <map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/address.h"
#include "config/shared_list.h"
#include "config/startup.h"

namespace sluice::discovery {

class Reachability {
 public:
  explicit Reachability(const config::Startup& startup,
                        const config::SharedList<config::LearnedRoute>& learned = {});

  bool reaches(const Address& address) const;
  // For people, about an address that no port reaches.
  static constexpr const char* kWhyNot = "no port's network and no route contains the address";

 private:
  struct Hash {
    size_t operator()(const Address& a) const { return hash_of(a); }
  };
  using Networks = std::unordered_set<Address, Hash>;

  std::vector<Prefix> prefixes_;
  std::map<std::pair<bool, unsigned>, Networks> learned_;  // by IPv4 or not, and length
};

}  // namespace sluice::discovery
