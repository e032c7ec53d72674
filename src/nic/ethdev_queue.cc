#include "nic/ethdev_queue.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "nic/frame.h"

namespace sluice::nic {

EthdevQueue::EthdevQueue(const Setup& setup)
    : tx_pool_(setup.tx_pool),
      receive_(setup.receive),
      device_(setup.device),
      queue_(setup.queue),
      mtu_(setup.mtu),
      gather_limit_(std::clamp<uint16_t>(setup.tx_burst, 1, kMaxGather)),
      max_tso_(setup.max_tso),
      tx_pool_only_(setup.tx_pool_only),
      mac_(setup.mac),
      hash_check_(setup.rss, setup.queue) {
  if (setup.rx_interrupts) descriptor_ = rte_eth_dev_rx_intr_ctl_q_get_fd(device_, queue_);
}

EthdevQueue::~EthdevQueue() {
  rte_pktmbuf_free_bulk(gather_.data(), gathered_);
}

// A driver that has nothing to switch (TAP) says that it does not support this.
void EthdevQueue::interrupts(bool on) {
  if (descriptor_ < 0) return;
  if (on) {
    rte_eth_dev_rx_intr_enable(device_, queue_);
  } else {
    rte_eth_dev_rx_intr_disable(device_, queue_);
  }
}

bool EthdevQueue::transmit(buf::Slice frame) {
  rte_mbuf* m = frame.mbuf();
  if (frame.shared() || (tx_pool_only_ && m->pool != tx_pool_.mempool())) {
    buf::Slice copy = tx_pool_.alloc();
    if (!copy || copy.tailroom() < frame.size()) {
      copy ? ++stats_.tx_oversize : ++stats_.tx_no_memory;
      return false;
    }
    std::memcpy(copy.mutable_data(), frame.data(), frame.size());
    copy.grow_back(frame.size());
    frame = std::move(copy);
    m = frame.mbuf();
  }
  m->data_off = static_cast<uint16_t>(frame.data() - static_cast<const uint8_t*>(m->buf_addr));
  m->data_len = static_cast<uint16_t>(frame.size());
  m->pkt_len = frame.size();
  m->ol_flags &= RTE_MBUF_F_EXTERNAL;  // says where the bytes lie
  frame.release();
  gather(m);
  return true;
}

size_t EthdevQueue::forward(std::span<rte_mbuf* const> frames) {
  if (tx_pool_only_ && tx_pool_.mempool() != frames.front()->pool) [[unlikely]]
    return PortQueue::forward(frames);
  assert(frames.size() <= kMaxBurst);
  std::copy(frames.begin(), frames.end(), gather_.data() + gathered_);
  gathered_ = static_cast<uint16_t>(gathered_ + frames.size());
  fresh_ = static_cast<uint16_t>(fresh_ + frames.size());
  if (fresh_ >= gather_limit_) flush();
  return frames.size();
}

void EthdevQueue::gather(rte_mbuf* m) {
  gather_[gathered_++] = m;
  if (++fresh_ >= gather_limit_) flush();
}

void EthdevQueue::flush() {
  if (gathered_ == 0) return;
  fresh_ = 0;
  uint64_t bytes = 0;
  for (uint16_t i = 0; i < gathered_; ++i) bytes += gather_[i]->pkt_len;
  const uint64_t start = rte_rdtsc();
  uint16_t sent = 0;
  for (unsigned tries = 0; sent < gathered_ && tries < kFlushTries;) {
    const uint16_t n = rte_eth_tx_burst(device_, queue_, gather_.data() + sent,
                                        static_cast<uint16_t>(gathered_ - sent));
    if (n == 0) ++tries;
    sent = static_cast<uint16_t>(sent + n);
  }
  stats_.driver_cycles += rte_rdtsc() - start;
  stats_.tx_packets += sent;
  gathered_ = static_cast<uint16_t>(gathered_ - sent);
  for (uint16_t i = 0; i < gathered_; ++i) bytes -= gather_[sent + i]->pkt_len;
  stats_.tx_bytes += bytes;
  if (gathered_ == 0) [[likely]]
    return;
  std::copy_n(gather_.data() + sent, gathered_, gather_.data());
  while (gathered_ > kMaxWaiting) {
    rte_pktmbuf_free(gather_[--gathered_]);
    ++stats_.tx_full;
  }
}

}  // namespace sluice::nic
