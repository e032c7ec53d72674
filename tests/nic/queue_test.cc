// Queues on DPDK's ring driver, which hands every mbuf that is sent back to the receiver exactly as
// it is: what comes out is what a NIC would have been given.

#include <gtest/gtest.h>
#include <rte_dev.h>
#include <rte_ethdev.h>

#include "base/poison.h"
#include "buf/packet.h"
#include "frames.h"
#include "nic/pools.h"
#include "nic/tx_path.h"

namespace sluice::nic {
namespace {

constexpr unsigned kRing = 1023;  // frames the loop holds: fixed in the driver
constexpr uint16_t kDescriptors = 256;

class Loop : public testing::Test {
 protected:
  // Once: the driver leaves its rings behind when a device goes.
  static void SetUpTestSuite() {
    uint16_t there = 0;
    if (rte_eth_dev_get_port_by_name("net_ring0", &there) == 0) return;
    ASSERT_EQ(rte_eal_hotplug_add("vdev", "net_ring0", ""), 0);
  }
  void SetUp() override {
    ASSERT_EQ(rte_eth_dev_get_port_by_name("net_ring0", &device_), 0);
    rx_ = buf::make_pool("rx", 1023, 2176, SOCKET_ID_ANY);
    tx_ = buf::make_pool("tx", 2047, 2176, SOCKET_ID_ANY);
    rte_eth_conf conf{};
    ASSERT_EQ(rte_eth_dev_configure(device_, 1, 1, &conf), 0);
    ASSERT_EQ(rte_eth_rx_queue_setup(device_, 0, kDescriptors, 0, nullptr, rx_), 0);
    ASSERT_EQ(rte_eth_tx_queue_setup(device_, 0, kDescriptors, 0, nullptr), 0);
    ASSERT_EQ(rte_eth_dev_start(device_), 0);
  }
  void TearDown() override {
    while (take() != nullptr) {
    }
    taken_.clear();
    queue_.reset();
    EXPECT_EQ(buf::Pool(tx_).available(), 2047u) << "transmit buffers leaked";
    EXPECT_EQ(buf::Pool(rx_).available(), 1023u) << "receive buffers leaked";
    rte_eth_dev_stop(device_);
    buf::free_pool(rx_);
    buf::free_pool(tx_);
  }

  EthdevQueue& with(const Traits& traits, bool tx_pool_only = false) {
    queue_ = make_queue(
        traits,
        {.device = device_, .max_tso = 16384, .tx_pool = tx_, .tx_pool_only = tx_pool_only});
    return *queue_;
  }

  // A buffer as a driver takes it: the sanitizer does not watch its bytes.
  rte_mbuf* fresh() {
    rte_mbuf* m = rte_pktmbuf_alloc(rx_);
    unpoison(m->buf_addr, m->buf_len);
    return m;
  }
  // A received frame in buffers of this many bytes.
  rte_mbuf* chained(const std::string& frame, size_t size) {
    rte_mbuf* head = nullptr;
    for (size_t at = 0; at < frame.size(); at += size) {
      rte_mbuf* m = fresh();
      const auto n = static_cast<uint16_t>(std::min(size, frame.size() - at));
      std::memcpy(rte_pktmbuf_append(m, n), frame.data() + at, n);
      // Linked by hand: rte_pktmbuf_chain() allows 255 buffers.
      if (head == nullptr) {
        head = m;
        continue;
      }
      rte_pktmbuf_lastseg(head)->next = m;
      ++head->nb_segs;
      head->pkt_len += n;
    }
    return head;
  }
  // The next mbuf as the driver got it; it lives until the test ends.
  rte_mbuf* take() {
    rte_mbuf* m = nullptr;
    if (rte_eth_rx_burst(device_, 0, &m, 1) == 0) return nullptr;
    taken_.emplace_back(m, rte_pktmbuf_free);
    return m;
  }
  static std::vector<uint8_t> bytes(const rte_mbuf* m) {
    std::vector<uint8_t> all;
    for (; m != nullptr; m = m->next) {
      const auto* p = rte_pktmbuf_mtod(m, const uint8_t*);
      all.insert(all.end(), p, p + m->data_len);
    }
    return all;
  }
  static std::string payload(const std::vector<uint8_t>& frame, size_t headers) {
    return {frame.begin() + static_cast<long>(headers), frame.end()};
  }

