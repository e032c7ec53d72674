#pragma once
// A port without a NIC: frames are put in and taken out. Every neighbour answers at once.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "base/address.h"
#include "buf/pool.h"
#include "ip/ethernet.h"
#include "ip/in_frame.h"
#include "ip/output.h"
#include "replayer/pcap.h"

namespace replayer {

class Port final : public sluice::ip::Link {
 public:
  // The number that the last byte of the port's MAC address has.
  Port(uint8_t number, uint16_t mtu, sluice::buf::Pool pool,
       std::function<void(const Bytes&)> on_sent)
      : mac_{2, 0, 0, 0, 0, number}, mtu_(mtu), pool_(pool), on_sent_(std::move(on_sent)) {}

  // Of the neighbour with this address: 06:00, and the address's last four bytes.
  static sluice::ip::Mac mac_of(const sluice::Address& neighbour);

  // A frame arrives, with the port's MAC address as its destination. False: it fits no buffer.
  bool put(Bytes frame);
  bool empty() const { return arriving_.empty(); }

  // As worker::Worker needs them.
  struct Stats {
    uint64_t rx_packets = 0, rx_bytes = 0, rx_oversize = 0, rx_malformed = 0, rx_overflow = 0;
    uint64_t rx_unknown_vlan = 0;
    uint64_t tx_packets = 0, tx_bytes = 0, tx_full = 0, tx_no_memory = 0, tx_oversize = 0;
    uint64_t driver_cycles = 0;
  };
  uint16_t receive(sluice::ip::InFrame* out, uint16_t n);
  void flush() {}
  size_t unsent() const { return 0; }
  bool waiting() const { return false; }
  void interrupts(bool) {}
  const Stats& stats() const { return stats_; }
  bool transmit(const sluice::ip::OutFrame& frame) override;
  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return mtu_; }
  uint32_t max_tso() const override { return 0; }

 private:
  bool answer_arp(const Bytes& frame);
  bool answer_ndp(const Bytes& frame);

  sluice::ip::Mac mac_;
  uint16_t mtu_;
  sluice::buf::Pool pool_;
  std::function<void(const Bytes&)> on_sent_;
  std::deque<sluice::buf::Slice> arriving_;
  Stats stats_;
};

}  // namespace replayer
