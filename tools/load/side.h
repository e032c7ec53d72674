#pragma once
// One end of the wire: a port, and the IP host and TCP behind it.

#include <array>
#include <vector>

#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "ip/host.h"
#include "nic/port.h"
#include "stats/worker.h"
#include "tcp/stack.h"
#include "worker/dispatch.h"

namespace sluice::load {

class Side {
 public:
  // Everything referred to outlives it. `extra`: addresses beside that of `network`.
  Side(nic::PortQueue& port, const Prefix& network, std::vector<Address> extra, buf::Memory& memory,
       TimerWheel& wheel, uint64_t secret)
      : port_(port),
        host_(std::vector<ip::Link*>{&port}, std::vector<ip::PortAddresses>{{{network}, {}}},
              memory, wheel),
        tcp_(config(), host_, wheel, memory, counters_, SipKey{secret, secret + 1}) {
    host_.set_vips(std::move(extra));
    host_.announce();
  }

  // True when something arrived. before(): called ahead of each burst's segments.
  template <class Before>
  bool receive(Time now, Before&& before) {
    bool any = false;
    std::array<ip::InFrame, kBurst> burst;
    for (unsigned round = 0; round < kBursts; ++round) {
      const uint16_t n = port_.receive(burst.data(), kBurst);
      if (n == 0) break;
      any = true;
      before();
      dispatch_.input(0, {burst.data(), n}, port_counters_, now);
      if (n < kBurst) break;
    }
    return any;
  }

  tcp::Stack& tcp() { return tcp_; }
  nic::PortQueue& port() { return port_; }

 private:
  static constexpr uint16_t kBurst = worker::Dispatch::kBurst;
  static constexpr unsigned kBursts = 8;

  static tcp::Config config() {
    tcp::Config c;
    // The clients close first and so hold TIME-WAIT; with 256 addresses a four-tuple comes back
    // after minutes.
    c.time_wait = 1s;
    // A lost first SYN, while addresses are being resolved, is sent again.
    c.connect_timeout = 10s;
    // Sluice is measured, not the wire: no window of ours is in its way.
    c.receive_buffer = 4 * 1024 * 1024;
    return c;
  }

  nic::PortQueue& port_;
  ip::Host host_;
  tcp::Counters counters_;
  stats::Port port_counters_;
  tcp::Stack tcp_;
  worker::Dispatch dispatch_{host_, tcp_};
};

}  // namespace sluice::load