  uint16_t device_ = 0;
  rte_mempool* rx_ = nullptr;
  rte_mempool* tx_ = nullptr;
  std::unique_ptr<EthdevQueue> queue_;
  std::vector<std::unique_ptr<rte_mbuf, void (*)(rte_mbuf*)>> taken_;
};

constexpr Traits kPlain{};
constexpr Traits kChecksum{.tx_checksum = true, .tx_ipv4_checksum = true};
constexpr Traits kChains{.multi_segment = true, .tx_checksum = true, .tx_ipv4_checksum = true};
constexpr Traits kTso{
    .multi_segment = true, .tx_checksum = true, .tx_ipv4_checksum = true, .tso = true};
constexpr size_t kTcpHeaders = 14 + 20 + 20;

TEST_F(Loop, nothing_leaves_before_the_flush) {
  EthdevQueue& q = with(kPlain);
  TestFrame f = TestFrame::tcp({"data"});
  EXPECT_TRUE(q.transmit(f.out()));
  EXPECT_EQ(take(), nullptr);
  q.flush();
  EXPECT_NE(take(), nullptr);
  EXPECT_EQ(q.stats().tx_packets, 1u);
  EXPECT_EQ(q.stats().tx_bytes, kTcpHeaders + 4);
}

TEST_F(Loop, a_port_without_chains_gets_one_direct_buffer_of_its_pool) {
  EthdevQueue& q = with(kPlain);
  const std::string data = pattern(1460);
  TestFrame f = TestFrame::tcp({data.substr(0, 1), data.substr(1, 700), data.substr(701)});
  ASSERT_TRUE(q.transmit(f.out()));
  q.flush();
  const rte_mbuf* m = take();
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->nb_segs, 1);
  EXPECT_EQ(m->pool, tx_);
  EXPECT_TRUE(RTE_MBUF_DIRECT(m));
  EXPECT_EQ(m->ol_flags, 0u);
  EXPECT_EQ(m->pkt_len, m->data_len);
  EXPECT_EQ(payload(bytes(m), kTcpHeaders), data);
  EXPECT_TRUE(ipv4_checksum_right(bytes(m)));
  EXPECT_TRUE(l4_checksum_right(bytes(m)));
}

TEST_F(Loop, a_frame_that_is_not_ip_goes_out_as_it_is) {
  EthdevQueue& q = with(kPlain);
  const std::vector<uint8_t> arp(42, 0xa5);
  ip::OutFrame f;
  f.headers = arp;
  ASSERT_TRUE(q.transmit(f));
  q.flush();
  EXPECT_EQ(bytes(take()), arp);
}

TEST_F(Loop, software_cuts_a_large_packet_into_segments) {
  EthdevQueue& q = with(kPlain);
  const std::string data = pattern(4000);
  TestFrame f = TestFrame::tcp({data.substr(0, 333), data.substr(333)}).in_segments_of(1448);
  ASSERT_TRUE(q.transmit(f.out()));
  q.flush();
  std::string got;
  uint32_t seq = 1000;
  for (const size_t size : {1448u, 1448u, 1104u}) {
    const rte_mbuf* m = take();
    ASSERT_NE(m, nullptr);
    const std::vector<uint8_t> frame = bytes(m);
    EXPECT_EQ(frame.size(), kTcpHeaders + size);
    EXPECT_EQ(load_be32(&frame[38]), seq);
    EXPECT_TRUE(ipv4_checksum_right(frame));
    EXPECT_TRUE(l4_checksum_right(frame));
    got += payload(frame, kTcpHeaders);
    seq += static_cast<uint32_t>(size);
  }
  EXPECT_EQ(got, data);
  EXPECT_EQ(take(), nullptr);
}

TEST_F(Loop, a_packet_no_larger_than_its_segment_size_is_not_cut) {
  EthdevQueue& q = with(kPlain);
  TestFrame f = TestFrame::tcp({pattern(1448)}).in_segments_of(1448);
  ASSERT_TRUE(q.transmit(f.out()));
  q.flush();
  const std::vector<uint8_t> frame = bytes(take());
  EXPECT_EQ(frame[47], kAck | kPsh | kFin | kCwr);
  EXPECT_EQ(take(), nullptr);
}

TEST_F(Loop, checksum_offload_is_asked_for_with_the_header_sizes) {
  EthdevQueue& q = with(kChecksum);
  TestFrame v4 = TestFrame::tcp({"data"});
  TestFrame v6 = TestFrame::udp({"data"}, false);
  ASSERT_TRUE(q.transmit(v4.out()));
  ASSERT_TRUE(q.transmit(v6.out()));
  q.flush();
  const rte_mbuf* a = take();
  EXPECT_EQ(a->ol_flags, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM);
  EXPECT_EQ(a->l2_len, 14);
  EXPECT_EQ(a->l3_len, 20);
  EXPECT_EQ(a->l4_len, 20);
  const rte_mbuf* b = take();
  EXPECT_EQ(b->ol_flags, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM);
  EXPECT_EQ(b->l3_len, 40);
}

TEST_F(Loop, icmp_is_summed_in_software_even_where_tcp_is_not) {
  EthdevQueue& q = with(kTso);
  TestFrame f = TestFrame::icmp({"ping"});
  ASSERT_TRUE(q.transmit(f.out()));
  q.flush();
  const rte_mbuf* m = take();
  EXPECT_EQ(m->ol_flags, 0u);
  EXPECT_TRUE(ipv4_checksum_right(bytes(m)));
  EXPECT_TRUE(l4_checksum_right(bytes(m)));
}

TEST_F(Loop, tso_gets_the_whole_packet_as_a_chain) {
  EthdevQueue& q = with(kTso);
  const std::string data = pattern(9000);
  TestFrame f = TestFrame::tcp({data}).in_segments_of(1448);
  ASSERT_TRUE(q.transmit(f.out()));
  q.flush();
  const rte_mbuf* m = take();
  ASSERT_NE(m, nullptr);
  EXPECT_GT(m->nb_segs, 1);
  EXPECT_EQ(m->pkt_len, kTcpHeaders + 9000);
  EXPECT_EQ(m->tso_segsz, 1448);
  EXPECT_NE(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG, 0u);
  EXPECT_EQ(payload(bytes(m), kTcpHeaders), data);
  EXPECT_EQ(take(), nullptr);
}

TEST_F(Loop, a_packet_to_be_cut_carries_its_length_and_so_does_its_sum_where_the_device_needs_it) {
  for (const bool v4 : {true, false})
    for (const bool length : {true, false}) {
      Traits traits = kTso;
      traits.tx_ipv4_checksum = false;
      traits.tso_length = length;
      EthdevQueue& q = with(traits);
      TestFrame f = TestFrame::tcp({pattern(9000)}, v4).in_segments_of(1448);
      if (v4) store_be16(f.ip() + 2, 0);  // as IP hands it down
      ASSERT_TRUE(q.transmit(f.out()));
      q.flush();
      const rte_mbuf* m = take();
      ASSERT_NE(m, nullptr);
      std::vector<uint8_t> frame = bytes(m);
      if (v4) {
        EXPECT_EQ(load_be16(&frame[16]), 20 + 20 + 9000);
        EXPECT_TRUE(ipv4_checksum_right(frame));
      }
      const size_t field = v4 ? 50 : 70;
      const uint16_t sum = load_be16(&frame[field]);
      // A receiver that takes the packet as a whole adds the rest to the field's sum.
      std::vector<uint8_t> covered(frame.begin() + (v4 ? 26 : 22), frame.begin() + (v4 ? 34 : 54));
      const size_t size = length ? 20 + 9000 : 0;
      for (const size_t byte : {size_t{0}, size_t{6}, size >> 8, size & 0xff})
        covered.push_back(static_cast<uint8_t>(byte));
      EXPECT_EQ(sum, naive_sum(covered));
    }
}

TEST_F(Loop, long_payload_goes_out_by_reference_where_chains_do_and_short_payload_is_copied) {
  EthdevQueue& q = with(kChains);
  const std::string data = pattern(1300);
  buf::Slice held = buf::Pool(rx_).alloc();
  std::memcpy(held.mutable_data(), data.data(), data.size());
  held.grow_back(static_cast<uint32_t>(data.size()));
  TestFrame f = TestFrame::tcp({"frame hdr", data, "tail"});
  ip::OutFrame out = f.out();
  std::vector<buf::Fragment> fragments(out.payload.begin(), out.payload.end());
  fragments[1] = {held.view(), held.mbuf()};
  out.payload = fragments;
  ASSERT_TRUE(q.transmit(out));
  EXPECT_TRUE(held.shared());
  q.flush();
  const rte_mbuf* m = take();
  ASSERT_NE(m, nullptr);
  ASSERT_EQ(m->nb_segs, 3);
  EXPECT_EQ(payload(bytes(m), kTcpHeaders), "frame hdr" + data + "tail");
  EXPECT_EQ(m->data_len, kTcpHeaders + 9);
  EXPECT_EQ(rte_pktmbuf_mtod(m->next, const uint8_t*), held.data());
  taken_.clear();
  EXPECT_FALSE(held.shared());
}

TEST_F(Loop, a_jumbo_frame_whose_checksum_is_filled_already_goes_out_as_a_chain) {
  for (const bool v4 : {true, false}) {
    EthdevQueue& q = with(kChains);
    const std::string data = pattern(8900);
    TestFrame f = TestFrame::tcp({data}, v4);
    ip::OutFrame out = f.out();
    out.l4_checksum_offset = 0;
    ASSERT_TRUE(q.transmit(out));
    q.flush();
    const rte_mbuf* m = take();
    ASSERT_NE(m, nullptr);
    EXPECT_GT(m->nb_segs, 1);
    EXPECT_EQ(m->ol_flags, 0u);
    EXPECT_EQ(payload(bytes(m), kTcpHeaders + (v4 ? 0 : 20)), data);
    EXPECT_TRUE(!v4 || ipv4_checksum_right(bytes(m)));
  }
}

TEST_F(Loop, software_sums_chains_whose_buffers_have_odd_lengths) {
  EthdevQueue& q = with({.multi_segment = true});
  const std::string data = pattern(1301);
  buf::Slice held = buf::Pool(rx_).alloc();
  std::memcpy(held.mutable_data(), data.data(), data.size());
  held.grow_back(static_cast<uint32_t>(data.size()));
  TestFrame f = TestFrame::tcp({"odd", data, "tails"});
  ip::OutFrame out = f.out();
  std::vector<buf::Fragment> fragments(out.payload.begin(), out.payload.end());
  fragments[1] = {held.view(), held.mbuf()};
  out.payload = fragments;
  ASSERT_TRUE(q.transmit(out));
  q.flush();
  const rte_mbuf* m = take();
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->nb_segs, 3);
  EXPECT_TRUE(ipv4_checksum_right(bytes(m)));
  EXPECT_TRUE(l4_checksum_right(bytes(m)));
}

