#pragma once
// Something that a message of ARP or neighbour discovery told about a neighbour. The message
// arrived at one worker, and concerns all of them.

#include <cstdint>

#include "base/address.h"
#include "ip/ethernet.h"

namespace sluice::ip {

struct NeighbourNews {
  enum class Kind : uint8_t {
    kLearned,    // `address` is at `mac`
    kConfirmed,  // the known address is still right
  };

  uint32_t port = 0;  // index of the port that heard it
  Address address;
  Mac mac{};
  Kind kind = Kind::kLearned;
  // As of Neighbours::learn().
  bool create = false;
  bool solicited = false;
  bool overrides = true;
};

// Takes the news that one host heard to the hosts of the other workers.
class NeighbourListener {
 public:
  virtual void hear(const NeighbourNews& news) = 0;

 protected:
  ~NeighbourListener() = default;
};

}  // namespace sluice::ip
