#include "nic/hash_check.h"

namespace sluice::nic {

void HashCheck::look(std::span<rte_mbuf* const> frames) {
  for (const rte_mbuf* m : frames) {
    if ((m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) == 0) continue;
    const auto hash = rss_hash(*rss_, {rte_pktmbuf_mtod(m, const uint8_t*), m->data_len});
    if (!hash) continue;
    if (*hash != m->hash.rss) {
      of_device_ = m->hash.rss;
      of_software_ = *hash;
      verdict_.store(HashVerdict::kDiffers, std::memory_order_release);
      return;
    }
    const uint32_t n = compared() + 1;
    compared_.store(n, std::memory_order_relaxed);
    if (n < kFrames) continue;
    verdict_.store(HashVerdict::kAgrees, std::memory_order_release);
    return;
  }
}

}  // namespace sluice::nic
