#pragma once
// A worker as an IP host: its ports' addresses and VIPs, ARP and echo answers, routes and
// neighbours, IPv4 and IPv6 in both directions.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/timer_wheel.h"
#include "base/token_bucket.h"
#include "buf/memory.h"
#include "ip/arp.h"
#include "ip/hop.h"
#include "ip/input.h"
#include "ip/ipv4.h"
#include "ip/ipv6.h"
#include "ip/neighbour_news.h"
#include "ip/neighbours.h"
#include "ip/output.h"
#include "ip/routes.h"
#include "stats/changes.h"
#include "stats/drops.h"

namespace sluice::ip {

struct PortAddresses {
  // The first of each family is the source address of Sluice's own packets.
  std::vector<Prefix> addresses;
  std::vector<Route> routes;  // their `port` is filled in by Host
};

class Host final : public Output {
 public:
  static constexpr uint64_t kEchoRate = 1000;  // answered echo requests a second, per worker

  // Links outlive the host; links[i] has ports[i]. changes: takes the notes about neighbours that
  // are lost and found; may be null.
  Host(std::span<Link* const> links, std::span<const PortAddresses> ports, buf::Memory& memory,
       TimerWheel& wheel, stats::Changes* changes = nullptr);
  ~Host();

  // Whether fragments are handed up, each as it came; false at first.
  void set_takes_fragments(bool takes) { takes_fragments_ = takes; }
  // The addresses of listeners: answered for on the port whose network holds them, or on every port
  // if no network does. New ones are announced by gratuitous ARP, or by an unsolicited neighbour
  // advertisement.
  void set_vips(std::vector<Address> vips);
  // The addresses that Sluice connects to. These, or the gateways to them, keep their places among
  // the neighbours.
  void set_pods(const std::vector<Address>& pods);
  // One address more, or one less, than before; the same address may be there several times.
  void add_pod(const Address& pod);
  void remove_pod(const Address& pod);
  // Announces every own address and VIP (RFC 5227, 3): after a start, switches and neighbours must
  // forget the previous owners of the addresses.
  void announce();
  // The addresses and VIPs that one port answers for: after its link has come up.
  void announce(size_t port);

  // From now on `listener` hears the news of all neighbours, for the hosts of other workers; it
  // outlives the host. nullptr: there are none.
  void set_neighbour_listener(NeighbourListener* listener) { listener_ = listener; }
  // News from the host of another worker.
  void hear(const NeighbourNews& news, Time now);
  // One host of a process announces for all; true at first.
  void set_announces(bool announces) { announces_ = announces; }

  // A frame from `port`; its bytes are taken. Packets for addresses that this port answers for are
  // returned, whatever their protocol is; their transport checksum is not summed yet.
  Input input(unsigned port, InFrame&& frame, Time now);

  Sent send(const OutPacket& packet, Time now) override;
  // To the MAC address of a neighbour, whatever the routes say of the packet's destination.
  // kNoRoute: `neighbour` is behind a gateway, or nowhere.
  Sent send_via(const Address& neighbour, const OutPacket& packet, Time now);
  uint32_t max_segment(const Address& destination) const override;
  const Address* source_for(const Address& destination) const override;
  uint32_t max_tso(const Address& destination) const override;
  // The index of the port that routes `destination`.
  std::optional<size_t> port_to(const Address& destination) const;
  void doubt(const Address& destination, Time now) override;

  // Whether the address is one of Sluice's own, or a VIP.
  bool owns(const Address& a) const { return is_local(a); }

  // Whether packets to the address are taken when they arrive at this port.
  bool answers(unsigned port, const Address& a) const;
  // The neighbour to which packets to `destination` go; nullopt: there is no route.
  std::optional<NextHop> next_hop(const Address& destination) const;
  // False: the address of the neighbour is unknown, or has to be confirmed; sending does so. The
  // result is right until generation() changes, and should be asked for again from time to time, so
  // that the use of the neighbour is known.
  bool hop_to(const NextHop& next, Time now, Hop& out);
  // Changes when a result of answers() or hop_to() becomes wrong.
  uint64_t generation() const;
  Link& link(size_t port) { return *links_[port]; }
  const buf::Memory& memory() const { return memory_; }

  size_t neighbours() const;
  const Neighbours& neighbours(size_t port) const;

 private:
  class Port;
  Input input_arp(Port& port, buf::View bytes, Time now);
  Input input_ipv4(Port& port, InFrame& frame, Time now);
  Input input_icmp(const Ipv4& header, buf::Chain chain, Time now);
  Input input_ipv6(Port& port, InFrame& frame, bool to_us, Time now);
  Input input_icmp6(Port& port, const Ipv6& header, buf::Chain chain, Time now);
  Input input_ndp(Port& port, const Ipv6& header, buf::View message, Time now);
  Sent send_from(Port* link, const OutPacket& packet, Time now);
  Sent send_to(const Address& next_hop, Port& port, const OutPacket& packet, Time now);
  void tell(const NeighbourNews& news, Time now);
  void announce(Port& port, const Address& a);
  void announce_ipv6(Port& port, const Address& a);
  bool is_vip(const Address& a) const;
  bool is_local(const Address& a) const;
  void find_answered();
  stats::Drop foreign(const Address& a) const;

  std::vector<std::unique_ptr<Port>> ports_;
  const std::vector<Link*> links_;
  uint64_t generation_ = 0;  // of what ports answer for
  RouteTable routes_;
  std::vector<Address> locals_;
  std::vector<Address> vips_;  // sorted
  buf::Memory& memory_;
  NeighbourListener* listener_ = nullptr;
  bool announces_ = true;
  bool takes_fragments_ = false;
  TokenBucket echo_limit_{kEchoRate, kEchoRate};
};

}  // namespace sluice::ip
