#pragma once
// How a port's frames are built, chosen once when the port starts: one class for each combination
// of what its NIC does by itself.

#include <rte_mbuf.h>

#include <memory>

#include "nic/frame.h"
#include "nic/port_queue.h"

namespace sluice::nic {

// A structural type, so that it can be a template argument.
struct TxPath {
  bool multi_segment = false;  // else each packet is one direct mbuf
  bool checksum = false;       // else software fills IPv4, TCP and UDP checksums
  bool tso = false;            // else software cuts packets with a segment_size
};

template <TxPath kPath>
class PathQueue final : public PortQueue {
 public:
  explicit PathQueue(const Setup& setup) : PortQueue(setup) {}

  bool transmit(const ip::OutFrame& frame) override {
    if (frame.segment_size == 0 || frame.payload_size <= frame.segment_size) [[likely]] {
      PayloadReader payload(frame.payload);
      return send_one(frame, payload, {.size = frame.payload_size, .last = true}, false);
    }
    if constexpr (kPath.tso) {
      PayloadReader payload(frame.payload);
      return send_one(frame, payload, {.size = frame.payload_size, .last = true}, true);
    } else {
      return send_pieces(frame);
    }
  }
  using PortQueue::transmit;

 private:
  bool send_pieces(const ip::OutFrame& frame) {
    PayloadReader payload(frame.payload);
    Piece piece;
    while (piece.offset < frame.payload_size) {
      const uint32_t left = frame.payload_size - piece.offset;
      piece.size = std::min<uint32_t>(left, frame.segment_size);
      piece.last = piece.size == left;
      if (!send_one(frame, payload, piece, false)) return false;
      piece.offset += piece.size;
      ++piece.index;
    }
    return true;
  }

  bool send_one(const ip::OutFrame& frame, PayloadReader& payload, const Piece& piece,
                bool segmented_by_nic) {
    rte_mbuf* m = build(frame, payload, piece);
    if (m == nullptr) return false;
    auto* headers = rte_pktmbuf_mtod(m, uint8_t*);
    if (frame.segment_size != 0 && piece.size != frame.payload_size)
      cut_headers(frame, headers, piece);
    if (frame.l3_size != 0) finish(frame, m, headers, segmented_by_nic);
    gather(m);
    return true;
  }

  // Headers and payload, checksums still to be filled; nullptr, counted, without memory.
  rte_mbuf* build(const ip::OutFrame& frame, PayloadReader& payload, const Piece& piece) {
    rte_mbuf* m = fresh();
    if (m == nullptr) return nullptr;
    const auto header_size = static_cast<uint16_t>(frame.headers.size());
    const uint32_t room = rte_pktmbuf_tailroom(m);
    if (header_size > room || (header_size + piece.size > room && !may_chain(frame))) {
      rte_pktmbuf_free(m);
      ++stats_.tx_oversize;
      return nullptr;
    }
    auto* to = rte_pktmbuf_mtod(m, uint8_t*);
    std::memcpy(to, frame.headers.data(), header_size);
    const uint32_t first = std::min<uint32_t>(piece.size, room - header_size);
    payload.copy(to + header_size, first);
    m->data_len = static_cast<uint16_t>(header_size + first);
    m->pkt_len = header_size + piece.size;
    if (first < piece.size && !append_chain(m, payload, piece.size - first)) {
      rte_pktmbuf_free(m);
      return nullptr;
    }
    return m;
  }

  // Software sums up one buffer only: what goes out as a chain is what the NIC sums up.
  static bool may_chain(const ip::OutFrame& frame) {
    return kPath.multi_segment && kPath.checksum && sums_by_nic(frame);
  }
  static bool sums_by_nic(const ip::OutFrame& frame) {
    if (frame.l3_size == 0 || frame.l4_checksum_offset == 0) return false;
    const uint8_t protocol = protocol_of(frame, frame.headers.data());
    return protocol == kProtocolTcp || protocol == kProtocolUdp;
  }

  bool append_chain(rte_mbuf* m, PayloadReader& payload, uint32_t left) {
    rte_mbuf* tail = m;
    while (left > 0) {
      rte_mbuf* next = fresh();
      if (next == nullptr) return false;
      const uint32_t n = std::min<uint32_t>(left, rte_pktmbuf_tailroom(next));
      payload.copy(rte_pktmbuf_mtod(next, uint8_t*), n);
      next->data_len = static_cast<uint16_t>(n);
      tail->next = next;
      tail = next;
      ++m->nb_segs;
      left -= n;
    }
    return true;
  }

  rte_mbuf* fresh() {
    rte_mbuf* m = rte_pktmbuf_alloc(tx_pool_.mempool());
    if (m == nullptr) {
      ++stats_.tx_no_memory;
      return nullptr;
    }
    unpoison(m->buf_addr, m->buf_len);
    return m;
  }

  void finish(const ip::OutFrame& frame, rte_mbuf* m, uint8_t* headers, bool segmented_by_nic) {
    if constexpr (kPath.checksum) {
      if (sums_by_nic(frame)) {
        const uint32_t transport = m->pkt_len - frame.l2_size - frame.l3_size;
        fill_pseudo_checksum(frame, headers, segmented_by_nic ? 0 : transport);
        if (frame.v4) store_be16(headers + frame.l2_size + 10, 0);
        m->l2_len = frame.l2_size;
        m->l3_len = frame.l3_size;
        m->l4_len = frame.headers.size() - frame.l2_size - frame.l3_size;
        m->ol_flags = frame.v4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6;
        m->ol_flags |= protocol_of(frame, headers) == kProtocolTcp ? RTE_MBUF_F_TX_TCP_CKSUM
                                                                   : RTE_MBUF_F_TX_UDP_CKSUM;
        if (segmented_by_nic) {
          m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
          m->tso_segsz = frame.segment_size;
        }
        return;
      }
    }
    if (frame.v4) fill_ipv4_checksum(frame, headers);
    if (frame.l4_checksum_offset != 0) fill_l4_checksum(frame, headers, m->pkt_len);
  }
};

// The queue that suits these traits.
std::unique_ptr<PortQueue> make_queue(const Traits& traits, const PortQueue::Setup& setup);

}  // namespace sluice::nic
