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
#include "l4/in_place.h"
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
  // Ways are remembered for this time, and then the uses of neighbours are told.
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
    uint32_t size = 0;      // of the packet with its IP header
    uint8_t* ip = nullptr;  // the header
    bool v4 = false;
    Kind kind = Kind::kForeign;
    uint8_t ttl = 0;
  };
  // The way to a neighbour. epoch: that of everything it was made from; 0: of nothing.
  struct Way {
    uint64_t epoch = 0;
    ip::Hop hop;
  };
  struct alignas(64) PodWay : Way {
    // The longest packet that may pass, by config::Forward. 0: none, and IP says why.
    std::array<uint16_t, 4> longest{};
    bool v4 = false;         // of the pod's address
    uint8_t outer_size = 0;  // of IPIP; 0: there is no source address
    in_place::Known address;
    uint64_t source_hash = 0;
    // Of IPIP.
    std::array<uint8_t, kLongestOuter> outer{};
    uint64_t outer_sum = 0;  // of IPv4's words, without length, DSCP and protocol
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
  // The place of the packet before.
  struct LastPlace {
    uint64_t word = 0;  // local port, protocol and own port, and an IPv4 address; 0: there is none
    std::array<uint64_t, 2> address{};  // of IPv6
    uint64_t key = 0;                   // the last word of a flow's key, without the remote port
    FlowHash::Part hash;
    bool taken = false;
  };

  void renew();
  [[gnu::always_inline]] Kind parse_ipv4(const ip::InFrame& frame, uint64_t port, Flows& flows,
                                         Candidate& c);
  [[gnu::always_inline]] Kind parse_ipv6(const ip::InFrame& frame, uint64_t port, Flows& flows,
                                         Candidate& c);
  // All of the flow's key but the remote address.
  [[gnu::always_inline]] static void begin_key(Candidate& c, const LastPlace& place,
                                               uint16_t remote_port);
  [[gnu::noinline]] void find_place(uint64_t port, const Endpoint& local, uint8_t protocol,
                                    const Flows& flows, LastPlace& out);
  bool answers(unsigned port, Place at, const Address& destination);
  void look_up(unsigned port, std::span<ip::InFrame> frames, Flows& flows);
  [[gnu::always_inline]] bool send(const Candidate& c, buf::Slice& front, Flow& flow, Time now);
  bool send_to_client(const Candidate& c, buf::Slice& front, Flow& flow, Time now);
  [[gnu::noinline]] bool renew(PodWay& way, uint16_t slot, Time now);
  const Way* way_to_client(const Address& client, Time now);
  [[gnu::always_inline]] static void wrap(const Candidate& c, uint8_t* frame, const PodWay& way);
  [[gnu::always_inline]] void translate_to_pod(const Candidate& c, const Flow& flow,
                                               const PodWay& way) const;
  [[gnu::always_inline]] void translate_to_client(const Candidate& c, const Flow& flow) const;
  // frame, size: the whole frame, in the buffer of `from`.
  [[gnu::always_inline]] void put(const ip::Hop& hop, uint8_t* frame, uint32_t size,
                                  buf::Slice& from, Side side);
  // A port and a side.
  static uint32_t way_word(uint16_t port, Side side) {
    return uint32_t{port} << 8 | static_cast<uint32_t>(side);
  }
  static size_t transmit(ip::Link& link, std::span<rte_mbuf* const> frames);
  void flush();

  ip::Host& host_;
  const std::vector<ip::ForwardLink*> links_;
  const Registry& registry_;
  stats::L4& counters_;
  uint64_t generation_ = 0;
  uint64_t epoch_ = 0;  // changes with the generation, and after kRemember
  Time until_{};        // of the epoch
  std::array<Candidate, kBurst> candidates_;
  std::vector<PodWay> pods_;  // by slot
  std::array<ClientWay, kClientHops> clients_;
  std::vector<Answers> vips_, sources_;
  std::vector<in_place::Known> own_vips_;
  std::vector<in_place::Known> own_sources_;
  LastPlace last_v4_, last_v6_;
  // Frames of one side on their way to one port.
  std::array<rte_mbuf*, kBurst> out_{};
  size_t out_count_ = 0;
  uint32_t out_way_ = 0;  // of way_word()
};

}  // namespace sluice::l4
