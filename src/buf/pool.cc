#include "buf/pool.h"

#include <rte_errno.h>

#include <algorithm>
#include <stdexcept>

#include "base/poison.h"

namespace sluice::buf {

rte_mempool* make_pool(const std::string& name, uint32_t count, uint16_t data_room, int socket) {
  constexpr uint32_t kCache = 256;  // buffers that an lcore keeps to itself: a few bursts
  rte_mempool* pool = rte_pktmbuf_pool_create(name.c_str(), count, std::min(kCache, count / 2), 0,
                                              data_room, socket);
  if (pool == nullptr)
    throw std::runtime_error("packet pool '" + name + "' of " + std::to_string(count) +
                             " buffers: " + rte_strerror(rte_errno));
  return pool;
}

void free_pool(rte_mempool* pool) {
  if (pool == nullptr) return;
  rte_mempool_mem_iter(
      pool,
      [](rte_mempool*, void*, rte_mempool_memhdr* area, unsigned) {
        unpoison(area->addr, area->len);
      },
      nullptr);
  rte_mempool_free(pool);
}

}  // namespace sluice::buf