TEST_F(Loop, a_device_that_leaves_ipv4_headers_to_software_gets_them_summed) {
  EthdevQueue& q = with({.multi_segment = true, .tx_checksum = true, .tso = true});
  TestFrame f = TestFrame::tcp({pattern(3000)}).in_segments_of(1448);
  ASSERT_TRUE(q.transmit(f.out()));
  q.flush();
  const rte_mbuf* m = take();
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->ol_flags, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG);
  EXPECT_TRUE(ipv4_checksum_right(bytes(m)));
}

TEST_F(Loop, segments_below_the_least_that_the_device_cuts_are_cut_by_software) {
  queue_ =
      make_queue(kTso, {.device = device_, .max_tso = 16384, .tso_least = 256, .tx_pool = tx_});
  TestFrame small = TestFrame::tcp({pattern(600)}).in_segments_of(255);
  ASSERT_TRUE(queue_->transmit(small.out()));
  queue_->flush();
  for (const size_t size : {255u, 255u, 90u}) {
    const rte_mbuf* m = take();
    ASSERT_NE(m, nullptr);
    EXPECT_EQ(m->pkt_len, kTcpHeaders + size);
    EXPECT_EQ(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG, 0u);
  }
  TestFrame large = TestFrame::tcp({pattern(600)}).in_segments_of(256);
  ASSERT_TRUE(queue_->transmit(large.out()));
  queue_->flush();
  const rte_mbuf* m = take();
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->tso_segsz, 256);
  EXPECT_EQ(load_be16(&bytes(m)[16]), 20 + 20 + 600) << "the IPv4 header has the whole length";
}

