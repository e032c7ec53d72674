#pragma once
// Passes the packets that IP delivers to L4 or to TCP, and those of other workers' flows to their
// workers.

#include <array>
#include <cstddef>
#include <span>

#include "base/chrono.h"
#include "ip/host.h"
#include "l4/forwarder.h"
#include "stats/worker.h"
#include "tcp/stack.h"
#include "worker/steering.h"

namespace sluice::worker {

class Dispatch {
 public:
  static constexpr size_t kBurst = 32;  // frames of one input() at most
  // Bursts of one take_over(): other workers leave the ports and the timers their share.
  static constexpr unsigned kBursts = 8;

  // All outlive the Dispatch. steering: nullptr when there is one worker. l4: nullptr: all packets
  // are TCP's.
  Dispatch(ip::Host& host, tcp::Stack& tcp, Steering* steering = nullptr,
           l4::Forwarder* l4 = nullptr)
      : host_(host), tcp_(tcp), steering_(steering), l4_(l4) {}

  // Frames that `port` received, in the order of their arrival; the frames are taken. `counters`
  // are the port's. Call it for an empty poll too: TCP looks after its memory then.
  void input(unsigned port, std::span<ip::InFrame> frames, stats::Port& counters, Time now) {
    if (frames.empty()) {
      tcp_.input({}, now);
    } else {
      input_burst(port, frames, counters, now);
    }
  }

  // Takes the packets and the news that other workers have for this one; how many packets they
  // were.
  size_t take_over(Time now);

  // The first of the two steps of input() behind IP: the outcome of one frame. At most kBurst of
  // them before the next flush().
  void deliver(ip::Input in, stats::Port& counters, Time now);
  // The second step: the end of a burst, which TCP gets as a whole.
  void flush(stats::Port& counters, Time now);

 private:
  void input_burst(unsigned port, std::span<ip::InFrame> frames, stats::Port& counters, Time now);
  static void fetch(const ip::InFrame& frame);
  void take(ip::Input& in, stats::Port& counters, Time now);
  void take(ip::TransportPacket& packet, stats::Port& counters, Time now);
  // False: nobody here sent the packet that the error quotes, or nobody uses such an error.
  bool take(ip::IcmpError& error, bool handed_over, Time now);
  void take_over(steer::Packet& packet, Time now);
  tcp::Received& stage(ip::TransportPacket& packet);
  // Whether there are L4 listeners, or flows of some that left.
  bool forwards() const { return l4_ != nullptr && l4_->active(); }
  // Whether L4 takes the packet, at the end of the burst.
  bool stage_l4(ip::TransportPacket& packet, bool handed_over);
  void flush_l4(Time now);

  ip::Host& host_;
  tcp::Stack& tcp_;
  Steering* steering_;
  l4::Forwarder* l4_;
  size_t segments_count_ = 0;
  std::array<tcp::Received, kBurst> segments_;  // of one burst; empty between bursts
  size_t forwarded_count_ = 0;
  std::array<l4::Pending, kBurst> forwarded_;     // of one burst; empty between bursts
  std::array<steer::Packet, kBurst> taken_over_;  // of one burst of another worker
};

}  // namespace sluice::worker
