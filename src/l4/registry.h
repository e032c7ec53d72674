#pragma once
// The addresses that flows name by index: VIPs, pods, and the SNAT addresses of the ports. A VIP or
// a pod that left the configuration stays while flows use it.
//
// Pods are indexed by their slots. Control gives the slot of a pod that left to another one only
// when no worker has a flow on it (control/slots.h).

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/chrono.h"
#include "base/shared_rate.h"
#include "config/snapshot.h"
#include "ip/host.h"
#include "l4/process.h"
#include "stats/worker.h"

namespace sluice::l4 {

struct Pod {
  static constexpr uint8_t kFlushes = 15;
  static constexpr uint32_t kNoTurn = UINT32_MAX;  // no source port has been chosen yet

  void begin_flush() {
    flush = true;
    flushes = flushes == kFlushes ? 1 : static_cast<uint8_t>(flushes + 1);
  }

  Endpoint endpoint;
  std::vector<uint16_t> sources;       // SNAT addresses of its family at the port that routes it
  bool live = false;                   // some L4 listener has it
  bool flush = false;                  // its flows are to end, but for those that outlive that
  uint8_t flushes = 0;                 // number of the last order: 1 to kFlushes, then 1 again
  std::array<Time, 2> search_after{};  // of SourcePorts: for TCP, and for UDP
  // Of SourcePorts, too: the port that was used longest ago.
  std::array<uint32_t, 2> turn{kNoTurn, kNoTurn};
};

struct Vip {
  Endpoint address;
  uint8_t protocol = 0;
  uint32_t slot = 0;
  uint32_t flows = 0;
  bool live = false;
  uint64_t hash = 0;               // of address and protocol; the same in all workers
  std::vector<uint16_t> pods;      // of its service; their slots
  std::vector<uint64_t> members;   // `pods` as bits, by slot
  const Maglev* maglev = nullptr;  // over `pods`; the snapshot's
  config::L4Listener limits;
  RateLease new_flows;  // this worker's share of the limit

  // Whether new flows may go to the pod.
  bool has(uint16_t pod) const {
    return live && pod / 64 < members.size() && (members[pod / 64] >> pod % 64 & 1) != 0;
  }
};

// What an endpoint of Sluice's own is to L4.
struct Place {
  enum class Kind : uint8_t { kForeign, kVip, kSource };
  Kind kind = Kind::kForeign;
  uint16_t index = 0;
  // Of kSource: a listener has the endpoint, too. Flows from there that began before the listener
  // came go on; all other packets are the listener's, which is L4's (`listener` is kVip) or not.
  bool shared = false;
  Kind listener = Kind::kForeign;
  uint16_t vip = 0;

  // The listener's part of a shared place.
  Place of_listener() const { return {listener, vip}; }
};

class Registry {
 public:
  // Ports of SNAT addresses. They lie below the ephemeral ports of Sluice's TCP, so that a packet's
  // destination says whose it is.
  static constexpr uint16_t kFirstSourcePort = 1'024;
  static constexpr uint16_t kLastSourcePort = 32'767;

  // sources: the SNAT addresses of each port, in the order of host's ports. host, stats and process
  // outlive the object. self: the worker, below process.workers().
  Registry(const ip::Host& host, std::span<const std::vector<Address>> sources,
           stats::Worker& stats, Process& process, uint32_t self);

  // The snapshot lives until the next call.
  void adopt(const config::Snapshot& snapshot);
  // Forgets VIPs that left and have no flow at any worker; whether there was one.
  bool forget_unused();
  // Whether some VIP has left the configuration, and is kept for its flows.
  bool has_departed() const;

  Place find(const Endpoint& local, uint8_t protocol) const {
    if (places_.empty()) return {};
    if (const Entry* e = lookup(local, protocol)) return e->place;
    if (local.port < kFirstSourcePort || local.port > kLastSourcePort) return {};
    const Entry* e = lookup({local.address, 0}, 0);
    return e == nullptr ? Place{} : e->place;
  }
  // Changes with the results of find(), and with the VIPs and the pods.
  uint64_t generation() const { return generation_; }
  size_t vips() const { return vips_.size(); }
  size_t pods() const { return pods_.size(); }
  size_t sources() const { return sources_.size(); }
  bool has_vips() const { return !places_.empty(); }
  std::vector<Address> vip_addresses() const;

  Vip& vip(uint16_t index) { return vips_[index]; }
  const Vip& vip(uint16_t index) const { return vips_[index]; }
  void flow_began(Vip& vip) {
    ++vip.flows;
    process_.add_flows(self_, vip.hash, 1);
  }
  void flow_ended(Vip& vip) {
    --vip.flows;
    process_.add_flows(self_, vip.hash, ~uint32_t{0});
  }
  Pod& pod(uint16_t slot) { return pods_[slot]; }
  const Pod& pod(uint16_t slot) const { return pods_[slot]; }
  // Whether the endpoint is a pod's, or was. Known where a place is shared.
  bool is_pod(const Endpoint& e) const {
    return std::binary_search(pod_endpoints_.begin(), pod_endpoints_.end(), e);
  }
  bool has_pod(uint32_t slot) const { return slot < pods_.size(); }
  // Whether flows may have to end before their time.
  bool has_flushes() const;
  void end_flush() {
    for (Pod& p : pods_) p.flush = false;
  }
  const Address& source(uint16_t index) const { return sources_[index].address; }

 private:
  struct Source {
    Address address;
    size_t port = 0;
  };
  struct Entry {
    Endpoint local;
    uint8_t protocol = 0;
    bool used = false;
    Place place;
  };

  void adopt_pod(const config::Pod& pod);
  Vip& place_for(const Endpoint& address, uint8_t protocol);
  void adopt_vip(const config::Listener& listener, const config::Service& service);
  void index();
  void insert(const Endpoint& local, uint8_t protocol, Place place);
  void insert_listener(const Endpoint& local, uint8_t protocol, Place place);
  // Only the configuration chooses the entries.
  static uint64_t hash_of_place(const Endpoint& local, uint8_t protocol) {
    std::array<uint64_t, 2> a;
    std::memcpy(a.data(), local.address.bytes.data(), sizeof a);
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{a[1] ^ a[0] * 0x9e3779b97f4a7c15ULL ^
                              (uint64_t{local.port} << 8 | protocol) * 0xc4ceb9fe1a85ec53ULL} *
                         0xff51afd7ed558ccdULL;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  const Entry* lookup(const Endpoint& local, uint8_t protocol) const {
    size_t i = hash_of_place(local, protocol) & (places_.size() - 1);
    for (; places_[i].used; i = (i + 1) & (places_.size() - 1))
      if (places_[i].local == local && places_[i].protocol == protocol) return &places_[i];
    return nullptr;
  }

  const ip::Host& host_;
  stats::Worker& stats_;
  Process& process_;
  const uint32_t self_;
  std::vector<Source> sources_;
  std::vector<Vip> vips_;                // those without a protocol are free
  std::vector<Pod> pods_;                // by slot
  std::vector<Endpoint> foreign_;        // of TCP listeners that are not L4's
  std::vector<Entry> places_;            // a hash table; empty: there is no VIP
  bool shares_ = false;                  // whether a place is shared
  std::vector<Endpoint> pod_endpoints_;  // sorted; empty where no place is shared
  uint64_t generation_ = 0;
};

}  // namespace sluice::l4
