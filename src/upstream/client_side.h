#pragma once
// A client, as pools and connections to pods see it.

#include <cstdint>

#include "base/address.h"

namespace sluice::upstream {

class ClientSide {
 public:
  // An id is never used again for another client.
  virtual uint64_t id() const = 0;
  virtual Endpoint peer() const = 0;
  // Takes one more RST_STREAM toward a pod from this client's share. False when the client has used
  // up its share of those that a connection to a pod may send.
  virtual bool take_pod_reset() = 0;

 protected:
  ~ClientSide() = default;
};

}  // namespace sluice::upstream
