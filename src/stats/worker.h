#pragma once
// All numbers of one worker. The worker writes them, control reads them at any time. Nothing is
// ever reset, so readers subtract.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "base/histogram.h"
#include "base/pages.h"
#include "stats/access.h"
#include "stats/changes.h"
#include "stats/drops.h"
#include "stats/events.h"
#include "stats/failures.h"
#include "stats/http1.h"
#include "stats/http2.h"
#include "stats/l4.h"
#include "stats/pod_loads.h"
#include "stats/relay.h"
#include "stats/requests.h"
#include "stats/splice.h"
#include "stats/stages.h"
#include "stats/steer.h"
#include "stats/tcp.h"
#include "stats/tls.h"

namespace sluice::stats {

// The bounds of the slots, which index the arrays of every worker. Removed things that still drain
// count, too. Control refuses a configuration that needs more.
inline constexpr size_t kMaxPorts = 16;
inline constexpr size_t kMaxListeners = 4'096;
inline constexpr size_t kMaxServices = 16'384;
// About 100 bytes each in every worker, and 4 KiB once calls to the pod have ended.
inline constexpr size_t kMaxPods = PodLoads::kMaxPods;

// clang-format off
#define SLUICE_PORT_STATS(X)                                            \
  X(Counter, rx_packets, "frames received")                            \
  X(Counter, rx_bytes,   "bytes received, Ethernet header included")   \
  X(Counter, tx_packets, "frames sent")                                \
  X(Counter, tx_bytes,   "bytes sent, Ethernet header included")       \
  X(Counter, tcp_segments, "TCP segments received with a right checksum") \
  X(Counter, rx_summed, "TCP segments whose checksum software summed") \
  X(Counter, rx_checksum_bad, "TCP segments whose checksum the NIC calls wrong; each is summed again") \
  X(Gauge,   neighbours, "neighbours known or asked for now")          \
  X(Counter, neighbours_evicted, "strangers forgotten early: too many were known or asked for")

#define SLUICE_LISTENER_STATS(X)                                        \
  X(Counter, connections,        "connections accepted")               \
  X(Gauge,   active_connections, "connections now")                    \
  X(Counter, streams,            "streams begun")                      \
  X(Gauge,   active_streams,     "streams now")                        \
  X(Counter, relayed_in,         "bytes relayed from clients")         \
  X(Counter, relayed_out,        "bytes relayed to clients")

#define SLUICE_SERVICE_STATS(X)                                         \
  X(Counter, streams,  "streams begun")                                \
  X(Gauge,   queued,   "streams waiting for a pod now")                \
  X(Counter, failed,   "streams that Sluice itself had to fail")

#define SLUICE_POD_STATS(X)                                             \
  X(Counter, streams,      "streams sent to the pod, retries included") \
  X(Gauge,   active,       "streams on the pod now")                   \
  X(Counter, failed,       "streams whose calls failed without the pod's own end") \
  X(Counter, retried,      "streams taken back, and their calls tried again") \
  X(Gauge,   connections,  "connections to the pod now")               \
  X(Counter, connects,     "connections begun")                        \
  X(Counter, connect_failures, "connections that were not established") \
  X(Counter, relayed_in,       "bytes relayed to the pod")             \
  X(Counter, relayed_out,      "bytes relayed from the pod")           \
  X(Gauge,   state,        "pods::Connectivity")
// clang-format on

struct Port {
  SLUICE_STATS_TABLE(SLUICE_PORT_STATS)
  std::array<Counter, kDrops> drops;

  void drop(Drop reason, uint64_t n = 1) { drops[static_cast<size_t>(reason)].add(n); }
  Counter& drop_counter(Drop reason) { return drops[static_cast<size_t>(reason)]; }
};

// Workers share no cache line.
struct alignas(64) Listener {
  SLUICE_STATS_TABLE(SLUICE_LISTENER_STATS)
  std::array<Counter, kFailures> failures;  // streams that Sluice itself had to end, by reason
  Requests requests;
};

struct Service {
  SLUICE_STATS_TABLE(SLUICE_SERVICE_STATS)
};

struct Pod {
  // The histogram outlives the pod.
  explicit Pod(Histogram& durations) : latency(&durations) {}

