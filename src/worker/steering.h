#pragma once
// One worker's part in steering: it gives packets of other workers' flows to their workers, and
// takes those of its own flows from the workers at which they arrived.

#include <cstddef>
#include <span>

#include "buf/memory.h"
#include "ip/icmp_error.h"
#include "ip/neighbour_news.h"
#include "l4/forwarder.h"
#include "stats/steer.h"
#include "steer/exchange.h"
#include "steer/owner.h"
#include "tcp/siblings.h"
#include "tcp/stack.h"

namespace sluice::worker {

class Steering final : public tcp::Siblings, public l4::Siblings, public ip::NeighbourListener {
 public:
  // Everything outlives the object.
  Steering(const steer::Owner& owner, steer::Exchange& exchange, unsigned self, buf::Memory& memory,
           const tcp::Stack& tcp, stats::Steer& counters)
      : owner_(owner),
        exchange_(exchange),
        self_(self),
        memory_(memory),
        tcp_(tcp),
        counters_(counters) {}

  // Given to the worker of the flow `local` and `remote`, if that is another one. A packet for
  // which there is no room is dropped and counted: it was taken, too.
  bool hand_over(const Endpoint& local, const Endpoint& remote, tcp::Received& segment) override;
  bool hand_over(const Endpoint& local, const Endpoint& remote, ip::IcmpError& error);
  void hand_over(unsigned worker, ip::TransportPacket&& packet) override;
  void hand_over(unsigned worker, ip::IcmpError&& error) override;
  // A packet that another worker gave is dropped.
  void count_dropped() { counters_.dropped.add(1); }
  // To all other workers.
  void hear(const ip::NeighbourNews& news) override;
  // Everything that was handed over since the last call becomes visible to the other workers.
  void publish();

  // Packets of own flows, and ICMP errors about them: up to packets.size() from one of the workers
  // in turn. 0: none waits at any of them.
  size_t take(std::span<steer::Packet> packets);
  size_t take(std::span<ip::NeighbourNews> news);

  Share share() const override { return {self_, owner_.workers()}; }
  bool arrives_here(const Endpoint& local, const Endpoint& remote) const override {
    return !owner_.hashed_by_nic(local) || owner_.by_hash(local, remote) == self_;
  }

 private:
  unsigned owner_of(const Endpoint& local, const Endpoint& remote) const;
  void give(unsigned to, steer::Packet&& packet);
  template <class T>
  size_t take_from_others(std::span<T> out, unsigned& turn,
                          SpscRing<T> steer::Exchange::Way::*ring);

  const steer::Owner& owner_;
  steer::Exchange& exchange_;
  const unsigned self_;
  buf::Memory& memory_;
  const tcp::Stack& tcp_;
  stats::Steer& counters_;
  bool staged_ = false;  // something waits for publish()
  // The workers that are asked next.
  unsigned packets_turn_ = 0;
  unsigned news_turn_ = 0;
};

}  // namespace sluice::worker
