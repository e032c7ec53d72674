#pragma once
// L4 listeners of one worker: finds the flow of a packet or begins one, rewrites the packet and
// sends it on.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/populator.h"
#include "base/random.h"
#include "base/timer_wheel.h"
#include "base/token_bucket.h"
#include "config/snapshot.h"
#include "ip/host.h"
#include "ip/icmp_error.h"
#include "l4/fast_path.h"
#include "l4/flows.h"
#include "l4/fragments.h"
#include "l4/icmp_error.h"
#include "l4/process.h"
#include "l4/registry.h"
#include "l4/source_ports.h"
#include "l4/way.h"
#include "stats/flow_page.h"
#include "stats/worker.h"
#include "steer/owner.h"

namespace sluice::l4 {

// A packet on its way through the forwarder.
struct Pending {
  ip::TransportPacket packet;
  Place place;               // of its destination
  bool handed_over = false;  // another worker gave it to this one
};

// Gives packets to the workers of their flows.
class Siblings {
 public:
  // What is handed over is taken.
  virtual void hand_over(unsigned worker, ip::TransportPacket&& packet) = 0;
  virtual void hand_over(unsigned worker, ip::IcmpError&& error) = 0;

 protected:
  ~Siblings() = default;
};

// What is noted of a TCP segment; zeros, of a datagram.
struct TcpFields {
  uint8_t flags = 0;
  uint32_t sequence = 0;
  uint32_t acknowledged = 0;
};

class Forwarder {
 public:
  static constexpr size_t kBurst = 32;  // packets of one input() at most

  // Everything referred to outlives the forwarder.
  struct Setup {
    ip::Host& host;
    TimerWheel& wheel;
    stats::Worker& stats;
    std::vector<std::vector<Address>> sources;  // SNAT addresses of each port
    size_t flows;                               // the most at once
    SipKey secret;                              // the same for all workers
    uint64_t seed;
    unsigned self = 0;
    const steer::Owner* owner = nullptr;  // all nullptr when there is one worker
    Siblings* siblings = nullptr;
    Process* process = nullptr;
    std::vector<ip::ForwardLink*> links = {};  // see FastPath
    uint32_t pin_above = 0;          // the fast path needs more free receive buffers (buf::Memory)
    Populator* populator = nullptr;  // of the table that a later configuration needs; user: self
  };

  explicit Forwarder(const Setup& setup);

  // The snapshot lives until the next call.
  void adopt(const config::Snapshot& snapshot);
  // As well, when the forwarder has adopted snapshot.difference->from.
  void adopt_difference(const config::Snapshot& snapshot);
  // Addresses of the listeners, and of removed ones for as long as these have flows.
  std::vector<Address> vips() const { return registry_.vip_addresses(); }
  // Whether vips() changed since the last call, other than by adopt().
  bool vips_changed() { return vips_changed_ && std::exchange(vips_changed_, false); }

  // False: there is no L4 listener, and no packet is L4's.
  bool active() const { return active_; }
  // The fast path for frames as a port received them, before IP. Those that it leaves lie at the
  // front; their number.
  size_t forward(unsigned port, std::span<ip::InFrame> frames, Time now) {
    if (!active_ || flows_->size() == 0 || host_.memory().rx_free() <= pin_above_)
      return frames.size();
    return fast_path_.input(port, frames, *flows_, now);
  }
  // The packet has its ports. kForeign: it is not L4's.
  Place find(const ip::TransportPacket& packet) const {
    return registry_.find({packet.destination, packet.ports->destination}, packet.protocol);
  }

  // A fragment, before find(): one behind the first gets its ports. False, counted: its first one
  // is not known.
  bool know_fragment(ip::TransportPacket& packet, Time now);

  // The packets of a burst, in order, each at a place of L4's. Calls back(packet, handed_over) with
  // undamaged TCP packets that are not of L4's flows, and TCP's to take or to refuse.
  template <class Back>
  void input(std::span<Pending> burst, Time now, Back&& back) {
    look_up(burst);
    for (size_t i = 0; i < burst.size(); ++i) {
      if (!take(burst[i], lookups_[i], now)) {
        if (ip::verify_checksum(burst[i].packet)) {
          back(burst[i].packet, burst[i].handed_over);
        } else {
          stats_.l4.bad_checksum.add(1);
        }
      }
      burst[i].packet.payload.clear();
    }
  }

