#pragma once
// What lies between the appliance's two ports and everybody else: Ethernet and ARP on the ports'
// side, and a link that delays, loses, reorders and doubles packets, or cuts an address off.

#include <array>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/byte_order.h"
#include "base/random.h"
#include "ip/checksum.h"
#include "nic/port_queue.h"
#include "relay/fixture.h"

namespace sluice::sim {

// A cycle is a nanosecond.
struct Clock {
  uint64_t now = 1'000'000'000;
  uint64_t cycles() const { return now; }
  Time at(uint64_t cycles) const { return Time{Duration{static_cast<int64_t>(cycles)}}; }
};

class Port final : public ip::Link {
 public:
  explicit Port(uint8_t number) : mac_{2, 0, 0, 0, 0, number} {}

  uint16_t receive(ip::InFrame* out, uint16_t n) {
    uint16_t got = 0;
    for (; got < n && !arriving.empty(); ++got) {
      out[got].bytes = std::move(arriving.front());
      arriving.pop_front();
    }
    return got;
  }
  void flush() {}
  void interrupts(bool) {}
  const nic::QueueStats& stats() const { return numbers_; }

  bool transmit(const ip::OutFrame& frame) override {
    std::string& f = sent.emplace_back();
    f.append(reinterpret_cast<const char*>(frame.headers.data()), frame.headers.size());
    for (const buf::View& v : frame.payload)
      f.append(reinterpret_cast<const char*>(v.data()), v.size());
    return true;
  }
  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return 1500; }
  uint32_t max_tso() const override { return 0; }

  std::deque<buf::Slice> arriving;
  std::vector<std::string> sent;

 private:
  std::array<uint8_t, 6> mac_;
  nic::QueueStats numbers_;
};

struct LinkModel {
  double loss = 0;
  double duplicate = 0;
  double reorder = 0;  // chance to be held back by up to four delays
  Duration delay = std::chrono::microseconds(100);
};

class Wire {
 public:
  using Packet = relay::Node::Packet;

  // The queues of the two ports, worker by worker. A keyed hash and a table lead a packet to one.
  Wire(uint64_t seed, const LinkModel& model, std::deque<Port>& north, std::deque<Port>& south,
       http2::Buffers& appliance)
      : random_(seed), model_(model), north_(north), south_(south), appliance_(appliance) {
    for (size_t i = 0; i < reta_.size(); ++i) reta_[i] = i % north.size();
  }

  // The table leads a few hashes to other workers.
  void change_reta() {
    for (unsigned i = 0; i < 8; ++i)
      reta_[random_.below(reta_.size())] = random_.below(north_.size());
  }

  // What a port has sent goes on its way. ARP is answered at once, for everybody.
  void collect(std::deque<Port>& queues, Time now) {
    for (Port& port : queues) collect(queues, port, now);
  }
  void collect(std::deque<Port>& queues, Port& port, Time now) {
    for (const std::string& f : port.sent) {
      const auto* b = reinterpret_cast<const uint8_t*>(f.data());
      if (load_be16(b + 12) == 0x0806) {
        answer_arp(queues, b);
      } else {
        const size_t size = load_be16(b + kEthernet + 2);
        fly({v4(b + kEthernet + 12), v4(b + kEthernet + 16), f.substr(kEthernet + kIp, size - kIp)},
            now);
      }
    }
    port.sent.clear();
  }
  void fly(Packet p, Time now) {
    const auto* ports = reinterpret_cast<const uint8_t*>(p.bytes.data());
    if (is_cut(p.source, load_be16(ports)) || is_cut(p.destination, load_be16(ports + 2))) return;
    if (random_.chance(model_.loss)) return;
    Time at = now + model_.delay;
    if (random_.chance(model_.reorder))
      at += Duration(
          static_cast<int64_t>(random_.below(static_cast<uint64_t>(model_.delay.count()) * 4 + 1)));
    if (random_.chance(model_.duplicate)) flying_.emplace(at + model_.delay, p);
    flying_.emplace(at, std::move(p));
  }

