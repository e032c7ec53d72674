// Cycles of a packet through an L4 listener, without a worker and a port: a burst is copied into
// buffers as DPDK's net_pcap does, goes through the fast path, IP and the forwarder, and is freed.
// The first line is the cost of the copies alone. Then 8 pods' worth of flows begin, and packets of
// flows in random order pass.
//
//   packets [FLOWS [WORKERS [PACKETS [CAPACITY]]]]
//
// WORKERS: of one whose NIC spreads answers by hash. CAPACITY: the flows that the table has room
// for; fewer than FLOWS displace each other.
//
// Cycles are those of the thread's own CPU time, so that others on the machine count less.

#include <rte_cycles.h>
#include <rte_eal.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/byte_order.h"
#include "base/maglev.h"
#include "base/random.h"
#include "buf/packet.h"
#include "buf/pool.h"
#include "ip/checksum.h"
#include "ip/ethernet.h"
#include "ip/host.h"
#include "l4/forwarder.h"
#include "l4/header.h"

namespace {

using namespace sluice;

constexpr unsigned kPods = 8, kLeastSources = 8;
constexpr unsigned kFlowsOfPair = 20'000;  // of a pod and a source; there are 31,744 ports
constexpr size_t kBurst = 32;

// Of this thread.
double cpu_cycles() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9) *
         static_cast<double>(rte_get_tsc_hz());
}

class Sink final : public ip::Link, public ip::ForwardLink {
 public:
  bool transmit(const ip::OutFrame& frame) override {
    ++sent;
    bytes += frame.payload_size;
    return true;
  }
  size_t forward(std::span<rte_mbuf* const> frames) override {
    sent += frames.size();
    for (rte_mbuf* m : frames) rte_pktmbuf_free(m);
    return frames.size();
  }
  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return 1500; }
  uint32_t max_tso() const override { return 0; }

  uint64_t sent = 0, bytes = 0;

 private:
  std::array<uint8_t, 6> mac_{2, 0, 0, 0, 0, 1};
};

Address numbered(const char* text, uint32_t number) {
  Address a = *Address::parse(text);
  for (unsigned i = 0; i < 3; ++i) a.bytes[15 - i] |= static_cast<uint8_t>(number >> (8 * i));
  return a;
}

class Bench {
 public:
  struct Scale {
    size_t flows = 1'000;
    unsigned workers = 1;
    size_t packets = 4'000'000;
    size_t capacity = 1'000;
  };

  Bench(config::Forward mode, bool v4, const Scale& scale, buf::Pool rx, buf::Pool hold)
      : v4_(v4), flows_(scale.flows), packets_(scale.packets), rx_(rx), memory_(rx, hold, 4, 4) {
    const unsigned workers = scale.workers;
    const auto needed = static_cast<unsigned>(flows_ / (kPods * kFlowsOfPair)) + 1;
    for (unsigned i = 0; i < std::max(kLeastSources, needed); ++i)
      sources_.push_back(numbered(v4 ? "10.2.0.0" : "2001:db8::2:0:0", i));
    ports_[0].addresses = {*Prefix::parse(v4 ? "10.1.0.1/8" : "2001:db8::1/64")};
    if (workers > 1) {
      steer::Rss rss;
      rss.key.assign(40, 0x6d);
      for (unsigned i = 0; i < 512; ++i) rss.workers.push_back(static_cast<uint16_t>(i % workers));
      const std::vector<steer::OwnerPort> ports{{ports_[0].addresses, rss}};
      owner_.emplace(workers, SipKey{1, 2}, ports, steer::EphemeralPorts{});
    }
    host_.emplace(links_, ports_, memory_, wheel_);
    forwarder_.emplace(l4::Forwarder::Setup{.host = *host_,
                                            .wheel = wheel_,
                                            .stats = counters_,
                                            .sources = {sources_},
                                            .flows = scale.capacity,
                                            .secret = {3, 4},
                                            .seed = 5,
                                            .owner = owner_ ? &*owner_ : nullptr,
                                            .siblings = &nobody_,
                                            .links = {&sink_}});
    config::Listener l;
    l.name = "l";
    l.address = {numbered(v4 ? "10.3.0.0" : "2001:db8::3:0:0", 1), 53};
    l.protocol = config::Protocol::kUdp;
    l.l4.mode = mode;
    snapshot_.services.push_back({.name = "s"});
    std::vector<Maglev::Backend> backends;
    for (unsigned i = 0; i < kPods; ++i) {
      const Endpoint pod{numbered(v4 ? "10.4.0.0" : "2001:db8::4:0:0", i), 53};
      snapshot_.services[0].pods.push_back({.endpoint = pod, .slot = i});
      backends.push_back({hash_of(pod.address), 1});
      host_->hear({.port = 0,
                   .address = pod.address,
                   .mac = {2, 0, 0, 0, 1, 1},
                   .create = true,
                   .solicited = true},
                  now_);
    }
    snapshot_.services[0].table.maglev = std::make_shared<const Maglev>(backends);
    snapshot_.listeners.push_back(l);
    forwarder_->adopt(snapshot_);
    host_->set_vips(forwarder_->vips());
    vip_ = l.address;
    make_frames();
  }

