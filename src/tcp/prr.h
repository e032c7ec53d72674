#pragma once
// Proportional rate reduction (RFC 6937): limits in fast recovery how much may leave for each byte
// that has arrived. So the window comes down evenly instead of in a pause and a burst.

#include <algorithm>
#include <cstdint>

namespace sluice::tcp {

class Prr {
 public:
  void start(uint32_t in_flight) {
    delivered_ = out_ = 0;
    at_start_ = std::max(in_flight, 1u);
    allowance_ = 0;
  }

  // An ACK delivered that many bytes; pipe is what is in flight after it. good: snd_una advanced,
  // and no further loss was found.
  void on_ack(uint32_t delivered, uint32_t pipe, uint32_t ssthresh, uint32_t mss, bool good) {
    delivered_ += delivered;
    int64_t n;
    if (pipe > ssthresh) {
      n = static_cast<int64_t>((delivered_ * ssthresh + at_start_ - 1) / at_start_) -
          static_cast<int64_t>(out_);
    } else {
      n = std::max<int64_t>(static_cast<int64_t>(delivered_) - static_cast<int64_t>(out_),
                            delivered);
      if (good) n += mss;
      n = std::min<int64_t>(n, ssthresh - pipe);
    }
    if (out_ == 0) n = std::max<int64_t>(n, mss);  // the fast retransmit itself
    allowance_ = static_cast<uint32_t>(std::max<int64_t>(n, 0));
  }

  void sent(uint32_t bytes) {
    out_ += bytes;
    allowance_ -= std::min(allowance_, bytes);
  }
  uint32_t allowance() const { return allowance_; }  // bytes that may leave now

 private:
  uint64_t delivered_ = 0;
  uint64_t out_ = 0;
  uint32_t at_start_ = 1;
  uint32_t allowance_ = 0;
};

}  // namespace sluice::tcp