// A frame of `pieces` fragments of `size` bytes each, every one in a buffer of its own.
class ManyPieces : public Loop {
 protected:
  // The chain that left, and the references among its buffers.
  struct Sent {
    unsigned buffers = 0;
    unsigned references = 0;
  };
  Sent send(unsigned pieces, size_t size) {
    const std::string data = pattern(size);
    buf::Slice held = buf::Pool(rx_).alloc();
    std::memcpy(held.mutable_data(), data.data(), data.size());
    held.grow_back(static_cast<uint32_t>(data.size()));
    TestFrame f = TestFrame::tcp(std::vector<std::string>(pieces, data));
    ip::OutFrame out = f.out();
    out.segment_size = 1448;
    const std::vector<buf::Fragment> fragments(pieces, buf::Fragment(held.view(), held.mbuf()));
    out.payload = fragments;
    EXPECT_TRUE(queue_->transmit(out));
    queue_->flush();
    const rte_mbuf* m = take();
    if (m == nullptr) return {};
    std::string whole;
    for (unsigned i = 0; i < pieces; ++i) whole += data;
    EXPECT_EQ(payload(bytes(m), kTcpHeaders), whole);
    Sent sent{.buffers = m->nb_segs};
    for (const rte_mbuf* s = m; s != nullptr; s = s->next) sent.references += !RTE_MBUF_DIRECT(s);
    taken_.clear();
    return sent;
  }
};

