#pragma once
// The ways to build a port's frames. One is chosen when the port starts: there is one class for
// each combination of what the NIC does by itself.

#include <rte_mbuf.h>

#include <memory>

#include "nic/ethdev_queue.h"
#include "nic/frame.h"

namespace sluice::nic {

// A structural type, so that it can be a template argument.
struct TxPath {
  bool multi_segment = false;  // else each packet is one direct mbuf
  bool checksum = false;       // else software fills IPv4, TCP and UDP checksums
  bool ipv4_checksum = false;  // with `checksum`; else software fills that of the IPv4 header
  bool tso = false;            // else software cuts packets with a segment_size
  bool tso_length = false;     // with `tso`: the pseudo-header's sum of packets to be cut has it
};

template <TxPath kPath>
class PathQueue final : public EthdevQueue {
 public:
  explicit PathQueue(const Setup& setup)
      : EthdevQueue(setup),
        tx_segments_(setup.tx_segments),
        tso_least_(setup.tso_least),
        buffer_room_(rte_pktmbuf_data_room_size(setup.tx_pool) - uint32_t{RTE_PKTMBUF_HEADROOM}) {}

  bool transmit(const ip::OutFrame& frame) override {
    if (frame.segment_size == 0 || frame.payload_size <= frame.segment_size) [[likely]] {
      PayloadReader payload(frame.payload);
      return send_one(frame, payload, {.size = frame.payload_size, .last = true}, false);
    }
    if constexpr (kPath.tso) {
      if (frame.segment_size < tso_least_) [[unlikely]]
        return send_pieces(frame);
      PayloadReader payload(frame.payload);
      return send_one(frame, payload, {.size = frame.payload_size, .last = true}, true);
    } else {
      return send_pieces(frame);
    }
  }
  using EthdevQueue::transmit;

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

  // Builds headers and payload, with checksums still to be filled. nullptr, counted, without
  // memory.
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
    m->data_len = header_size;
    m->pkt_len = header_size + piece.size;
    if (may_chain(frame) && piece.size >= kCopyBreak) {
      if (!append_payload(m, payload, piece.size)) {
        rte_pktmbuf_free(m);
        return nullptr;
      }
      return m;
    }
    payload.copy(to + header_size, piece.size);
    m->data_len = static_cast<uint16_t>(header_size + piece.size);
    return m;
  }

  // ICMP and frames without IP are short, and not worth a chain.
  static bool may_chain(const ip::OutFrame& frame) {
    return kPath.multi_segment && is_transport(frame);
  }
  // The sum of a chain's words from `skip` bytes on. Behind a segment of odd length the bytes of
  // all words are swapped (RFC 1071, 2 (B)).
  static uint64_t sum_chain(const rte_mbuf* m, uint32_t skip) {
    uint64_t sum = 0;
    bool odd = false;
    for (; m != nullptr; m = m->next, skip = 0) {
      const buf::View bytes(rte_pktmbuf_mtod_offset(m, const uint8_t*, skip), m->data_len - skip);
      const auto part = static_cast<uint16_t>(~ip::fold(ip::sum_words(bytes)));
      sum += odd ? swap16(part) : part;
      odd ^= bytes.size() % 2 != 0;
    }
    return sum;
  }
  static bool sums_by_nic(const ip::OutFrame& frame) {
    return frame.l4_checksum_offset != 0 && is_transport(frame);
  }
  static bool is_transport(const ip::OutFrame& frame) {
    if (frame.l3_size == 0) return false;
    const uint8_t protocol = protocol_of(frame, frame.headers.data());
    return protocol == kProtocolTcp || protocol == kProtocolUdp;
  }

  // Contiguous payload of at least this many bytes is sent by reference: an indirect buffer costs
  // about as much as copying half of it.
  static constexpr uint32_t kCopyBreak = 256;

  // The buffers that copies of n bytes fill.
  uint32_t buffers_for(uint32_t n) const { return (n + buffer_room_ - 1) / buffer_room_; }

  // Appends the payload behind the headers in m: long fragments by reference, short ones copied
  // side by side. A fragment is copied, too, where a reference would leave too few of the frame's
  // tx_segments buffers for the rest.
  bool append_payload(rte_mbuf* m, PayloadReader& payload, uint32_t left) {
    rte_mbuf* tail = m;
    bool writable = true;  // tail is a buffer of our own
    while (left > 0) {
      const buf::Fragment next = payload.take(left);
      const auto n = static_cast<uint32_t>(next.size());
      left -= n;
      if (next.owner != nullptr && n >= kCopyBreak &&
          m->nb_segs + 1 + buffers_for(left) <= tx_segments_) {
        rte_mbuf* reference = fresh();
        if (reference == nullptr) return false;
        rte_pktmbuf_attach(reference, next.owner);
        reference->data_off =
            static_cast<uint16_t>(next.data() - static_cast<uint8_t*>(next.owner->buf_addr));
        reference->data_len = static_cast<uint16_t>(n);
        tail = link(m, tail, reference);
        writable = false;
        continue;
      }
      for (uint32_t done = 0; done < n;) {
        if (!writable || rte_pktmbuf_tailroom(tail) == 0) {
          rte_mbuf* own = fresh();
          if (own == nullptr) return false;
          tail = link(m, tail, own);
          writable = true;
        }
        const uint32_t part = std::min<uint32_t>(n - done, rte_pktmbuf_tailroom(tail));
        std::memcpy(rte_pktmbuf_mtod_offset(tail, uint8_t*, tail->data_len), next.data() + done,
                    part);
        tail->data_len = static_cast<uint16_t>(tail->data_len + part);
        done += part;
      }
    }
    return true;
  }
  static rte_mbuf* link(rte_mbuf* head, rte_mbuf* tail, rte_mbuf* next) {
    tail->next = next;
    ++head->nb_segs;
    return next;
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
        const bool length = kPath.tso_length || !segmented_by_nic;
        if (segmented_by_nic && frame.v4)
          store_be16(headers + frame.l2_size + 2, static_cast<uint16_t>(frame.l3_size + transport));
        fill_pseudo_checksum(frame, headers, length ? transport : 0);
        if (frame.v4 && !kPath.ipv4_checksum) fill_ipv4_checksum(frame, headers);
        if (frame.v4 && kPath.ipv4_checksum) store_be16(headers + frame.l2_size + 10, 0);
        m->l2_len = frame.l2_size;
        m->l3_len = frame.l3_size;
        m->l4_len = frame.headers.size() - frame.l2_size - frame.l3_size;
        m->ol_flags = frame.v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
        if (frame.v4 && kPath.ipv4_checksum) m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
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
    if (frame.l4_checksum_offset == 0) return;
    if (kPath.multi_segment && m->next != nullptr) {
      fill_l4_checksum(frame, headers, m->pkt_len, sum_chain(m, frame.l2_size + frame.l3_size));
    } else {
      fill_l4_checksum(frame, headers, m->pkt_len);
    }
  }

  const uint32_t tx_segments_;
  const uint32_t tso_least_;
  const uint32_t buffer_room_;  // bytes of a buffer behind its headroom
};

// The queue for these traits.
std::unique_ptr<EthdevQueue> make_queue(const Traits& traits, const EthdevQueue::Setup& setup);

}  // namespace sluice::nic
