#include "nic/hash_check.h"

namespace sluice::nic {

void HashCheck::look(std::span<rte_mbuf* const> frames) {
  for (const rte_mbuf* m : frames) {
    const auto hash = rss_hash(*rss_, {rte_pktmbuf_mtod(m, const uint8_t*), m->data_len});
    if (!hash) continue;
    if ((m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0 && *hash != m->hash.rss)
      return fail(HashVerdict::kDiffers, m->hash.rss, *hash);
    if (const uint16_t named = rss_->queue_of(*hash); named != queue_)
      return fail(HashVerdict::kOtherQueue, queue_, named);
    const uint32_t n = compared() + 1;
    compared_.store(n, std::memory_order_relaxed);
    if (n < kFrames) continue;
    verdict_.store(HashVerdict::kAgrees, std::memory_order_release);
    return;
  }
}

void HashCheck::fail(HashVerdict verdict, uint32_t of_device, uint32_t of_software) {
  of_device_ = of_device;
  of_software_ = of_software;
  verdict_.store(verdict, std::memory_order_release);
}

}  // namespace sluice::nic
