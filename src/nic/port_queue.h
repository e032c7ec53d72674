#pragma once
// One worker's queue pair of a port: receives bursts, sends frames, and measures the driver's cost.

#include <array>
#include <cstdint>
#include <memory>

#include "buf/pool.h"
#include "buf/slice.h"
#include "ip/output.h"
#include "nic/hash_check.h"
#include "nic/traits.h"

namespace sluice::nic {

// Written by the worker that owns the queue; the worker publishes what others should see.
struct QueueStats {
  uint64_t rx_packets = 0;
  uint64_t rx_bytes = 0;
  uint64_t rx_flattened = 0;  // arrived as a chain, and copied into one buffer
  uint64_t rx_oversize = 0;   // dropped: a chain longer than a buffer
  uint64_t tx_packets = 0;
  uint64_t tx_bytes = 0;
  // Dropped: the driver took no more, and kMaxWaiting frames waited already.
  uint64_t tx_full = 0;
  uint64_t tx_no_memory = 0;   // not built: the pool was empty
  uint64_t tx_oversize = 0;    // not built: larger than a buffer or than the MTU
  uint64_t driver_cycles = 0;  // TSC cycles inside the driver, both directions
};

class PortQueue : public ip::Link {
 public:
  struct Setup {
    uint16_t device = 0;
    uint16_t queue = 0;
    uint16_t mtu = 1500;
    uint32_t max_tso = 0;  // payload bytes of one OutFrame with segment_size
    uint16_t tx_burst = 256;
    uint16_t tx_segments = 8;  // most buffers of one frame; max_tso bytes have to fit into as many
    std::array<uint8_t, 6> mac{};
    rte_mempool* tx_pool = nullptr;
    bool tx_pool_only = false;      // frames from other pools are copied into tx_pool first
    const RssState* rss = nullptr;  // outlives the queue; nullptr: the device hashes nothing
  };

  virtual ~PortQueue();
  PortQueue(PortQueue&&) = delete;

  // Up to n frames (64 at most), each one slice of one buffer that the caller owns. Calls the
  // driver once; the driver may return fewer frames than it has.
  uint16_t receive(buf::Slice* out, uint16_t n);

  // Builds the frame in buffers of the port and gathers it: nothing is sent before flush() or a
  // full gather array. False when the frame (or the rest of a segmented frame) was dropped and
  // counted.
  bool transmit(const ip::OutFrame& frame) override = 0;

  // Gathers a complete frame as it is, checksums included: for forwarding.
  bool transmit(buf::Slice frame);

  // Hands all gathered frames to the driver; once a loop turn. Frames that the driver does not take
  // wait for the next flush(): a turn of a thousand connections is more than many rings hold. At
  // most kMaxWaiting frames wait; further ones are dropped and counted.
  void flush();

  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return mtu_; }
  uint32_t max_tso() const override { return max_tso_; }
  const QueueStats& stats() const { return stats_; }
  const HashCheck& hash_check() const { return hash_check_; }

 protected:
  explicit PortQueue(const Setup& setup);

  void gather(rte_mbuf* m);

  buf::Pool tx_pool_;
  QueueStats stats_;

 private:
  static constexpr uint16_t kMaxBurst = 64;    // frames of one receive()
  static constexpr uint16_t kMaxGather = 256;  // frames; a loop turn rarely has more
  static constexpr uint16_t kMaxWaiting = 512;
  static constexpr unsigned kFlushTries = 2;  // calls without progress before frames wait

  uint16_t device_;
  uint16_t queue_;
  uint16_t mtu_;
  uint16_t gather_limit_;
  uint16_t gathered_ = 0;  // frames in gather_
  uint16_t fresh_ = 0;     // of these, frames gathered since the driver was last called
  uint32_t max_tso_;
  bool tx_pool_only_;
  std::array<uint8_t, 6> mac_;
  HashCheck hash_check_;
  std::array<rte_mbuf*, kMaxWaiting + kMaxGather> gather_;
};

}  // namespace sluice::nic
