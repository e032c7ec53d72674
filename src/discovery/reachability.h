#pragma once
// The addresses that Sluice's ports reach: by their networks, or by a route.

#include <vector>

#include "base/address.h"
#include "config/startup.h"

namespace sluice::discovery {

class Reachability {
 public:
  explicit Reachability(const config::Startup& startup);

  bool reaches(const Address& address) const;
  // For people, about an address that no port reaches.
  static constexpr const char* kWhyNot = "no port's network and no route contains the address";

 private:
  std::vector<Prefix> prefixes_;
};

}  // namespace sluice::discovery