  void run(const char* name) {
    const double begun = pass(flows_);
    const uint64_t flows = counters_.l4.flows_begun.get();
    pass(flows_);  // everything is touched
    const double known = pass(packets_);
    std::printf(
        "%-5s IPv%d %8zu flows: %5.0f cycles a new flow, %5.0f a packet (%zu begun, %lu sent, "
        "%zu kept, %lu displaced, %lu refused)\n",
        name, v4_ ? 4 : 6, flows_, begun, known, static_cast<size_t>(flows),
        static_cast<unsigned long>(sink_.sent), forwarder_->flows(),
        static_cast<unsigned long>(counters_.l4.evicted.get() +
                                   counters_.l4.evicted_half_open.get()),
        static_cast<unsigned long>(counters_.l4.refused_full.get() +
                                   counters_.l4.refused_ports.get()));
    std::fflush(stdout);
  }

  // Cycles a packet of the copies alone.
  double copies() {
    const double start = cpu_cycles();
    for (size_t at = 0; at < packets_; at += kBurst) {
      receive(at);
      for (size_t i = 0; i < kBurst; ++i) out_[i] = buf::release_packet(burst_[i].bytes.front());
      sink_.forward(out_);
    }
    return (cpu_cycles() - start) / static_cast<double>(packets_);
  }

 private:
  struct Nobody final : l4::Siblings {
    void hand_over(unsigned, ip::TransportPacket&&) override { std::abort(); }
    void hand_over(unsigned, ip::IcmpError&&) override { std::abort(); }
  };

