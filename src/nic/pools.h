#pragma once
// The memory that packets live in. Each worker has a receive pool for all its queues, a transmit
// pool, and a hold pool (copies of received bytes, and bytes that Sluice writes itself). Where a
// port needs a dense pool, all workers share one receive pool: such a driver has one memory area.

#include <rte_mempool.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "buf/pool.h"
#include "nic/traits.h"

namespace sluice::nic {

struct PoolOptions {
  uint32_t rx_mbufs = 16384;    // all ports and workers together, in equal shares
  uint32_t tx_mbufs = 8192;     // the same
  uint32_t hold_mbufs = 16384;  // each worker
  uint16_t data_room = 2176;    // bytes a buffer, headroom included
  unsigned workers = 1;
  std::vector<int> nodes;  // NUMA node of each worker's pools; empty: that of the control thread
};

// Free receive buffers that refilling the rings may need at once. With fewer free ones nothing may
// be pinned, or the ports stop receiving. For buf::Memory's pin_above.
uint32_t rx_reserve(const std::vector<config::NicProfile>& ports, unsigned workers);

class Pools {
 public:
  // One profile a port. Throws Error: too little memory, or a pool too small for its rings.
  Pools(const PoolOptions& options, const std::vector<config::NicProfile>& ports);

  buf::Pool rx(unsigned worker) const { return buf::Pool(rx_[worker % rx_.size()].get()); }
  // The receive pools that the worker meets in packets of other workers.
  std::vector<buf::Pool> rx_of_others(unsigned worker) const;
  buf::Pool hold(unsigned worker) const { return buf::Pool(hold_[worker].get()); }
  // The pool in which the worker builds frames for a port with this profile.
  buf::Pool tx(const config::NicProfile& profile, unsigned worker) const {
    return profile.tx_from_rx_pool ? rx(worker) : buf::Pool(tx_[worker].get());
  }
  // Of a receive pool.
  uint32_t reserve() const { return reserve_; }

 private:
  struct Free {
    void operator()(rte_mempool* pool) const { buf::free_pool(pool); }
  };
  using Owned = std::unique_ptr<rte_mempool, Free>;

  uint32_t reserve_;
  std::vector<Owned> rx_;  // one, or one a worker
  std::vector<Owned> tx_;  // one a worker, where a port needs it
  std::vector<Owned> hold_;
};

// A pool whose buffers lie one behind the other in one memory area, as AF_XDP's UMEM needs them.
// Throws Error when DPDK cannot give such an area.
rte_mempool* make_dense_pool(const std::string& name, uint32_t count, uint16_t data_room,
                             int socket);
// Whether every buffer lies inside the pool's first memory area, evenly spaced.
bool is_dense(rte_mempool* pool);

}  // namespace sluice::nic