  // Everything that arrives until `now`: at a port, or at the world's own stack.
  void deliver(Time now, relay::Node& world) {
    while (!flying_.empty() && flying_.begin()->first <= now) {
      const Packet p = std::move(flying_.begin()->second);
      flying_.erase(flying_.begin());
      if (p.destination == relay::kVip.address) {
        arrive(north_, p);
      } else if (p.destination == kInside) {
        arrive(south_, p);
      } else {
        tcp::Received r{p.source, p.destination, 0, 0, world.buffers.slice(p.bytes)};
        world.stack.input({&r, 1}, now);
      }
    }
  }
  Time next() const { return flying_.empty() ? kNever : flying_.begin()->first; }

  // From and to an endpoint, or with port 0 an address, nothing arrives any more.
  void cut(const Endpoint& e) { cut_.insert(key(e.address, e.port)); }
  void heal(const Endpoint& e) { cut_.erase(key(e.address, e.port)); }
  // From here on every packet arrives.
  void calm() {
    cut_.clear();
    model_.loss = model_.duplicate = model_.reorder = 0;
  }

  static inline const Address kInside = *Address::parse("198.18.1.1");

 private:
  static constexpr std::array<uint8_t, 6> kMac{2, 0, 0, 0, 0, 9};  // of everybody outside
  static constexpr size_t kEthernet = 14, kIp = 20;

  static Address v4(const uint8_t* p) { return Address::v4(load_be32(p)); }
  static uint64_t key(const Address& a, uint16_t port) {
    return uint64_t{load_be32(a.v4_bytes())} << 16 | port;
  }
  bool is_cut(const Address& a, uint16_t port) const {
    return cut_.contains(key(a, port)) || cut_.contains(key(a, 0));
  }

  void arrive(std::deque<Port>& queues, const Packet& packet) {
    const auto* ports = reinterpret_cast<const uint8_t*>(packet.bytes.data());
    const uint64_t tuple =
        key(packet.source, load_be16(ports)) * 31 + key(packet.destination, load_be16(ports + 2));
    Port& port = queues[reta_[mix64(tuple) % reta_.size()]];
    std::string f(kEthernet + kIp, '\0');
    f += packet.bytes;
    auto* b = reinterpret_cast<uint8_t*>(f.data());
    std::memcpy(b, port.mac(), 6);
    std::memcpy(b + 6, kMac.data(), 6);
    store_be16(b + 12, 0x0800);
    uint8_t* ip = b + kEthernet;
    ip[0] = 0x45;
    store_be16(ip + 2, static_cast<uint16_t>(f.size() - kEthernet));
    ip[8] = 64;
    ip[9] = 6;
    std::memcpy(ip + 12, packet.source.v4_bytes(), 4);
    std::memcpy(ip + 16, packet.destination.v4_bytes(), 4);
    store_be16(ip + 10, ip::checksum({ip, kIp}));
    uint8_t* tcp = ip + kIp;
    store_be16(tcp + 16, 0);
    store_be16(tcp + 16,
               ip::checksum_l4(packet.source, packet.destination, 6, {tcp, packet.bytes.size()}));
    port.arriving.push_back(appliance_.slice(f));
  }
  // At any worker, whichever asked.
  void answer_arp(std::deque<Port>& queues, const uint8_t* request) {
    // Not an announcement, which asks for its own address (RFC 5227).
    if (std::memcmp(request + 28, request + 38, 4) == 0) return;
    std::string f(60, '\0');
    auto* b = reinterpret_cast<uint8_t*>(f.data());
    std::memcpy(b, queues[0].mac(), 6);
    std::memcpy(b + 6, kMac.data(), 6);
    std::memcpy(b + 12, request + 12, 8);
    b[21] = 2;
    std::memcpy(b + 22, kMac.data(), 6);
    std::memcpy(b + 28, request + 38, 4);
    std::memcpy(b + 32, request + 22, 10);
    queues[queues.size() == 1 ? 0 : random_.below(queues.size())].arriving.push_back(
        appliance_.slice(f));
  }

  Random random_;
  LinkModel model_;
  std::deque<Port>& north_;
  std::deque<Port>& south_;
  std::array<size_t, 64> reta_;
  http2::Buffers& appliance_;
  std::multimap<Time, Packet> flying_;
  std::set<uint64_t> cut_;
};

}  // namespace sluice::sim