TEST_F(ManyPieces, go_by_reference_as_long_as_the_rest_of_the_frame_still_fits) {
  with(kTso);
  const Sent few = send(7, 1448);
  EXPECT_EQ(few.buffers, 8u);
  EXPECT_EQ(few.references, 7u);
  const Sent many = send(20, 300);
  EXPECT_EQ(many.buffers, 8u);
  EXPECT_EQ(many.references, 4u);
}

TEST_F(ManyPieces, never_make_a_frame_of_more_buffers_than_the_port_allows) {
  for (const uint16_t most : {2, 3, 8, 17, 40}) {
    queue_ = make_queue(
        kTso,
        {.device = device_, .max_tso = 1460u * (most - 1u), .tx_segments = most, .tx_pool = tx_});
    for (const size_t size : {1, 255, 256, 257, 700, 1447, 1460})
      for (unsigned pieces = 1; pieces <= 60 && pieces * size <= queue_->max_tso(); ++pieces)
        ASSERT_LE(send(pieces, size).buffers, most) << pieces << " pieces of " << size;
  }
}

TEST_F(Loop, a_frame_larger_than_a_buffer_is_refused_where_chains_are) {
  EthdevQueue& q = with(kPlain);
  TestFrame f = TestFrame::tcp({pattern(3000)});
  EXPECT_FALSE(q.transmit(f.out()));
  EXPECT_EQ(q.stats().tx_oversize, 1u);
  EthdevQueue& chains = with(kChains);
  EXPECT_TRUE(chains.transmit(f.out()));
  chains.flush();
  EXPECT_EQ(payload(bytes(take()), kTcpHeaders), f.payload());
}