  SLUICE_STATS_TABLE(SLUICE_POD_STATS)
  // Why the last connect failed; empty once the pod is READY. The string lives as long as the
  // process.
  std::atomic<const char*> reason{""};
  // From the moment the stream was sent to the pod until its end; streams that ended well.
  Histogram* const latency;
};

class alignas(64) Worker {
 public:
  Worker()
      : listeners_(std::make_unique<Listener[]>(kMaxListeners)),
        services_(std::make_unique<Service[]>(kMaxServices)),
        latencies_(kMaxPods * sizeof(Histogram)),
        pod_pages_(kMaxPods * sizeof(Pod)),
        pods_(static_cast<Pod*>(pod_pages_.get())),
        access_(std::make_unique<AccessNotes>()),
        pod_loads_(std::make_unique<PodLoads>()) {
    // Zeroed memory is an empty histogram. Memory of pods that get no calls is never touched.
    auto* const latencies = static_cast<Histogram*>(latencies_.get());
    for (size_t i = 0; i < kMaxPods; ++i) new (&pods_[i]) Pod(latencies[i]);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The generation of the snapshot that the worker uses. The worker stores it with adopt() after
  // its last look at the previous snapshot, since control then frees that one.
  void adopt(uint64_t generation) { generation_.store(generation, std::memory_order_release); }
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  // The worker has left its loop.
  void end() { ended_.store(true, std::memory_order_relaxed); }
  bool ended() const { return ended_.load(std::memory_order_relaxed); }

  // Loop turns, and the cycles of the time stamp counter that they took: all cycles; those of turns
  // (or parts of them) that did something; those inside drivers' receive and transmit calls; and of
  // the last, those of turns that did something. The difference of the last two is polls that found
  // nothing.
  Counter loops;
  Counter cycles;
  Counter cycles_busy;
  Counter cycles_io;
  Counter cycles_io_busy;
  Stages stages;
  // The time that the loop stood still for each new configuration, the first one not counted.
  Histogram adoptions;

  // Buffers: free now, and what was done to received data that had to be kept.
  Gauge rx_buffers_free;
  Gauge hold_buffers_free;
  Counter slices_pinned;
  Counter slices_copied;
  Counter slices_refused;

  Tcp tcp;
  Http1 http1;
  Steer steer;
  L4 l4;
  Splice splice;
  Tls tls;
  Http2 http2;
  Relay relay;
  Events events;
  Changes changes;
  AccessNotes& access() { return *access_; }
  const AccessNotes& access() const { return *access_; }

  Port& port(size_t i) { return ports_[i]; }
  const Port& port(size_t i) const { return ports_[i]; }
  Listener& listener(uint32_t slot) { return listeners_[slot]; }
  const Listener& listener(uint32_t slot) const { return listeners_[slot]; }
  Service& service(uint32_t slot) { return services_[slot]; }
  const Service& service(uint32_t slot) const { return services_[slot]; }
  Pod& pod(uint32_t slot) { return pods_[slot]; }
  const Pod& pod(uint32_t slot) const { return pods_[slot]; }
  PodLoads& pod_loads() { return *pod_loads_; }
  const PodLoads& pod_loads() const { return *pod_loads_; }

 private:
  std::atomic<uint64_t> generation_{0};
  std::atomic<bool> ended_{false};
  std::array<Port, kMaxPorts> ports_;
  std::unique_ptr<Listener[]> listeners_;
  std::unique_ptr<Service[]> services_;
  Pages latencies_;
  Pages pod_pages_;
  Pod* const pods_;
  std::unique_ptr<AccessNotes> access_;
  std::unique_ptr<PodLoads> pod_loads_;
};

}  // namespace sluice::stats
