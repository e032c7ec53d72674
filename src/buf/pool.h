#pragma once
// A pool of packet buffers. nic/ makes the mempool (a port's pool has to suit its driver), or
// make_pool below does. The mempool belongs to its maker.

#include <rte_mbuf.h>

#include <cstdint>
#include <string>

#include "buf/slice.h"

namespace sluice::buf {

class Pool {
 public:
  explicit Pool(rte_mempool* mempool) : mempool_(mempool) {}

  // An empty slice at the start of a fresh buffer's data area, headroom kept; grow_back() fills it.
  // Empty (false) when the pool is exhausted.
  Slice alloc() {
    rte_mbuf* m = rte_pktmbuf_alloc(mempool_);
    if (m == nullptr) return {};
    unpoison(m->buf_addr, m->buf_len);
    return Slice(m, rte_pktmbuf_mtod(m, const uint8_t*), 0);
  }

  // The buffers that this thread can have right now: those in the pool and in the thread's own
  // cache. The caches of other workers are left out, because walking all of them costs thousands of
  // cycles.
  uint32_t available() const {
    const rte_mempool_cache* cache = rte_mempool_default_cache(mempool_, rte_lcore_id());
    return rte_mempool_get_ops(mempool_->ops_index)->get_count(mempool_) +
           (cache != nullptr ? cache->len : 0);
  }
  uint32_t size() const { return mempool_->size; }
  rte_mempool* mempool() const { return mempool_; }

 private:
  rte_mempool* mempool_;
};

// A plain pool of `count` buffers with `data_room` bytes each (headroom included). Throws
// std::runtime_error with DPDK's reason. The caller frees it with free_pool.
rte_mempool* make_pool(const std::string& name, uint32_t count, uint16_t data_room, int socket);

// Gives the pool's memory back to DPDK, readable again in sanitizer builds. No slice of the pool
// may be left. nullptr is allowed.
void free_pool(rte_mempool* pool);

}  // namespace sluice::buf
