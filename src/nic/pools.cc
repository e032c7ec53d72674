#include "nic/pools.h"

#include <rte_errno.h>
#include <rte_lcore.h>

#include <algorithm>

#include "nic/eal.h"

namespace sluice::nic {

namespace {

constexpr uint32_t kCache = 256;  // buffers that each worker keeps to itself: a few bursts
constexpr uint32_t kBurst = 256;  // received and not yet looked at
constexpr uint32_t kMergedBurst = 32 * 33;  // the same, of packets of 64 KiB
constexpr uint32_t kUsable = 1024;          // beyond the reserve, for a pool to be useful at all

bool any_dense(const std::vector<config::NicProfile>& ports) {
  return std::any_of(ports.begin(), ports.end(),
                     [](const config::NicProfile& p) { return p.dense_pool; });
}

// The buffers that lie in the ports' rings and not in the pool.
uint32_t in_rings(const std::vector<config::NicProfile>& ports, unsigned workers) {
  uint32_t sum = 0;
  for (const config::NicProfile& p : ports)
    sum += workers *
           (uint32_t{p.rx_descriptors} * p.rx_rings + (p.tx_from_rx_pool ? p.tx_descriptors : 0));
  return sum;
}

rte_mempool* make_plain_pool(const std::string& name, uint32_t count, uint16_t data_room,
                             int node) {
  try {
    return buf::make_pool(name, count, data_room, node);
  } catch (const std::runtime_error& e) {
    throw Error(std::string(e.what()) +
                ". Give DPDK more memory or ask for fewer buffers; one takes about " +
                std::to_string(data_room + 256) + " bytes.");
  }
}

int node_of_worker(const PoolOptions& options, unsigned worker) {
  return options.nodes.empty() ? static_cast<int>(rte_socket_id()) : options.nodes[worker];
}

struct Span {
  uintptr_t begin;
  uintptr_t end;
  size_t stride;
  bool inside = true;
};

void check_object(rte_mempool* pool, void* arg, void* object, unsigned) {
  auto* span = static_cast<Span*>(arg);
  const auto start = reinterpret_cast<uintptr_t>(object) - pool->header_size;
  if (start < span->begin || start + span->stride > span->end ||
      (start - span->begin) % span->stride != 0)
    span->inside = false;
}

}  // namespace

uint32_t rx_reserve(const std::vector<config::NicProfile>& ports, unsigned workers) {
  uint32_t reserve = kBurst + workers * kCache;
  for (const config::NicProfile& p : ports)
    reserve += workers * (uint32_t{p.rx_descriptors} * p.rx_rings +
                          (p.tx_from_rx_pool ? 2 * p.tx_burst : 0) + (p.lro ? kMergedBurst : 0));
  return reserve;
}

Pools::Pools(const PoolOptions& options, const std::vector<config::NicProfile>& ports) {
  const bool shared = any_dense(ports);
  const unsigned shares = shared ? 1 : options.workers;   // of the receive buffers
  const unsigned sharers = shared ? options.workers : 1;  // of one receive pool
  reserve_ = rx_reserve(ports, sharers);
  const uint32_t least = shares * (in_rings(ports, sharers) + reserve_ + kUsable);
  if (options.rx_mbufs < least)
    throw Error("rx_mbufs = " + std::to_string(options.rx_mbufs) +
                " is too small: the rings of the ports keep up to " +
                std::to_string(in_rings(ports, options.workers)) + ", refilling them needs " +
                std::to_string(shares * reserve_) + ", and data must fit too. Set it to " +
                std::to_string(least) + " or more.");
  const bool all_from_rx = std::all_of(
      ports.begin(), ports.end(), [](const config::NicProfile& p) { return p.tx_from_rx_pool; });
  if (shared)
    rx_.emplace_back(
        make_dense_pool("rx", options.rx_mbufs, options.data_room, node_of_worker(options, 0)));
  for (unsigned w = 0; w < options.workers; ++w) {
    const std::string number = std::to_string(w);
    const int node = node_of_worker(options, w);
    if (!shared)
      rx_.emplace_back(
          make_plain_pool("rx" + number, options.rx_mbufs / shares, options.data_room, node));
    if (!all_from_rx || ports.empty())
      tx_.emplace_back(make_plain_pool("tx" + number, options.tx_mbufs / options.workers,
                                       options.data_room, node));
    hold_.emplace_back(
        make_plain_pool("hold" + number, options.hold_mbufs, options.data_room, node));
  }
}

std::vector<buf::Pool> Pools::rx_of_others(unsigned worker) const {
  std::vector<buf::Pool> all;
  for (const Owned& pool : rx_)
    if (pool.get() != rx(worker).mempool()) all.emplace_back(pool.get());
  return all;
}

rte_mempool* make_dense_pool(const std::string& name, uint32_t count, uint16_t data_room,
                             int socket) {
  rte_pktmbuf_pool_private sizes{};
  sizes.mbuf_data_room_size = data_room;
  rte_mempool* pool = rte_mempool_create_empty(name.c_str(), count, sizeof(rte_mbuf) + data_room,
                                               std::min(kCache, count / 2), sizeof sizes, socket,
                                               RTE_MEMPOOL_F_NO_IOVA_CONTIG);
  if (pool == nullptr) throw Error("packet pool '" + name + "': " + rte_strerror(rte_errno));
  rte_pktmbuf_pool_init(pool, &sizes);
  const int populated = rte_mempool_populate_default(pool);
  if (populated < 0 || static_cast<uint32_t>(populated) < count) {
    rte_mempool_free(pool);
    throw Error("packet pool '" + name + "' of " + std::to_string(count) +
                " buffers gets no memory (" + rte_strerror(-std::min(populated, 0)) +
                "). Give DPDK more memory or ask for fewer buffers; one takes about " +
                std::to_string(data_room + 256) + " bytes.");
  }
  rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
  if (!is_dense(pool)) {
    rte_mempool_free(pool);
    throw Error("packet pool '" + name +
                "' does not lie in one piece of memory, and a port needs that. Free memory is "
                "fragmented: use larger huge pages, or fewer buffers.");
  }
  return pool;
}

bool is_dense(rte_mempool* pool) {
  const rte_mempool_memhdr* area = STAILQ_FIRST(&pool->mem_list);
  if (area == nullptr || pool->nb_mem_chunks != 1) return false;
  const size_t stride = pool->header_size + pool->elt_size + pool->trailer_size;
  Span span{reinterpret_cast<uintptr_t>(area->addr),
            reinterpret_cast<uintptr_t>(area->addr) + stride * pool->populated_size, stride};
  rte_mempool_obj_iter(pool, check_object, &span);
  return span.inside;
}

}  // namespace sluice::nic
