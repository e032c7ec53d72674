#pragma once
// CUBIC congestion control (RFC 9438); slow start ends by HyStart++ (RFC 9406) or by a loss.

#include <cstdint>
#include <memory>

#include "base/chrono.h"
#include "tcp/congestion.h"
#include "tcp/hystart.h"

namespace sluice::tcp {

class Cubic {
 public:
  void start(uint32_t mss, uint32_t initial_window);
  void set_mss(uint32_t mss) { mss_ = mss; }
  void on_ack(const AckSample& ack);
  void on_congestion(Time now, uint32_t in_flight);
  void on_timeout(Time now, uint32_t in_flight);
  void undo();
  void on_idle(Time now, uint32_t restart_window);
  void rest();

  uint32_t window() const { return cwnd_; }
  uint32_t threshold() const { return ssthresh_; }
  bool slow_start() const { return cwnd_ < ssthresh_; }

 private:
  // Exists while the window is used, until rest().
  struct Growth {
    double fraction = 0;  // bytes of growth that are earned and less than a segment
    double w_est = 0;     // bytes: the window that Reno would have (RFC 9438, 4.3)
    double k = 0;         // seconds until the cubic reaches w_max_
    double origin = 0;    // bytes: plateau of the current epoch
    Time epoch = kNever;  // start of congestion avoidance; kNever: starts with the next ACK
    Time used_at{};       // last ACK in congestion avoidance while the window was the limit
    struct {
      uint32_t cwnd, ssthresh, w_max, friendly_until;
    } saved{};        // for undo()
    HyStart hystart;  // first slow start only: later ones have an ssthresh
  };
  Growth& growth() {
    if (growth_ == nullptr) growth_ = std::make_unique<Growth>();
    return *growth_;
  }
  void remember();
  void reduce();
  void avoid(const AckSample& ack);

  uint32_t mss_ = 0;
  uint32_t cwnd_ = 0;
  uint32_t ssthresh_ = UINT32_MAX;
  uint32_t w_max_ = 0;  // bytes: window when the last episode began, after fast convergence
  // Bytes of Growth::w_est up to which it grows as slowly as beta 0.7 requires (RFC 9438, 4.3):
  // w_max_ of the last episode, or of the last timeout.
  uint32_t friendly_until_ = 0;
  std::unique_ptr<Growth> growth_;
};

static_assert(CongestionController<Cubic>);

}  // namespace sluice::tcp
