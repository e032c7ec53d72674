#pragma once
// Received bytes as a chain of packet buffers.

#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "base/poison.h"
#include "buf/chain.h"

namespace sluice::test {

// size(at): the bytes of the buffer that begins at this position, one at least. Empty when the pool
// is.
template <class Size>
buf::Chain chain_of(rte_mempool* pool, buf::View bytes, Size&& size) {
  rte_mbuf* head = nullptr;
  rte_mbuf* tail = nullptr;
  size_t at = 0;
  do {
    rte_mbuf* m = rte_pktmbuf_alloc(pool);
    if (m == nullptr) {
      rte_pktmbuf_free(head);
      return {};
    }
    unpoison(m->buf_addr, m->buf_len);
    const size_t n =
        std::min({size_t{size(at)}, bytes.size() - at, size_t{rte_pktmbuf_tailroom(m)}});
    std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(n)), bytes.data() + at, n);
    at += n;
    if (head == nullptr) {
      head = m;
    } else {
      tail->next = m;
      ++head->nb_segs;
      head->pkt_len += m->data_len;
    }
    tail = m;
  } while (at < bytes.size());
  return buf::Chain(head);
}

}  // namespace sluice::test
