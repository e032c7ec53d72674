#pragma once
// A slice that becomes a whole packet again, in the buffer in which it lies.

#include <rte_mbuf.h>

#include <cassert>
#include <cstdint>

#include "buf/slice.h"

namespace sluice::buf {

// Bytes that fit before the slice in its buffer. Only while nobody shares the buffer.
inline uint32_t headroom(const Slice& s) {
  return static_cast<uint32_t>(s.data() - static_cast<const uint8_t*>(s.mbuf()->buf_addr));
}

// Gives the reference to the caller, as a packet of `size` bytes of the slice's buffer. Only while
// nobody shares the buffer.
inline rte_mbuf* release_packet(Slice& s, const uint8_t* data, uint32_t size) {
  assert(!s.shared());
  rte_mbuf* m = s.release();
  m->data_off = static_cast<uint16_t>(data - static_cast<const uint8_t*>(m->buf_addr));
  m->data_len = static_cast<uint16_t>(size);
  m->pkt_len = size;
  m->ol_flags &= RTE_MBUF_F_EXTERNAL;  // says where the bytes lie
  return m;
}
inline rte_mbuf* release_packet(Slice& s) {
  return release_packet(s, s.data(), s.size());
}

}  // namespace sluice::buf
