#pragma once
// A port, as paths see it that forward packets in the buffers in which these were received.

#include <cstddef>
#include <span>

#include "buf/slice.h"

namespace sluice::ip {

class ForwardLink {
 public:
  // Sends complete frames, checksums included, each in one buffer that nobody shares; takes the
  // buffers. The number of frames that were not dropped.
  virtual size_t forward(std::span<rte_mbuf* const> frames) = 0;

 protected:
  ~ForwardLink() = default;
};

}  // namespace sluice::ip
