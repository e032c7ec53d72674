#pragma once
// The ways to receive from a device. One is chosen when the port starts, so that no packet asks
// what its port is able to do.

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "base/poison.h"
#include "nic/ethdev_queue.h"

namespace sluice::nic {

// The NIC's verdict on a TCP or UDP checksum.
inline ip::L4Checksum checksum_of(const rte_mbuf& m) {
  switch (m.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
    case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
      return ip::L4Checksum::kGood;
    case RTE_MBUF_F_RX_L4_CKSUM_BAD:
      return ip::L4Checksum::kBad;
    case RTE_MBUF_F_RX_L4_CKSUM_NONE:
      return ip::L4Checksum::kNone;
    default:
      return ip::L4Checksum::kUnknown;
  }
}

// Makes the first `size` bytes of a chain, or all of a shorter one, lie in the first buffer. False:
// that buffer has no room.
bool gather_headers(rte_mbuf& m, uint32_t size);

// A chain becomes one buffer, or is prepared to be handed on. False: it cannot be, and is freed.
template <RxPath kPath>
bool settle_chain(rte_mbuf* m, QueueStats& stats) {
  if constexpr (kPath.chains) {
    if (gather_headers(*m, ip::InFrame::kHeaders)) return true;
  } else if (rte_pktmbuf_linearize(m) == 0) {
    ++stats.rx_flattened;
    return true;
  }
  rte_pktmbuf_free(m);
  ++stats.rx_oversize;
  return false;
}

template <RxPath kPath>
uint16_t receive_burst(EthdevQueue& q, ip::InFrame* out, uint16_t n) {
  std::array<rte_mbuf*, EthdevQueue::kMaxBurst> burst;
  uint16_t filled = 0;
  uint64_t bytes = 0;
  const uint64_t start = rte_rdtsc();
  const uint16_t got =
      rte_eth_rx_burst(q.device_, q.queue_, burst.data(), std::min(n, EthdevQueue::kMaxBurst));
  q.stats_.driver_cycles += rte_rdtsc() - start;
  if (q.hash_check_.running()) [[unlikely]]
    q.hash_check_.look({burst.data(), got});
  for (uint16_t i = 0; i < got; ++i) {
    rte_mbuf* m = burst[i];
    for (const rte_mbuf* s = m; s != nullptr; s = s->next) unpoison(s->buf_addr, s->buf_len);
    bytes += m->pkt_len;
    if (m->nb_segs != 1 && !settle_chain<kPath>(m, q.stats_)) continue;
    ip::InFrame& frame = out[filled++];
    // Always written: `out` may still describe another port's frame.
    frame.checksum = kPath.checksum ? checksum_of(*m) : ip::L4Checksum::kUnknown;
    frame.segment_size =
        kPath.chains && (m->ol_flags & RTE_MBUF_F_RX_LRO) != 0 ? m->tso_segsz : uint16_t{0};
    // Made anew and not assigned to: it is empty, and nothing of it has to be freed.
    std::construct_at(&frame.bytes, m);
  }
  q.stats_.rx_packets += got;
  q.stats_.rx_bytes += bytes;
  return filled;
}

// The function for these traits.
EthdevQueue::Receive choose_receive(const Traits& traits);

}  // namespace sluice::nic
