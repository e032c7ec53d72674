#pragma once
// A queue of one of the appliance's two ports. With offloads it is that of a NIC that cuts packets
// (TSO) and merges packets that arrive together (LRO), which then lie in several buffers.

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/byte_order.h"
#include "base/random.h"
#include "buf/pool.h"
#include "ip/in_frame.h"
#include "ip/output.h"
#include "nic/frame.h"
#include "nic/port_queue.h"
#include "support/chains.h"
#include "tcp/header.h"

namespace sluice::sim {

class Port final : public ip::Link {
 public:
  static constexpr size_t kEthernet = 14, kIp = 20;

  Port(uint8_t number, buf::Pool pool, bool offloads)
      : mac_{2, 0, 0, 0, 0, number}, random_(number), pool_(pool), offloads_(offloads) {}

  // From the wire: Ethernet, IPv4 or ARP.
  void arrive(std::string frame) {
    if (offloads_ && !arriving_.empty() && merge(arriving_.back(), frame)) return;
    arriving_.push_back({std::move(frame), 0, false});
  }

  uint16_t receive(ip::InFrame* out, uint16_t n) {
    uint16_t got = 0;
    for (; got < n && !arriving_.empty(); arriving_.pop_front()) {
      const Arrival& a = arriving_.front();
      const buf::View bytes(reinterpret_cast<const uint8_t*>(a.bytes.data()), a.bytes.size());
      // As hardware fills its buffers; the first may be short.
      const size_t first = ip::InFrame::kHeaders + random_.below(kBuffer - ip::InFrame::kHeaders);
      out[got].bytes = test::chain_of(pool_.mempool(), bytes, [&](size_t at) {
        if (!offloads_) return bytes.size();
        return at == 0 ? first : kBuffer;
      });
      if (out[got].bytes.size() == 0) continue;
      merged_ += a.segment_size != 0;
      out[got].segment_size = a.segment_size;
      // The field of a merged packet is that of its first segment.
      out[got].checksum = a.segment_size == 0   ? ip::L4Checksum::kUnknown
                          : random_.chance(0.5) ? ip::L4Checksum::kNone
                                                : ip::L4Checksum::kGood;
      ++got;
    }
    return got;
  }
  void flush() {}
  size_t unsent() const { return 0; }
  bool waiting() const { return false; }
  void interrupts(bool) {}
  const nic::QueueStats& stats() const { return numbers_; }

  bool transmit(const ip::OutFrame& frame) override {
    nic::PayloadReader payload(frame.payload);
    const uint32_t most = frame.segment_size == 0 ? frame.payload_size : frame.segment_size;
    cut_ += frame.payload_size > most;
    nic::Piece piece;
    do {
      piece.size = std::min(most, frame.payload_size - piece.offset);
      piece.last = piece.offset + piece.size == frame.payload_size;
      std::string& f = sent.emplace_back(reinterpret_cast<const char*>(frame.headers.data()),
                                         frame.headers.size());
      f.resize(frame.headers.size() + piece.size);
      auto* bytes = reinterpret_cast<uint8_t*>(f.data());
      if (most < frame.payload_size) nic::cut_headers(frame, bytes, piece);
      if (piece.size > 0) payload.copy(bytes + frame.headers.size(), piece.size);
      piece.offset += piece.size;
      ++piece.index;
    } while (!piece.last);
    return true;
  }
  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return 1500; }
  uint32_t max_tso() const override { return offloads_ ? 65'415 : 0; }

  // Packets that this NIC has cut, and packets that it has made of several.
  uint64_t cut() const { return cut_; }
  uint64_t merged() const { return merged_; }

  std::vector<std::string> sent;

 private:
  struct Arrival {
    std::string bytes;
    uint16_t segment_size;  // 0: one packet of the wire
    bool complete;          // nothing follows behind a short segment, or a FIN
  };
  static constexpr size_t kTcp = kEthernet + kIp;
  static constexpr size_t kBuffer = 2048;
  static constexpr size_t kMost = 65'535;

  static size_t tcp_header(const std::string& frame) {
    return size_t{static_cast<uint8_t>(frame[kTcp + 12])} / 16 * 4;
  }
  // The payload of a TCP packet whose flags allow merging; 0 for all others.
  static size_t mergeable(const std::string& frame) {
    if (frame.size() < kTcp + 20 || frame[kEthernet] != 0x45 || frame[kEthernet + 9] != 6) return 0;
    const auto flags = static_cast<uint8_t>(frame[kTcp + 13]);
    if ((flags & ~(tcp::kPsh | tcp::kFin)) != tcp::kAck) return 0;
    return frame.size() - kTcp - tcp_header(frame);
  }

  // Whether `next` follows at the end of `a` with the same headers, and has become part of it.
  static bool merge(Arrival& a, const std::string& next) {
    const size_t had = mergeable(a.bytes);
    const size_t more = mergeable(next);
    if (a.complete || had == 0 || more == 0) return false;
    const size_t one = a.segment_size == 0 ? had : a.segment_size;
    if (more > one || a.bytes.size() + more > kMost) return false;
    const size_t headers = kTcp + tcp_header(a.bytes);
    std::string expected = a.bytes.substr(0, headers);
    auto* tcp = reinterpret_cast<uint8_t*>(expected.data()) + kTcp;
    if ((tcp[13] & tcp::kFin) != 0) return false;
    store_be32(tcp + 4, load_be32(tcp + 4) + static_cast<uint32_t>(had));
    tcp[13] = static_cast<uint8_t>(next[kTcp + 13]);
    expected.replace(kEthernet + 2, 4, next, kEthernet + 2, 4);    // length, identification
    expected.replace(kEthernet + 10, 2, next, kEthernet + 10, 2);  // checksums
    expected.replace(kTcp + 16, 2, next, kTcp + 16, 2);
    if (next.compare(0, headers, expected) != 0) return false;
    a.bytes.append(next, headers);
    a.bytes[kTcp + 13] = static_cast<char>(a.bytes[kTcp + 13] | next[kTcp + 13]);
    a.segment_size = static_cast<uint16_t>(one);
    a.complete = more < one || (static_cast<uint8_t>(next[kTcp + 13]) & tcp::kFin) != 0;
    auto* ip = reinterpret_cast<uint8_t*>(a.bytes.data()) + kEthernet;
    store_be16(ip + 2, static_cast<uint16_t>(a.bytes.size() - kEthernet));
    store_be16(ip + 10, 0);
    store_be16(ip + 10, ip::checksum({ip, kIp}));
    return true;
  }

  std::array<uint8_t, 6> mac_;
  Random random_;
  buf::Pool pool_;
  const bool offloads_;
  std::deque<Arrival> arriving_;
  uint64_t cut_ = 0;
  uint64_t merged_ = 0;
  nic::QueueStats numbers_;
};

}  // namespace sluice::sim