TEST_F(Loop, an_empty_pool_refuses_counts_and_leaks_nothing) {
  EthdevQueue& q = with(kTso);
  std::vector<buf::Slice> all;
  for (int i = 0; i < 2045; ++i) all.push_back(buf::Pool(tx_).alloc());
  TestFrame f = TestFrame::tcp({pattern(9000)}).in_segments_of(1448);
  EXPECT_FALSE(q.transmit(f.out()));
  EXPECT_EQ(q.stats().tx_no_memory, 1u);
  q.flush();
  EXPECT_EQ(take(), nullptr);
}

TEST_F(Loop, what_a_full_ring_does_not_take_waits_and_beyond_512_frames_is_dropped_and_counted) {
  EthdevQueue& q = with(kPlain);
  TestFrame f = TestFrame::tcp({"x"});
  for (unsigned i = 0; i < 2 * kRing; ++i) {
    q.transmit(f.out());
    if (i % 100 == 99) q.flush();
  }
  q.flush();
  const QueueStats& s = q.stats();
  EXPECT_EQ(s.tx_packets, kRing);
  EXPECT_EQ(s.tx_full, kRing - 512);
  EXPECT_EQ(s.tx_bytes, s.tx_packets * (kTcpHeaders + 1));
  for (unsigned i = 0; i < 600; ++i) ASSERT_NE(take(), nullptr);
  q.flush();
  EXPECT_EQ(s.tx_packets, kRing + 512);
  EXPECT_EQ(s.tx_full, kRing - 512);
  EXPECT_EQ(s.tx_bytes, s.tx_packets * (kTcpHeaders + 1));
}

TEST_F(Loop, what_waits_when_the_queue_ends_is_freed) {
  EthdevQueue& q = with(kPlain);
  TestFrame f = TestFrame::tcp({"x"});
  for (unsigned i = 0; i < kRing + 100; ++i) q.transmit(f.out());
  q.flush();
  EXPECT_EQ(q.stats().tx_full, 0u);
}

TEST_F(Loop, receive_hands_out_one_slice_a_frame_and_its_ownership) {
  EthdevQueue& q = with(kPlain);
  TestFrame f = TestFrame::udp({"hello"});
  ASSERT_TRUE(q.transmit(f.out()));
  ASSERT_TRUE(q.transmit(f.out()));
  q.flush();
  ip::InFrame in[4];
  ASSERT_EQ(q.receive(in, 4), 2);
  EXPECT_EQ(in[1].bytes.size(), 14 + 20 + 8 + 5u);
  EXPECT_EQ(q.stats().rx_packets, 2u);
  EXPECT_EQ(q.stats().rx_bytes, 2 * in[1].bytes.size());
  EXPECT_EQ(q.receive(in, 4), 0);
}

TEST_F(Loop, a_queue_notices_a_device_that_hashes_in_its_own_way_and_stops_looking) {
  RssState rss;
  rss.key.assign(40, 0x6d);
  rss.reta.assign(128, 0);
  rss.types = RTE_ETH_RSS_NONFRAG_IPV4_TCP;
  queue_ = make_queue(kPlain, {.device = device_, .max_tso = 16384, .tx_pool = tx_, .rss = &rss});
  TestFrame f = TestFrame::tcp({"data"});
  const std::vector<uint8_t> frame(f.out().headers.begin(), f.out().headers.end());
  const auto receive_with = [&](uint32_t hash) {
    rte_mbuf* m = fresh();
    std::copy(
        frame.begin(), frame.end(),
        reinterpret_cast<uint8_t*>(rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size()))));
    m->ol_flags = RTE_MBUF_F_RX_RSS_HASH;
    m->hash.rss = hash;
    ASSERT_EQ(rte_eth_tx_burst(device_, 0, &m, 1), 1);
    ip::InFrame in[4];
    ASSERT_EQ(queue_->receive(in, 4), 1);
  };
  const uint32_t right = *rss_hash(rss, frame);
  receive_with(right);
  EXPECT_EQ(queue_->hash_check().compared(), 1u);
  EXPECT_TRUE(queue_->hash_check().running());
  receive_with(right + 1);
  EXPECT_EQ(queue_->hash_check().verdict(), HashVerdict::kDiffers);
  receive_with(right);
  EXPECT_EQ(queue_->hash_check().compared(), 1u);
}

