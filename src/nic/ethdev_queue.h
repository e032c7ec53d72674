#pragma once
// A queue pair of a device that DPDK drives.

#include <array>
#include <cstdint>
#include <memory>

#include "buf/pool.h"
#include "buf/slice.h"
#include "nic/hash_check.h"
#include "nic/port_queue.h"
#include "nic/traits.h"

namespace sluice::nic {

// How a port receives. A structural type, so that it can be a template argument.
struct RxPath {
  bool checksum = false;  // the NIC's verdict on a transport checksum is believed
  bool chains = false;    // a chain of buffers is handed on; else it is copied into one buffer
};

class EthdevQueue : public PortQueue {
 public:
  // One of the ways to receive (nic/rx_path.h), chosen by the port's traits.
  using Receive = uint16_t (*)(EthdevQueue& queue, ip::InFrame* out, uint16_t n);

  struct Setup {
    uint16_t device = 0;
    uint16_t queue = 0;
    uint16_t mtu = 1500;
    Receive receive = nullptr;  // by make_queue
    uint32_t max_tso = 0;       // payload bytes of one OutFrame with segment_size
    uint16_t tx_burst = 256;
    uint16_t tx_segments = 8;  // most buffers of one frame; max_tso bytes have to fit into as many
    uint16_t tso_least = 0;  // least segment_size that the device cuts; software cuts smaller ones
    std::array<uint8_t, 6> mac{};
    rte_mempool* tx_pool = nullptr;
    bool tx_pool_only = false;      // frames from other pools are copied into tx_pool first
    bool rx_interrupts = false;     // the device was configured with them
    const RssState* rss = nullptr;  // outlives the queue; nullptr: the device hashes nothing
  };

  ~EthdevQueue() override;

  uint16_t receive(ip::InFrame* out, uint16_t n) override { return receive_(*this, out, n); }

  // Builds the frame in buffers of the port. Nothing is sent before flush() or a full gather array.
  bool transmit(const ip::OutFrame& frame) override = 0;

  bool transmit(buf::Slice frame) override;
  size_t forward(std::span<rte_mbuf* const> frames) override;

  // Hands all gathered frames to the driver; once a loop turn. Frames that the driver does not take
  // wait for the next flush(): a turn of a thousand connections is more than many rings hold. At
  // most kMaxWaiting frames wait; further ones are dropped and counted.
  void flush() override;
  size_t unsent() const override { return gathered_; }

  int descriptor() const override { return descriptor_; }
  void interrupts(bool on) override;

  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return mtu_; }
  uint32_t max_tso() const override { return max_tso_; }
  const HashCheck& hash_check() const { return hash_check_; }

 protected:
  explicit EthdevQueue(const Setup& setup);

  void gather(rte_mbuf* m);

  buf::Pool tx_pool_;

 private:
  template <RxPath kPath>
  friend uint16_t receive_burst(EthdevQueue& queue, ip::InFrame* out, uint16_t n);

  static constexpr uint16_t kMaxBurst = 64;    // frames of one receive()
  static constexpr uint16_t kMaxGather = 256;  // frames; a loop turn rarely has more
  static constexpr uint16_t kMaxWaiting = 512;
  static constexpr unsigned kFlushTries = 2;  // calls without progress before frames wait

  Receive receive_;
  uint16_t device_;
  uint16_t queue_;
  uint16_t mtu_;
  uint16_t gather_limit_;
  uint16_t gathered_ = 0;  // frames in gather_
  uint16_t fresh_ = 0;     // of these, frames gathered since the driver was last called
  uint32_t max_tso_;
  int descriptor_ = -1;  // of the receive interrupt; the driver's
  bool tx_pool_only_;
  std::array<uint8_t, 6> mac_;
  HashCheck hash_check_;
  std::array<rte_mbuf*, kMaxWaiting + kMaxGather + kMaxBurst> gather_;
};

}  // namespace sluice::nic
