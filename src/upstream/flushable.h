#pragma once
// A connection with something to frame.

#include "base/list.h"

namespace sluice::upstream {

// Flushed once at the end of a worker's turn (Context::touch).
class Flushable : public ListHook<Flushable> {
 public:
  virtual void flush() = 0;

 protected:
  ~Flushable() = default;
};

}  // namespace sluice::upstream
