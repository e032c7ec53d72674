#pragma once
// A worker's queue of a TAP device: one system call a frame, in both directions. A frame may be a
// TCP packet of 64 KiB, so that a byte costs little.

#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "buf/pool.h"
#include "nic/port_queue.h"
#include "nic/virtio_header.h"

namespace sluice::nic {

class TunQueue final : public PortQueue {
 public:
  struct Setup {
    int fd = -1;          // of TunDevice, which outlives the queue
    uint16_t mtu = 1500;  // bytes of an IP packet
    std::array<uint8_t, 6> mac{};
    rte_mempool* rx_pool = nullptr;
    // TSC cycles for which a queue that was found empty is not asked again.
    uint64_t rest = 0;
  };

  // Payload bytes of one OutFrame: an IP packet of 65,535 bytes, less the largest headers.
  static constexpr uint32_t kMaxTso = 65535 - 60 - 60;
  // Bytes of a received frame: an IPv6 packet with its header beside the 65,535 bytes that its
  // length field counts, Ethernet and a VLAN tag. The kernel cuts longer ones.
  static constexpr uint32_t kMaxFrame = 65535 + 40 + 14 + 4;
  // Receive buffers that a queue keeps for its next frame.
  static uint32_t kept_buffers(uint32_t room) { return (kMaxFrame + room - 1) / room; }

  explicit TunQueue(const Setup& setup);
  ~TunQueue() override;

  // Asks the kernel until it has no frame or n are there, except while an empty queue rests.
  uint16_t receive(ip::InFrame* out, uint16_t n) override;
  // Writes the frame at once, from where its bytes lie.
  bool transmit(const ip::OutFrame& frame) override;
  bool transmit(buf::Slice frame) override;
  void flush() override {}
  int descriptor() const override { return fd_; }

  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return mtu_; }
  uint32_t max_tso() const override { return kMaxTso; }

  // Frames that were lost for want of receive buffers. For any thread.
  uint64_t rx_no_buffer() const { return rx_no_buffer_.load(std::memory_order_relaxed); }

 private:
  bool refill();
  // Takes the buffers that hold a frame of `size` bytes out of buffers_.
  rte_mbuf* take(uint32_t size);
  bool accept(uint32_t got, ip::InFrame& out);
  bool write(const VirtioHeader& header, uint32_t size);
  void count_no_buffer();

  int fd_;
  uint16_t mtu_;
  std::array<uint8_t, 6> mac_;
  buf::Pool rx_pool_;
  uint32_t room_;  // bytes of a frame that a buffer takes
  uint64_t rest_;
  uint64_t rest_until_ = 0;

  VirtioHeader header_{};           // of the frame that is read
  std::vector<rte_mbuf*> buffers_;  // for the next frame; the first ready_ are there
  uint32_t ready_ = 0;
  uint32_t taken_ = 0;             // of these, buffers that the last frame took
  std::vector<iovec> read_into_;   // header_ and buffers_
  std::vector<iovec> write_from_;  // the frame that is written; a header first
  std::vector<uint8_t> flat_;      // a frame whose checksum software makes
  std::atomic<uint64_t> rx_no_buffer_ = 0;
};

}  // namespace sluice::nic
