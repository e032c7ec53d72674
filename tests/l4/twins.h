#pragma once
// Two workers' halves with the same configuration and the same past. One gives received frames to
// the fast path first, the other has none. Random bursts go into both: the same frames must leave,
// and the same must be counted. Ends the process where something differs.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "fixture.h"

namespace sluice::l4 {

class Twins {
 public:
  Twins(buf::Pool& rx, buf::Pool& hold) : fast_(rx, hold, true), slow_(rx, hold, false) {
    for (unsigned i = 0; i < kPods; ++i) {
      Endpoint e = at(i % 2 == 0 ? "198.18.1.101:8080" : "[2001:db8:1::101]:8080");
      e.address.bytes[15] = static_cast<uint8_t>(e.address.bytes[15] + i);
      pods_.push_back(e);
    }
    for (unsigned i = 0; i < kListeners; ++i) {
      config::Listener l;
      l.name = std::to_string(i);
      l.address = at(i % 2 == 0 ? "198.18.0.10:80" : "[2001:db8::10]:80");
      l.address.port = static_cast<uint16_t>(80 + i / 4);
      l.protocol = i / 2 % 2 == 0 ? config::Protocol::kTcp : config::Protocol::kUdp;
      l.slot = i;
      constexpr std::array kModes{config::Forward::kNat, config::Forward::kDsr,
                                  config::Forward::kIpip};
      l.l4.mode = kModes[i / 4];
      listeners_.push_back(l);
    }
    configure(0xffff, 0xff);
  }

  // Each command is a byte and its arguments.
  void run(std::span<const uint8_t> input) {
    input_ = input;
    while (!input_.empty()) {
      switch (next() % 16) {
        case 0:
          configure(next() | next() << 8, next());
          break;
        case 1:
          for (unsigned n = next() % 32; n > 0; --n) pass(1s);
          break;
        case 2:
          meet(next() % 2, next(), next());
          break;
        case 3:
          both([pod = next() % kPods](Half& h) { h.forwarder.flush(pod); });
          pass(1ms);
          break;
        default:
          burst(next() % 2, 1 + next() % FastPath::kBurst);
      }
    }
  }

  uint64_t taken() const { return fast_.taken; }

 private:
  static constexpr unsigned kNorth = 0, kSouth = 1;
  static constexpr unsigned kPods = 6;
  static constexpr unsigned kListeners = 12;  // two versions, two protocols, three modes
  static constexpr size_t kFlows = 1024;
  static constexpr size_t kRemembered = 64;

  struct Frame {
    std::string bytes;
    ip::L4Checksum checksum = ip::L4Checksum::kUnknown;
    uint16_t segment_size = 0;
  };

  struct Half {
    Half(buf::Pool& r, buf::Pool& hold, bool f) : rx(r), memory(r, hold, 4, 4), fast(f) {}

    void arrive(unsigned port, const std::vector<Frame>& burst) {
      std::vector<ip::InFrame> frames;
      for (const Frame& f : burst) {
        buf::Slice bytes = rx.alloc();
        std::memcpy(bytes.mutable_data(), f.bytes.data(), f.bytes.size());
        bytes.grow_back(static_cast<uint32_t>(f.bytes.size()));
        frames.push_back({std::move(bytes), f.checksum, f.segment_size});
      }
      const size_t left = fast ? forwarder.forward(port, frames, now) : frames.size();
      taken += frames.size() - left;
      std::vector<Pending> pending;
      for (ip::InFrame& f : std::span(frames).first(left)) {
        ip::Input in = host.input(port, std::move(f), now);
        if (const auto* reason = std::get_if<stats::Drop>(&in))
          ++drops[static_cast<size_t>(*reason)];
        auto* packet = std::get_if<ip::TransportPacket>(&in);
        if (packet == nullptr) continue;
        if (is_fragment(*packet) && !forwarder.know_fragment(*packet, now)) continue;
        const Place place = packet->ports ? forwarder.find(*packet) : Place{};
        if (place.kind == Place::Kind::kForeign) continue;
        pending.push_back({.packet = std::move(*packet), .place = place});
      }
      if (!pending.empty()) forwarder.input(pending, now, [](ip::TransportPacket&, bool) {});
    }
    void pass(Duration time) {
      wheel.advance(now += time);
      if (forwarder.vips_changed()) host.set_vips(forwarder.vips());
    }
    // In an order that does not depend on the path.
    std::vector<std::string> left(ip::TestLink& link) {
      auto all = link.take();
      std::sort(all.begin(), all.end());
      return all;
    }
    std::string numbers() const {
      std::string text;
      counters.l4.for_each([&](std::string_view name, const auto& value, std::string_view) {
        text += std::string(name) + " " + std::to_string(value.get()) + "\n";
      });
      for (size_t i = 0; i < drops.size(); ++i)
        if (drops[i] != 0)
          text += std::string(stats::kDropInfo[i].name) + " " + std::to_string(drops[i]) + "\n";
      return text + "flows " + std::to_string(forwarder.flows()) + "\n";
    }