  void make_frames() {
    std::vector<uint32_t> numbers(flows_);
    std::iota(numbers.begin(), numbers.end(), 0);
    Random random(1);
    for (size_t i = flows_; i > 1; --i) std::swap(numbers[i - 1], numbers[random.below(i)]);
    for (uint32_t n = 0; frames_.size() < flows_ * kSize; ++n) {
      const uint32_t number = n < flows_ ? numbers[n] : n;
      const Endpoint client{numbered(v4_ ? "10.64.0.0" : "2001:db8:a::", number),
                            static_cast<uint16_t>(1024 + number % 60'000)};
      std::string f(kSize, 0);
      auto* p = reinterpret_cast<uint8_t*>(f.data());
      ip::emit_ethernet(p, {2, 0, 0, 0, 0, 1}, p, v4_ ? ip::kEtherIpv4 : ip::kEtherIpv6);
      ip::OutPacket out;
      out.source = client.address;
      out.destination = vip_.address;
      out.protocol = ip::Protocol::kUdp;
      uint8_t* l4 = p + 14 + (v4_ ? 20 : 40);
      const uint32_t size = kSize - 14 - (v4_ ? 20 : 40);
      out.header = {l4, size};
      store_be16(l4, client.port);
      store_be16(l4 + 2, vip_.port);
      store_be16(l4 + 4, static_cast<uint16_t>(size));
      store_be16(l4 + 6, ip::checksum_l4(client.address, vip_.address, l4::kUdp, out.header));
      if (v4_) {
        ip::emit_ipv4(p + 14, out, static_cast<uint16_t>(kSize - 14));
        store_be16(p + 24, ip::checksum({p + 14, 20}));
      } else {
        ip::emit_ipv6(p + 14, out);
      }
      frames_.insert(frames_.end(), f.begin(), f.end());
    }
  }

  void receive(size_t at) {
    for (ip::InFrame& frame : burst_) {
      rte_mbuf* m = rte_pktmbuf_alloc(rx_.mempool());
      std::memcpy(rte_pktmbuf_mtod(m, uint8_t*), &frames_[at++ % flows_ * kSize], kSize);
      m->data_len = kSize;
      m->pkt_len = kSize;
      frame.bytes = buf::Chain(m);
    }
  }

  double pass(size_t packets) {
    const double start = cpu_cycles();
    for (size_t at = 0; at < packets; at += kBurst) {
      receive(at);
      if (at % 1024 == 0) {
        now_ += 40us;
        wheel_.advance(now_);
        memory_.refresh();
      }
      const size_t left = forwarder_->forward(0, burst_, now_);
      if (left == 0) continue;
      for (size_t i = 0; i < left; ++i) {
        ip::Input in = host_->input(0, std::move(burst_[i]), now_);
        auto& packet = std::get<ip::TransportPacket>(in);
        pending_[i].place = forwarder_->find(packet);
        pending_[i].packet = std::move(packet);
        pending_[i].handed_over = true;
      }
      forwarder_->input(std::span(pending_).first(left), now_, [](ip::TransportPacket&, bool) {});
    }
    return (cpu_cycles() - start) / static_cast<double>(packets);
  }

  static constexpr uint16_t kSize = 80;  // bytes of a frame

  const bool v4_;
  const size_t flows_;
  const size_t packets_;
  buf::Pool rx_;
  buf::Memory memory_;
  Time now_{1s};
  TimerWheel wheel_{now_};
  Sink sink_;
  std::array<ip::Link*, 1> links_{&sink_};
  std::array<ip::PortAddresses, 1> ports_;
  std::vector<Address> sources_;
  std::optional<steer::Owner> owner_;
  Nobody nobody_;
  std::optional<ip::Host> host_;
  stats::Worker counters_;
  config::Snapshot snapshot_;
  std::optional<l4::Forwarder> forwarder_;
  Endpoint vip_;
  std::vector<uint8_t> frames_;
  std::array<ip::InFrame, kBurst> burst_;
  std::array<rte_mbuf*, kBurst> out_;
  std::array<l4::Pending, kBurst> pending_;
};

}  // namespace

int main(int argc, char** argv) {
  const char* options[] = {"packets",  "--no-huge", "--no-pci",       "--no-shconf", "-m",   "128",
                           "--lcores", "0",         "--no-telemetry", "--log-level", "error"};
  if (rte_eal_init(static_cast<int>(std::size(options)), const_cast<char**>(options)) < 0) return 1;
  const auto argument = [&](int n, size_t otherwise) -> size_t {
    return argc > n ? std::strtoul(argv[n], nullptr, 10) : otherwise;
  };
  Bench::Scale scale;
  scale.flows = argument(1, scale.flows);
  scale.workers = static_cast<unsigned>(argument(2, scale.workers));
  scale.packets = argument(3, scale.packets);
  scale.capacity = argument(4, scale.flows);
  const buf::Pool rx(buf::make_pool("rx", 4'095, 2'176, -1));
  const buf::Pool hold(buf::make_pool("hold", 1'023, 2'176, -1));
  for (const bool v4 : {true, false}) {
    std::printf("copies alone: %.0f cycles\n",
                Bench(config::Forward::kDsr, v4, scale, rx, hold).copies());
    Bench(config::Forward::kDsr, v4, scale, rx, hold).run("dsr");
    Bench(config::Forward::kIpip, v4, scale, rx, hold).run("ipip");
    Bench(config::Forward::kNat, v4, scale, rx, hold).run("nat");
  }
  return 0;
}
