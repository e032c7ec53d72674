#pragma once
// Passes the packets that IP delivers to their transport: TCP.

#include <array>
#include <cstddef>
#include <span>

#include "base/chrono.h"
#include "ip/host.h"
#include "stats/worker.h"
#include "tcp/stack.h"

namespace sluice::worker {

class Dispatch {
 public:
  static constexpr size_t kBurst = 32;  // frames of one input() at most

  // Both outlive the Dispatch.
  Dispatch(ip::Host& host, tcp::Stack& tcp) : host_(host), tcp_(tcp) {}

  // Frames that `port` received, in the order of their arrival; the frames are taken. `counters`
  // are the port's. Call it for an empty poll too: TCP looks after its memory then.
  void input(unsigned port, std::span<ip::InFrame> frames, stats::Port& counters, Time now) {
    if (frames.empty()) {
      tcp_.input({}, now);
    } else {
      input_burst(port, frames, counters, now);
    }
  }

  // The first of the two steps of input() behind IP: the outcome of one frame. At most kBurst of
  // them before the next flush().
  void deliver(ip::Input in, stats::Port& counters, Time now);
  // The second step: the end of a burst, which TCP gets as a whole.
  void flush(stats::Port& counters, Time now);

 private:
  void input_burst(unsigned port, std::span<ip::InFrame> frames, stats::Port& counters, Time now);
  static void fetch(const ip::InFrame& frame);
  void take(ip::Input& in, stats::Port& counters, Time now);
  void take(ip::TransportPacket& packet, stats::Port& counters);
  // False: nobody here sent the packet that the error quotes, or nobody uses such an error.
  bool take(const ip::IcmpError& error, Time now);

  ip::Host& host_;
  tcp::Stack& tcp_;
  size_t segments_count_ = 0;
  std::array<tcp::Received, kBurst> segments_;  // of one burst; empty between bursts
};

}  // namespace sluice::worker
