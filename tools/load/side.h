#pragma once
// One end of the wire: a port, and the IP host and TCP behind it.

#include <array>
#include <vector>

#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "ip/host.h"
#include "nic/port.h"
#include "tcp/stack.h"

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
    std::array<buf::Slice, kBurst> burst;
    std::array<tcp::Received, kBurst> segments;
    for (unsigned round = 0; round < kBursts; ++round) {
      const uint16_t n = port_.receive(burst.data(), kBurst);
      if (n == 0) break;
      any = true;
      before();
      size_t count = 0;
      for (uint16_t i = 0; i < n; ++i) {
        ip::Input in = host_.input(0, std::move(burst[i]), false, now);
        if (in.kind == ip::Input::Kind::kTcp)
          segments[count++] = {in.source, in.destination, in.tos, std::move(in.segment)};
      }
      tcp_.input({segments.data(), count}, now);
      if (n < kBurst) break;
    }
    return any;
  }

  tcp::Stack& tcp() { return tcp_; }
  nic::PortQueue& port() { return port_; }

 private:
  static constexpr uint16_t kBurst = 32;
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
  tcp::Stack tcp_;
};

}  // namespace sluice::load
