#include "buf/pool.h"

#include <rte_errno.h>

#include <stdexcept>

namespace sluice::buf {

rte_mempool* make_pool(const std::string& name, uint32_t count, uint16_t data_room, int socket) {
  constexpr uint32_t kCache = 256;  // buffers an lcore keeps to itself: a few bursts
  rte_mempool* pool =
      rte_pktmbuf_pool_create(name.c_str(), count, kCache, 0, data_room, socket);
  if (pool == nullptr)
    throw std::runtime_error("packet pool '" + name + "' of " + std::to_string(count) +
                             " buffers: " + rte_strerror(rte_errno));
  return pool;
}

}  // namespace sluice::buf