    buf::Pool& rx;
    buf::Memory memory;
    const bool fast;
    uint64_t taken = 0;
    Time now{1s};
    TimerWheel wheel{now};
    ip::TestLink north{1}, south{2};
    std::array<ip::Link*, 2> links{&north, &south};
    std::array<ip::PortAddresses, 2> ports{
        ip::PortAddresses{{*Prefix::parse("198.18.0.2/24"), *Prefix::parse("2001:db8::2/64")},
                          {{*Prefix::parse("10.0.0.0/8"), ip::addr("198.18.0.254")},
                           {*Prefix::parse("2001:db8:a::/48"), ip::addr("2001:db8::fe")}}},
        ip::PortAddresses{{*Prefix::parse("198.18.1.1/24"), *Prefix::parse("2001:db8:1::1/64")},
                          {}}};
    stats::Changes changes;
    ip::Host host{links, ports, memory, wheel, &changes};
    stats::Worker counters;
    std::array<uint64_t, stats::kDrops> drops{};
    Forwarder forwarder{{.host = host,
                         .wheel = wheel,
                         .stats = counters,
                         .sources = {{}, {ip::addr("198.18.1.1"), ip::addr("2001:db8:1::1")}},
                         .flows = kFlows,
                         .secret = {1, 2},
                         .seed = 3}};
  };

