#pragma once
// What pools and connections to pods need to know of a client.

#include <cstdint>

#include "base/address.h"

namespace sluice::upstream {

class ClientSide {
 public:
  // Never used again for another client.
  virtual uint64_t id() const = 0;
  virtual Endpoint peer() const = 0;
  // Takes one more RST_STREAM toward a pod for this client's sake. False when that is more than its
  // share of what a connection to a pod may do.
  virtual bool take_pod_reset() = 0;

 protected:
  ~ClientSide() = default;
};

}  // namespace sluice::upstream