  // Goes on with the answer to the question of `page`, and publishes it when it is whole. A bounded
  // part of the table is looked through in one call.
  void list(stats::FlowPage& page, Time now);
  // Ends the flows of the pod in this slot, in the turns that follow, those of TCP with RST.
  void flush(uint32_t pod);

  // False: the error is not about a packet of a flow.
  bool input(ip::IcmpError& error, bool handed_over, Time now);

  size_t flows() const { return flows_ ? flows_->size() : 0; }
  size_t half_open() const { return flows_ ? flows_->half_open() : 0; }

 private:
  static constexpr Duration kSweepEvery = 20ms;
  // The pace of a flush, in slots of the table: a second for a million flows.
  static constexpr Duration kFlushEvery = 1ms;
  static constexpr size_t kFlushSlots = 4'096;
  static constexpr size_t kListSlots = 2'048;  // of one turn
  // ICMP errors of one kind that Sluice sends in a second (RFC 1812, 4.3.2.8; RFC 4443, 2.4 (f)):
  // enough for path MTU discovery of as many new flows, and too few to be of use in a flood.
  static constexpr uint64_t kErrorRate = 1'000;

  // What a client's network may make of the path MTU that a pod keeps for all clients: bytes.
  static constexpr uint32_t kLeastMtuOfPods = ip::kIpv6MinMtu;

  void look_up(std::span<const Pending> burst);
  bool take(Pending& pending, const Flows::Lookup& lookup, Time now);
  bool take_as_listeners(Pending& pending, Time now);
  bool hand_over_answer(Pending& pending);
  bool take_fragment(Pending& pending, const Flows::Lookup& lookup, Time now);
  void set_active();
  bool hand_over(Pending& pending);
  std::optional<unsigned> owner_of(Place place, const Endpoint& local,
                                   const Endpoint& remote) const;
  const Address& rewritten_source(const Flow& flow) const;
  Way way_of(const Flow& flow, const ip::TransportPacket& packet) const;
  bool choose_port(Flow& flow, Pod& pod, Time now);
  bool begins_anew(const Flow& flow, bool opens, Time now);
  bool may_be_believed(const TcpFields& end, const Flow& flow, Time now);
  void note_sent(Flow& flow, FlowState after, const TcpFields& tcp, Time now);
  void tell(const ip::TransportPacket& packet, const ErrorType& type, TokenBucket& limit, Time now);
  Flow* begin(const Flows::Lookup& lookup, Time now);
  bool admit(Vip& vip, const Address& source, Time now);
  bool make_room(Time now);
  void evict(const Flow& flow);
  void end(const Flow& flow);
  void forget(const Flow& flow);
  void on_sweep(Time now);
  bool to_be_flushed(const Flow& flow);
  void begin_flush();
  void on_flush(Time now);
  void reset(const Flow& flow, Time now);

  ip::Host& host_;
  TimerWheel& wheel_;
  stats::Worker& stats_;
  const size_t capacity_;
  const SipKey secret_;
  const unsigned self_;
  const steer::Owner* const owner_;
  Siblings* const siblings_;
  std::optional<Process> alone_;  // of a worker without siblings
  Process& process_;
  Populator* const populator_;
  Registry registry_;
  const uint32_t pin_above_;
  FastPath fast_path_;
  SourcePorts source_ports_;
  Random random_;
  // One each, so that packets whose hop limit ends do not use up what path MTU discovery needs.
  TokenBucket too_big_limit_{kErrorRate, kErrorRate};
  TokenBucket expired_limit_{kErrorRate, kErrorRate};
  config::FlowTimeouts timeouts_;
  std::optional<Flows> flows_;  // there is no memory for flows before the first listener
  std::array<Flows::Lookup, kBurst> lookups_;
  Fragments fragments_;
  uint32_t identification_ = 0;  // of the last fragmented datagram
  Timer sweep_timer_;
  Timer flush_timer_;
  size_t flush_left_ = 0;  // slots
  size_t flush_at_ = 0;    // the slot before the next one
  Time swept_{};
  bool vips_changed_ = false;
  bool adopted_ = false;  // some configuration
  bool active_ = false;
};

}  // namespace sluice::l4