  static void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "differs: %s\n", what);
    std::abort();
  }

  template <class Fn>
  void both(Fn&& fn) {
    fn(fast_);
    fn(slow_);
  }

  uint8_t next() {
    if (input_.empty()) return 0;
    const uint8_t b = input_[0];
    input_ = input_.subspan(1);
    return b;
  }

  void configure(unsigned listeners, uint8_t pods) {
    auto s = std::make_unique<config::Snapshot>();
    s->services.push_back({.name = "pods"});
    std::vector<Maglev::Backend> backends;
    for (unsigned i = 0; i < kPods; ++i) {
      if ((pods >> i & 1) == 0) continue;
      s->services[0].pods.push_back({.endpoint = pods_[i], .slot = i});
      backends.push_back({hash_of(pods_[i].address), 1});
    }
    s->services[0].table.maglev = std::make_shared<const Maglev>(backends);
    for (unsigned i = 0; i < kListeners; ++i)
      if ((listeners >> i & 1) != 0) s->listeners.push_back(listeners_[i]);
    both([&](Half& h) {
      h.forwarder.adopt(*s);
      h.host.set_vips(h.forwarder.vips());
    });
    current_ = std::move(s);
    pass({});
  }

  void pass(Duration time) {
    both([&](Half& h) { h.pass(time); });
    for (uint8_t i = 0; i < 12; ++i)
      meet(i % 2 == 0 ? kNorth : kSouth, static_cast<uint8_t>(i / 2), kMac);
    compare();
  }
  // Neighbours ask for Sluice's address, some of them from another MAC address than before.
  void meet(unsigned port, uint8_t which, uint8_t mac) {
    Address a;
    if (port == kSouth) {
      a = pods_[which % kPods].address;
    } else if (which % 6 < 4) {
      a = client(which % 4, 0).address;
    } else {
      a = ip::addr(which % 2 == 0 ? "198.18.0.254" : "2001:db8::fe");
    }
    both([&](Half& h) {
      h.host.hear({.port = port, .address = a, .mac = {2, 0, 0, 0, 1, mac}, .create = true}, h.now);
    });
  }
  void compare() {
    require(fast_.left(fast_.north) == slow_.left(slow_.north), "the frames toward clients");
    sent_ = fast_.left(fast_.south);
    require(sent_ == slow_.left(slow_.south), "the frames toward pods");
    if (const std::string a = fast_.numbers(), b = slow_.numbers(); a != b) {
      std::fprintf(stderr, "%s\n%s\n", a.c_str(), b.c_str());
      require(false, "the counters");
    }
  }

  // Behind a gateway: numbers from 4 on.
  static Endpoint client(unsigned number, uint8_t port) {
    constexpr std::array kAddresses{"198.18.0.1:1000", "[2001:db8::1]:1000", "10.0.0.1:1000",
                                    "[2001:db8:a::1]:1000"};
    Endpoint e = at(kAddresses[number % 2 + (number >= 4 ? 2 : 0)]);
    e.address.bytes[15] = static_cast<uint8_t>(1 + number);
    e.port = static_cast<uint16_t>(1000 + port);
    return e;
  }

  void burst(unsigned port, unsigned count) {
    std::vector<Frame> frames;
    for (; count > 0; --count) frames.push_back(port == kNorth ? client_frame() : pod_frame());
    both([&](Half& h) { h.arrive(port, frames); });
    compare();
    for (const std::string& f : sent_)
      if (f.size() >= 64) remember(f);
  }
  void remember(const std::string& frame) {
    const uint16_t type = load_be16(ip::raw(frame, 12));
    const uint8_t protocol = *ip::raw(frame, type == ip::kEtherIpv4 ? 23 : 20);
    if ((type != ip::kEtherIpv4 && type != ip::kEtherIpv6) ||
        (protocol != kTcp && protocol != kUdp))
      return;
    if (seen_.size() == kRemembered) seen_.erase(seen_.begin());
    const bool v4 = type == ip::kEtherIpv4;
    const auto port_at = [&](size_t n) { return load_be16(ip::raw(frame, (v4 ? 34 : 54) + n)); };
    Packet p;
    p.protocol = protocol;
    p.source = {v4 ? Address::v4(ip::raw(frame, 26)) : ip::v6(ip::raw(frame, 22)), port_at(0)};
    p.destination = {v4 ? Address::v4(ip::raw(frame, 30)) : ip::v6(ip::raw(frame, 38)), port_at(2)};
    seen_.push_back(p);
  }

  Frame client_frame() {
    const uint8_t which = next();
    const config::Listener& l = listeners_[next() % kListeners];
    Packet p;
    p.protocol = l.protocol == config::Protocol::kUdp ? kUdp : kTcp;
    p.source = client(which % 4 * 2 + (l.address.address.is_v4() ? 0 : 1), which / 4 % 4);
    p.destination = l.address;
    return filled(p, fast_.north.own());
  }
  Frame pod_frame() {
    Packet p;
    if (seen_.empty()) {
      p.source = pods_[next() % kPods];
      p.destination = {ip::addr(p.source.address.is_v4() ? "198.18.1.1" : "2001:db8:1::1"), 2000};
    } else {
      const Packet& s = seen_[next() % seen_.size()];
      p.source = s.destination;
      p.destination = s.source;
      p.protocol = s.protocol;
    }
    return filled(p, fast_.south.own());
  }
  // Mostly segments and datagrams of established flows.
  Frame filled(Packet& p, const ip::Mac& to) {
    const uint8_t kind = next();
    constexpr std::array<uint8_t, 4> kFlags{kAck, kAck | kPsh, kAck, kSyn};
    p.flags = kind % 8 == 7 ? next() & 0x3f : kFlags[kind / 8 % 4];
    if (kind % 8 == 6) p.flags = kSyn | kAck;
    p.ttl = kind / 32 == 0 ? next() % 3 : 64;
    p.tos = next();
    p.ack = uint32_t{next()} * 0x01010101;
    const uint8_t size = next();
    p.data = std::string(size == 255 ? 1380 + next() : size % 24, static_cast<char>(next()));
    Frame f;
    f.bytes = frame_of(p, to, {2, 0, 0, 0, 1, kMac});
    const uint8_t odd = next();
    if (odd % 16 == 0) f.checksum = static_cast<ip::L4Checksum>(next() % 4);
    if (odd % 16 == 1 && p.protocol == kTcp) f.segment_size = static_cast<uint16_t>(1 + next());
    if (odd % 16 == 2) f.bytes.append(next() % 32, 'p');  // behind the packet
    if (odd % 16 == 3) alter(f.bytes);
    if (odd % 16 == 4) f.bytes.resize(f.bytes.size() - next() % (f.bytes.size() - 13));
    if (odd % 16 == 6 && p.protocol == kUdp) cut(f.bytes);
    if (odd % 16 == 5 && p.protocol == kUdp && f.bytes.size() > 62)  // no checksum
      std::memset(f.bytes.data() + (p.source.address.is_v4() ? 40 : 60), 0, 2);
    return f;
  }
  // A fragment of IPv6, with its header before the transport.
  void cut(std::string& frame) {
    std::string header(ip::kFragmentSize, 0);
    auto* b = reinterpret_cast<uint8_t*>(frame.data()) + ip::kEthernetSize;
    if (frame.size() < 54 || b[0] >> 4 != 6) return;
    const uint16_t fragmentation = next() % 2 == 0 ? 0x2000 : next();
    ip::emit_fragment(reinterpret_cast<uint8_t*>(header.data()), b[6], fragmentation, next() % 4);
    b[6] = 44;
    store_be16(b + 4, static_cast<uint16_t>(load_be16(b + 4) + ip::kFragmentSize));
    frame.insert(54, header);
  }
  // One byte differs. The checksum of IPv4 is made anew.
  void alter(std::string& frame) {
    frame[next() % 2 == 0 ? next() % std::min<size_t>(frame.size(), 74) : next() % frame.size()] =
        static_cast<char>(next());
    auto* header = reinterpret_cast<uint8_t*>(frame.data()) + ip::kEthernetSize;
    if (next() % 4 == 0 || header[0] != 0x45) return;
    store_be16(header + 10, 0);
    store_be16(header + 10, ip::checksum({header, ip::kIpv4Size}));
  }

  static constexpr uint8_t kMac = 1;

  std::span<const uint8_t> input_;
  Half fast_, slow_;
  std::unique_ptr<config::Snapshot> current_;  // that the forwarders use
  std::vector<Endpoint> pods_;
  std::vector<config::Listener> listeners_;
  std::vector<std::string> sent_;  // toward pods, by the last burst
  std::vector<Packet> seen_;       // as pods saw them
};

}  // namespace sluice::l4
