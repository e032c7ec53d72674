// Packets that cross Sluice from every kind of port to every other: each state of a checksum, each
// shape of a packet. Ports are kinds of traits over DPDK's ring driver, and the TAP port over a
// pair of sockets. The test plays the hardware behind the outgoing port, with code that shares
// nothing with the rooms under test: it fills the checksums and cuts the packets that the port left
// to it.

#include <gtest/gtest.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/poison.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "frames.h"
#include "ip/host.h"
#include "l4/translate.h"
#include "nic/pools.h"
#include "nic/tun_queue.h"
#include "nic/tx_path.h"
#include "nic/virtio_header.h"

namespace sluice::nic {
namespace {

using ip::L4Checksum;

struct Kind {
  const char* name;
  Traits traits;
  bool tun = false;
};

const Kind kReceiving[] = {
    {"software", {}},
    {"verifies checksums", {.rx_checksum = true}},
    {"hands on chains", {.scatter = true}},
    {"verifies checksums and hands on chains", {.rx_checksum = true, .scatter = true}},
    {"LRO", {.rx_checksum = true, .lro = true, .scatter = true}},
    {"tun", {.rx_checksum = true, .lro = true, .scatter = true}, true},
};
const Kind kSending[] = {
    {"software", {}},
    {"checksums", {.tx_checksum = true, .tx_ipv4_checksum = true}},
    {"checksums but IPv4's", {.tx_checksum = true}},
    {"chains", {.multi_segment = true}},
    {"chains and checksums", {.multi_segment = true, .tx_checksum = true}},
    {"TSO", {.multi_segment = true, .tx_checksum = true, .tx_ipv4_checksum = true, .tso = true}},
    {"TSO with lengths",
     {.multi_segment = true, .tx_checksum = true, .tso = true, .tso_length = true}},
    {"tun", {}, true},
};

// The checksum field of an arriving packet, and the device's verdict.
struct State {
  const char* name;
  L4Checksum verdict;
  enum class Field { kRight, kWrong, kPseudo } field;
};
const State kStates[] = {
    {"verified", L4Checksum::kGood, State::Field::kRight},
    {"summed and wrong", L4Checksum::kBad, State::Field::kWrong},
    {"called wrong, and right", L4Checksum::kBad, State::Field::kRight},
    {"not summed", L4Checksum::kUnknown, State::Field::kRight},
    {"not summed, and wrong", L4Checksum::kUnknown, State::Field::kWrong},
    {"partial", L4Checksum::kNone, State::Field::kPseudo},
    {"any value beside verified data", L4Checksum::kNone, State::Field::kWrong},
};

// The payload, the size of the buffers in which it arrives, and that of its segments.
struct Shape {
  const char* name;
  size_t payload;
  size_t buffer;
  uint16_t segment;
};
constexpr uint16_t kMss = 1448;
const Shape kShapes[] = {
    {"a small packet", 100, 2000, 0},
    {"a chain", 1400, 500, 0},
    {"a chain of odd buffers", 1399, 333, 0},
    {"a super-segment", 10 * kMss + 77, 2000, kMss},
    {"a super-segment of 60 KiB", 60'000, 2000, 1000},
};

constexpr uint16_t kMtu = 1500;
constexpr uint32_t kSequence = 1000;

struct Layout {
  explicit Layout(const std::vector<uint8_t>& frame)
      : v4(frame[12] == 0x08), tcp(v4 ? 34 : 54), payload(tcp + 4u * (frame[tcp + 12] >> 4)) {}
  bool v4;
  size_t tcp, payload;
};

uint16_t pseudo_sum(const std::vector<uint8_t>& f, const Layout& l, size_t size) {
  std::vector<uint8_t> covered(f.begin() + (l.v4 ? 26 : 22), f.begin() + static_cast<long>(l.tcp));
  for (const size_t byte : {size_t{0}, size_t{6}, size >> 8, size & 0xff})
    covered.push_back(static_cast<uint8_t>(byte));
  return naive_sum(covered);
}

// What a NIC does with a packet whose checksum field holds a partial sum.
void complete(std::vector<uint8_t>& f) {
  const Layout l(f);
  const std::vector<uint8_t> transport(f.begin() + static_cast<long>(l.tcp), f.end());
  store_be16(&f[l.tcp + 16], static_cast<uint16_t>(~naive_sum(transport)));
}
void complete_ipv4(std::vector<uint8_t>& f) {
  if (f[12] != 0x08) return;
  f[24] = f[25] = 0;
  store_be16(&f[24], static_cast<uint16_t>(~naive_sum({f.begin() + 14, f.begin() + 34})));
}

// What a NIC does with a packet that is to be cut.
std::vector<std::vector<uint8_t>> cut(const std::vector<uint8_t>& whole, size_t segment) {
  const Layout l(whole);
  std::vector<std::vector<uint8_t>> all;
  for (size_t at = l.payload; at < whole.size(); at += segment) {
    const size_t end = std::min(at + segment, whole.size());
    std::vector<uint8_t> f(whole.begin(), whole.begin() + static_cast<long>(l.payload));
    f.insert(f.end(), whole.begin() + static_cast<long>(at),
             whole.begin() + static_cast<long>(end));
    store_be16(&f[l.v4 ? 16 : 18], static_cast<uint16_t>(f.size() - (l.v4 ? 14 : 54)));
    store_be32(&f[l.tcp + 4], load_be32(&whole[l.tcp + 4]) + static_cast<uint32_t>(at - l.payload));
    if (end < whole.size()) f[l.tcp + 13] &= static_cast<uint8_t>(~(kFin | kPsh));
    if (at > l.payload) f[l.tcp + 13] &= static_cast<uint8_t>(~kCwr);
    store_be16(&f[l.tcp + 16], pseudo_sum(f, l, f.size() - l.tcp));
    complete(f);
    complete_ipv4(f);
    all.push_back(std::move(f));
  }
  return all;
}

class Crossing : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    uint16_t there = 0;
    if (rte_eth_dev_get_port_by_name("net_ring0", &there) == 0) return;
    ASSERT_EQ(rte_eal_hotplug_add("vdev", "net_ring0", ""), 0);
  }
  void SetUp() override {
    ASSERT_EQ(rte_eth_dev_get_port_by_name("net_ring0", &device_), 0);
    rx_ = buf::make_pool("crossrx", 1023, 2176, SOCKET_ID_ANY);
    tx_ = buf::make_pool("crosstx", 1023, 2176, SOCKET_ID_ANY);
    hold_ = buf::make_pool("crosshold", 127, 2176, SOCKET_ID_ANY);
    rte_eth_conf conf{};
    ASSERT_EQ(rte_eth_dev_configure(device_, 1, 1, &conf), 0);
    ASSERT_EQ(rte_eth_rx_queue_setup(device_, 0, 256, 0, nullptr, rx_), 0);
    ASSERT_EQ(rte_eth_tx_queue_setup(device_, 0, 256, 0, nullptr), 0);
    ASSERT_EQ(rte_eth_dev_start(device_), 0);
    for (const auto& ends : {in_, out_}) {
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, const_cast<int*>(ends)), 0);
      const int room = 4 << 20;
      for (int i = 0; i < 2; ++i)
        ASSERT_EQ(::setsockopt(ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room), 0);
    }
  }
  void TearDown() override {
    for (rte_mempool* pool : {rx_, tx_, hold_}) {
      EXPECT_EQ(rte_mempool_avail_count(pool), pool->size) << pool->name << " leaked";
      buf::free_pool(pool);
    }
    rte_eth_dev_stop(device_);
    for (const auto& ends : {in_, out_}) ::close(ends[0]), ::close(ends[1]);
  }

  std::unique_ptr<PortQueue> queue_of(const Kind& kind, const int* ends, uint8_t number) {
    const std::array<uint8_t, 6> mac{2, 0, 0, 0, 0, number};
    if (kind.tun)
      return std::make_unique<TunQueue>(
          TunQueue::Setup{.fd = ends[0], .mtu = kMtu, .mac = mac, .rx_pool = rx_});
    return make_queue(kind.traits, {.device = device_,
                                    .mtu = kMtu,
                                    .max_tso = 16384,
                                    .tx_segments = 64,
                                    .mac = mac,
                                    .tx_pool = tx_});
  }

  // As the peer's stack makes it; a super-segment's headers count all of its bytes.
  static std::vector<uint8_t> packet(const Shape& shape, State::Field field, bool v4) {
    TestFrame made = TestFrame::tcp({pattern(shape.payload)}, v4);
    std::vector<uint8_t> f = made.flat();
    std::memcpy(f.data(), "\x02\0\0\0\0\x01", 6);
    complete_ipv4(f);
    const Layout l(f);
    store_be16(&f[l.tcp + 16], pseudo_sum(f, l, f.size() - l.tcp));
    if (field == State::Field::kPseudo) return f;
    complete(f);
    if (field == State::Field::kWrong) f[l.tcp + 17] ^= 0x55;
    return f;
  }

  void arrive(const Kind& kind, const std::vector<uint8_t>& f, const State& state,
              const Shape& shape) {
    if (kind.tun) {
      VirtioHeader h;
      const Layout l(f);
      if (state.verdict == L4Checksum::kGood) h.flags = VirtioHeader::kDataValid;
      if (state.verdict == L4Checksum::kNone) {
        h.flags = VirtioHeader::kNeedsChecksum;
        h.csum_start = static_cast<uint16_t>(l.tcp);
        h.csum_offset = 16;
      }
      if (shape.segment != 0) {
        h.gso_type = l.v4 ? VirtioHeader::kTcpV4 : VirtioHeader::kTcpV6;
        h.gso_size = shape.segment;
        h.hdr_len = static_cast<uint16_t>(l.payload);
      }
      std::vector<uint8_t> bytes(sizeof h);
      std::memcpy(bytes.data(), &h, sizeof h);
      bytes.insert(bytes.end(), f.begin(), f.end());
      ASSERT_EQ(::send(in_[1], bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
      return;
    }
    rte_mbuf* head = nullptr;
    rte_mbuf* tail = nullptr;
    for (size_t at = 0; at < f.size(); at += shape.buffer) {
      rte_mbuf* m = rte_pktmbuf_alloc(rx_);
      unpoison(m->buf_addr, m->buf_len);
      const auto n = static_cast<uint16_t>(std::min(shape.buffer, f.size() - at));
      std::memcpy(rte_pktmbuf_append(m, n), f.data() + at, n);
      if (head == nullptr) {
        head = tail = m;
        continue;
      }
      tail = tail->next = m;
      ++head->nb_segs;
      head->pkt_len += n;
    }
    constexpr uint64_t kFlags[] = {RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, RTE_MBUF_F_RX_L4_CKSUM_BAD,
                                   RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_NONE};
    head->ol_flags |= kFlags[static_cast<size_t>(state.verdict)];
    if (shape.segment != 0) {
      head->ol_flags |= RTE_MBUF_F_RX_LRO;
      head->tso_segsz = shape.segment;
    }
    ASSERT_EQ(rte_eth_tx_burst(device_, 0, &head, 1), 1);
  }

  // The packets on the wire behind the outgoing port.
  std::vector<std::vector<uint8_t>> on_the_wire(const Kind& kind) {
    std::vector<std::vector<uint8_t>> all;
    const auto leave = [&](std::vector<uint8_t> f, bool partial, bool ipv4, size_t segment) {
      if (f[f[12] == 0x08 && f[13] == 0 ? 23 : 20] != 6) return;  // ARP
      if (segment != 0 && f.size() - Layout(f).payload > segment) {
        for (auto& one : cut(f, segment)) all.push_back(std::move(one));
        return;
      }
      if (partial) complete(f);
      if (ipv4) complete_ipv4(f);
      all.push_back(std::move(f));
    };
    if (kind.tun) {
      std::vector<uint8_t> bytes(70'000);
      for (ssize_t n; (n = ::recv(out_[1], bytes.data(), bytes.size(), 0)) > 0;) {
        VirtioHeader h;
        std::memcpy(&h, bytes.data(), sizeof h);
        leave({bytes.begin() + sizeof h, bytes.begin() + n},
              (h.flags & VirtioHeader::kNeedsChecksum) != 0, false, h.gso_size);
      }
      return all;
    }
    for (rte_mbuf* m = nullptr; rte_eth_rx_burst(device_, 0, &m, 1) == 1;) {
      std::vector<uint8_t> f;
      for (const rte_mbuf* s = m; s != nullptr; s = s->next) {
        const auto* p = rte_pktmbuf_mtod(s, const uint8_t*);
        f.insert(f.end(), p, p + s->data_len);
      }
      EXPECT_TRUE(kind.traits.multi_segment || m->nb_segs == 1);
      const bool cuts = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
      leave(std::move(f), (m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) != 0,
            (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0, cuts ? m->tso_segsz : 0);
      rte_pktmbuf_free(m);
    }
    return all;
  }

  // Through IP and the forwarder's last step.
  void cross(PortQueue& in, PortQueue& out, bool v4) {
    const Time now{1s};
    buf::Memory memory{buf::Pool(rx_), buf::Pool(hold_), 4, 4};
    TimerWheel wheel{now};
    const std::array<ip::Link*, 2> links{&in, &out};
    const auto address = [](const char* text) { return *Address::parse(text); };
    const std::array<ip::PortAddresses, 2> ports{
        ip::PortAddresses{{*Prefix::parse("198.18.0.1/24"), *Prefix::parse("2001:db8::1/64")}, {}},
        ip::PortAddresses{{*Prefix::parse("198.18.1.1/24"), *Prefix::parse("2001:db8:1::1/64")},
                          {}}};
    ip::Host host{links, ports, memory, wheel};
    const Address pod = address(v4 ? "198.18.1.101" : "2001:db8:1::101");
    host.hear({.port = 1, .address = pod, .mac = {2, 0, 0, 0, 1, 2}, .create = true}, now);
    ip::InFrame frame;
    if (in.receive(&frame, 1) == 0) return;
    ip::Input input = host.input(0, std::move(frame), now);
    if (auto* packet = std::get_if<ip::TransportPacket>(&input)) {
      const l4::Way to{.to = {{address(v4 ? "198.18.1.1" : "2001:db8:1::1"), 9999}, {pod, 8080}},
                       .mode = config::Forward::kNat,
                       .pod = pod};
      stats::L4 counters;
      l4::translate(*packet, 20, to, host, counters, now);
    }
    out.flush();
  }

  uint16_t device_ = 0;
  rte_mempool* rx_ = nullptr;
  rte_mempool* tx_ = nullptr;
  rte_mempool* hold_ = nullptr;
  int in_[2] = {-1, -1};
  int out_[2] = {-1, -1};
};

enum class Fate {
  kWhole,    // with right checksums
  kDamaged,  // with the damage for the end to see: the checksum was adapted, and not filled anew
  kDropped,
};

Fate fate(const Kind& kind, const State& state, const Shape& shape) {
  const bool right = state.field == State::Field::kRight;
  L4Checksum seen = kind.traits.rx_checksum ? state.verdict : L4Checksum::kUnknown;
  if (kind.tun && seen == L4Checksum::kBad) seen = L4Checksum::kUnknown;  // it has no such verdict
  // A port that hands on no chains copies them into one buffer, and a TAP port's are large enough.
  const bool one_buffer = !kind.traits.scatter || kind.tun || shape.payload + 74 <= shape.buffer;
  if (seen != L4Checksum::kNone && shape.segment == 0 && one_buffer)
    return right ? Fate::kWhole : Fate::kDamaged;
  const bool believed = seen == L4Checksum::kGood || seen == L4Checksum::kNone;
  return believed || right ? Fate::kWhole : Fate::kDropped;
}

// The kinds of ports that such packets arrive at.
bool arrives(const Kind& kind, const State& state, const Shape& shape) {
  // A super-segment's checksum field is worth nothing: only a device that verifies merges.
  if (shape.segment != 0 && (!kind.traits.lro || state.verdict == L4Checksum::kUnknown))
    return false;
  if (!kind.tun) return true;
  // Over TAP a super-segment is partial (VIRTIO 1.2, 5.1.6.2).
  return shape.segment == 0 || state.verdict == L4Checksum::kNone;
}

TEST_F(Crossing, every_packet_leaves_whole_or_with_its_damage_visible_or_not_at_all) {
  unsigned cases = 0, passed = 0;
  for (const Kind& from : kReceiving)
    for (const Kind& to : kSending)
      for (const Shape& shape : kShapes)
        for (const State& state : kStates)
          for (const bool v4 : {true, false}) {
            if (!arrives(from, state, shape)) continue;
            SCOPED_TRACE(std::string("from ") + from.name + " to " + to.name + ", " + shape.name +
                         ", " + state.name + (v4 ? ", IPv4" : ", IPv6"));
            ++cases;
            const auto in = queue_of(from, in_, 1);
            const auto out = queue_of(to, out_, 2);
            ASSERT_NO_FATAL_FAILURE(arrive(from, packet(shape, state.field, v4), state, shape));
            cross(*in, *out, v4);
            const Fate expected = fate(from, state, shape);
            std::string payload;
            for (const auto& f : on_the_wire(to)) {
              const Layout l(f);
              ASSERT_EQ(l.v4, v4);
              EXPECT_LE(f.size(), 14u + kMtu);
              EXPECT_EQ(l4_checksum_right(f), expected == Fate::kWhole);
              EXPECT_TRUE(!v4 || ipv4_checksum_right(f));
              EXPECT_EQ(load_be16(&f[l.v4 ? 16 : 18]), f.size() - (l.v4 ? 14 : 54));
              EXPECT_EQ(load_be16(&f[l.tcp + 2]), 8080);
              EXPECT_EQ(load_be32(&f[l.tcp + 4]), kSequence + payload.size());
              payload.append(f.begin() + static_cast<long>(l.payload), f.end());
              const bool last = payload.size() == shape.payload;
              EXPECT_EQ((f[l.tcp + 13] & kFin) != 0, last);
            }
            ASSERT_EQ(payload, expected == Fate::kDropped ? "" : pattern(shape.payload));
            passed += expected != Fate::kDropped;
          }
  std::printf("%u packets, of which %u passed\n", cases, passed);
}

}  // namespace
}  // namespace sluice::nic
