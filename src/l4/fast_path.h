#pragma once
// Packets of known flows, at packet rate: a burst of received frames is parsed, looked up and
// changed in the buffers in which it lies, and the buffers go to the port. Everything that is not
// plain (new flows, changes of TCP's state, fragments, options, packets of several buffers, errors,
// unknown neighbours, a change of the version of IP) is left to IP and l4::Forwarder, which would
// send the same bytes.

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "buf/slice.h"
#include "ip/forward_link.h"
#include "ip/host.h"
#include "ip/in_frame.h"
#include "l4/flows.h"
#include "l4/registry.h"
#include "stats/l4.h"

namespace sluice::l4 {

class FastPath {
 public:
  static constexpr size_t kBurst = 32;  // frames of one input() at most

  // All outlive the object. links: the host's; empty: they take frames one by one.
  FastPath(ip::Host& host, std::vector<ip::ForwardLink*> links, const Registry& registry,
           stats::L4& counters)
      : host_(host), links_(std::move(links)), registry_(registry), counters_(counters) {}

  // Takes frames that `port` received. Those that it leaves lie at the front, in their order; their
  // number. A flow of which it leaves a packet has no later packet of the burst taken.
  size_t input(unsigned port, std::span<ip::InFrame> frames, Flows& flows, Time now);

 private:
  // The uses of neighbours are told after this time.
  static constexpr Duration kRemember = 10ms;
  static constexpr size_t kClientHops = 256;
  static constexpr uint32_t kLongestOuter = ip::kIpv6Size;

  enum class Kind : uint8_t {
    kForeign,  // not L4's, or not plain: its flow is not looked for
    kLeft,     // of a flow, perhaps, and for the slow path
    kPlain,
  };
  // A frame of the burst.
  struct Candidate {
    Flows::Lookup lookup;
    uint8_t* ip = nullptr;  // the header
    uint32_t size = 0;      // of the packet with its IP header
    bool v4 = false;
    Kind kind = Kind::kForeign;
    uint8_t ttl = 0;
  };
  // The way to a neighbour. generation: of everything it was made from; 0: of nothing.
  struct Way {
    uint64_t generation = 0;
    Time until{};
    ip::Hop hop;
  };
  struct alignas(64) PodWay : Way {
    bool live = false;
    bool v4 = false;      // of the pod's address
    bool direct = false;  // no gateway is between
    // Of IPIP. size 0: there is no source address.
    uint8_t outer_size = 0;
    std::array<uint8_t, kLongestOuter> outer{};
    uint64_t outer_sum = 0;  // of IPv4's words, without length, DSCP and protocol
    uint64_t source_hash = 0, destination_hash = 0;
  };
  struct ClientWay : Way {
    Address neighbour;
    size_t port = 0;
  };
  // Of a place: the ports that take packets to it.
  struct Answers {
    uint32_t asked = 0;
    uint32_t yes = 0;
  };

  void renew();
  [[gnu::always_inline]] static Kind parse(const ip::InFrame& frame, const uint8_t* mac,
                                           Candidate& c);
  [[gnu::always_inline]] bool place(unsigned port, const Address& destination, Candidate& c);
  void find_place(unsigned port, const Endpoint& local, uint8_t protocol);
  bool answers(unsigned port, Place at, const Address& destination);
  void look_up(unsigned port, std::span<ip::InFrame> frames, Flows& flows);
  [[gnu::always_inline]] bool send(Candidate& c, ip::InFrame& frame, Flow& flow, Time now);
  [[gnu::always_inline]] bool may_pass(const Candidate& c, const Flow& flow,
                                       const buf::Slice& front, const PodWay* way) const;
  [[gnu::always_inline]] const PodWay* way_to_pod(uint16_t slot, Time now);
  bool renew(PodWay& way, uint16_t slot, Time now);
  const Way* way_to_client(const Address& client, Time now);
  static void wrap(const Candidate& c, buf::Slice& front, const PodWay& way);
  [[gnu::always_inline]] static void translate(const Candidate& c, const Address& source,
                                               const Flow& flow);
  [[gnu::always_inline]] void put(const ip::Hop& hop, buf::Slice& frame, Side side);
  static size_t transmit(ip::Link& link, std::span<rte_mbuf* const> frames);
  void flush();

  ip::Host& host_;
  const std::vector<ip::ForwardLink*> links_;
  const Registry& registry_;
  stats::L4& counters_;
  uint64_t generation_ = 0;
  std::array<Candidate, kBurst> candidates_;
  std::vector<PodWay> pods_;  // by slot
  std::array<ClientWay, kClientHops> clients_;
  std::vector<Answers> vips_, sources_;
  // The place of the packet before.
  struct {
    Endpoint local;
    uint8_t protocol = 0;
    unsigned port = 0;
    Place place;
    Side side = Side::kPod;
    bool taken = false;
  } last_;
  // Frames of one side on their way to one port.
  std::array<rte_mbuf*, kBurst> out_{};
  size_t out_count_ = 0;
  Side out_side_ = Side::kClient;
  uint16_t out_port_ = 0;
};

}  // namespace sluice::l4
