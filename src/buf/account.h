#pragma once
// The party that is charged for memory which is kept for a peer.

#include <cstdint>

namespace sluice::buf {

// Told of each change, so that the charge always equals the memory that is kept, and can be given
// back.
class Account {
 public:
  // So many more packet buffers and bytes of heap are kept; negative numbers for fewer.
  virtual void charge(int32_t buffers, int64_t heap) = 0;
  // The same for heap that a connection keeps as long as it lives, however idle it is, and that has
  // a bound of its own.
  virtual void charge_lasting(int64_t heap) = 0;
  // Whether more heap is kept than allowed. The caller refuses or drops something then.
  virtual bool overdrawn() const = 0;

 protected:
  ~Account() = default;
};

}  // namespace sluice::buf
