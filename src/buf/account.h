#pragma once
// Who is charged for memory that is kept for a peer's sake.

#include <cstdint>

namespace sluice::buf {

// Told of each change, so that what is charged is what is kept, and can be given back.
class Account {
 public:
  // So many packet buffers and bytes of heap more are kept; less where negative.
  virtual void charge(int32_t buffers, int64_t heap) = 0;
  // More heap is kept than may be: whoever can refuse or forget something does.
  virtual bool overdrawn() const = 0;

 protected:
  ~Account() = default;
};

}  // namespace sluice::buf