TEST_F(Loop, a_received_chain_is_flattened_or_else_dropped_and_counted) {
  EthdevQueue& q = with(kChains);
  rte_mbuf* chain = fresh();
  std::memcpy(rte_pktmbuf_append(chain, 4), "head", 4);
  rte_mbuf* tail = fresh();
  std::memcpy(rte_pktmbuf_append(tail, 4), "tail", 4);
  ASSERT_EQ(rte_pktmbuf_chain(chain, tail), 0);
  ASSERT_EQ(rte_eth_tx_burst(device_, 0, &chain, 1), 1);
  TestFrame large = TestFrame::tcp({pattern(3000)});
  ASSERT_TRUE(q.transmit(large.out()));
  q.flush();
  ip::InFrame in[4];
  ASSERT_EQ(q.receive(in, 4), 1);
  const buf::View bytes = in[0].bytes.view();
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "headtail");
  EXPECT_EQ(q.stats().rx_flattened, 1u);
  EXPECT_EQ(q.stats().rx_oversize, 1u);
}

TEST_F(Loop, a_port_that_takes_chains_hands_them_on_with_all_headers_in_the_first_buffer) {
  EthdevQueue& q = with({.scatter = true});
  const std::string frame = pattern(5000);
  for (const size_t size : {20u, 40u, 133u, 134u, 2000u}) {
    rte_mbuf* m = chained(frame, size);
    ASSERT_EQ(rte_eth_tx_burst(device_, 0, &m, 1), 1);
    ip::InFrame in[4];
    ASSERT_EQ(q.receive(in, 4), 1) << size;
    EXPECT_FALSE(in[0].bytes.single());
    EXPECT_GE(in[0].bytes.front().size(), ip::InFrame::kHeaders);
    EXPECT_EQ(in[0].segment_size, 0);
    std::string bytes;
    in[0].bytes.for_each([&](buf::View v) { bytes.append(v.begin(), v.end()); });
    EXPECT_EQ(bytes, frame);
  }
  EXPECT_EQ(q.stats().rx_flattened, 0u);
}

TEST_F(Loop, a_chain_whose_first_buffer_has_no_room_for_the_headers_is_dropped_and_counted) {
  EthdevQueue& q = with({.scatter = true});
  rte_mbuf* m = chained(pattern(500), 100);
  m->data_off = static_cast<uint16_t>(m->buf_len - m->data_len);
  ASSERT_EQ(rte_eth_tx_burst(device_, 0, &m, 1), 1);
  ip::InFrame in[4];
  EXPECT_EQ(q.receive(in, 4), 0);
  EXPECT_EQ(q.stats().rx_oversize, 1u);
}

TEST_F(Loop, a_merged_frame_carries_the_size_of_its_segments) {
  EthdevQueue& q = with({.lro = true});
  rte_mbuf* m = chained(pattern(5000), 1500);
  m->ol_flags |= RTE_MBUF_F_RX_LRO;
  m->tso_segsz = 1448;
  ASSERT_EQ(rte_eth_tx_burst(device_, 0, &m, 1), 1);
  ip::InFrame in[4];
  ASSERT_EQ(q.receive(in, 4), 1);
  EXPECT_EQ(in[0].segment_size, 1448);
}

TEST_F(Loop, the_verdict_on_a_checksum_is_believed_only_where_the_port_claims_to_verify) {
  using ip::L4Checksum;
  const std::pair<uint64_t, L4Checksum> verdicts[] = {
      {RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, L4Checksum::kUnknown},
      {RTE_MBUF_F_RX_L4_CKSUM_BAD, L4Checksum::kBad},
      {RTE_MBUF_F_RX_L4_CKSUM_GOOD, L4Checksum::kGood},
      {RTE_MBUF_F_RX_L4_CKSUM_NONE, L4Checksum::kNone},
  };
  for (const bool claims : {false, true}) {
    EthdevQueue& q = with({.rx_checksum = claims});
    for (const auto& [flags, state] : verdicts) {
      rte_mbuf* m = chained(pattern(100), 100);
      m->ol_flags |= flags;
      ASSERT_EQ(rte_eth_tx_burst(device_, 0, &m, 1), 1);
      ip::InFrame in[4];
      ASSERT_EQ(q.receive(in, 4), 1);
      EXPECT_EQ(in[0].checksum, claims ? state : L4Checksum::kUnknown);
    }
  }
}

TEST_F(Loop, a_frame_inherits_nothing_from_the_frame_of_another_port) {
  ip::InFrame in[1];
  in[0].checksum = ip::L4Checksum::kGood;
  in[0].segment_size = 1448;
  EthdevQueue& q = with(kPlain);
  rte_mbuf* m = chained(pattern(100), 100);
  ASSERT_EQ(rte_eth_tx_burst(device_, 0, &m, 1), 1);
  ASSERT_EQ(q.receive(in, 1), 1);
  EXPECT_EQ(in[0].checksum, ip::L4Checksum::kUnknown);
  EXPECT_EQ(in[0].segment_size, 0);
}

TEST_F(Loop, a_forwarded_frame_moves_without_a_copy_unless_the_port_needs_its_own_pool) {
  EthdevQueue& any = with(kPlain);
  buf::Slice s = buf::Pool(rx_).alloc();
  std::memcpy(s.mutable_data(), "xxforwarded", 11);
  s.grow_back(11);
  s.drop_front(2);
  const rte_mbuf* original = s.mbuf();
  buf::Slice watcher = s.share();
  ASSERT_TRUE(any.transmit(s.share())) << "shared: must be copied";
  watcher.reset();
  ASSERT_TRUE(any.transmit(std::move(s)));
  any.flush();
  const rte_mbuf* copied = take();
  EXPECT_EQ(copied->pool, tx_);
  const rte_mbuf* moved = take();
  EXPECT_EQ(moved, original);
  EXPECT_EQ(payload(bytes(moved), 0), "forwarded");
  EXPECT_EQ(payload(bytes(copied), 0), "forwarded");

  EthdevQueue& own = with(kPlain, true);
  buf::Slice t = buf::Pool(rx_).alloc();
  t.grow_back(60);
  ASSERT_TRUE(own.transmit(std::move(t)));
  own.flush();
  EXPECT_EQ(take()->pool, tx_);
}

TEST_F(Loop, a_burst_that_is_forwarded_leaves_in_its_order_and_in_its_buffers) {
  for (const bool own_pool : {false, true}) {
    EthdevQueue& q = with(kPlain, own_pool);
    std::array<rte_mbuf*, 3> burst;
    for (rte_mbuf*& m : burst) {
      m = chained(pattern(60), 60);
      m->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
      buf::Slice s(m);
      s.drop_front(static_cast<uint32_t>(&m - burst.data()));
      buf::release_packet(s);
    }
    EXPECT_EQ(q.forward(burst), burst.size());
    q.flush();
    for (uint32_t i = 0; i < burst.size(); ++i) {
      const rte_mbuf* m = take();
      EXPECT_EQ(m->pkt_len, 60 - i);
      EXPECT_EQ(m->ol_flags, 0u);
      if (own_pool) {
        EXPECT_EQ(m->pool, tx_);
      } else {
        EXPECT_EQ(m, burst.at(i));
      }
    }
  }
}

}  // namespace
}  // namespace sluice::nic
