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
// n: at most headroom().
inline void grow_front(Slice& s, uint32_t n) {
  assert(n <= headroom(s));
  const uint8_t* data = s.data() - n;
  const uint32_t size = s.size() + n;
  s = Slice(s.release(), data, size);
}

// Gives the reference to the caller, as a packet of these bytes. Only while nobody shares the
// buffer.
inline rte_mbuf* release_packet(Slice& s) {
  assert(!s.shared());
  rte_mbuf* m = s.mbuf();
  m->data_off = static_cast<uint16_t>(headroom(s));
  m->data_len = static_cast<uint16_t>(s.size());
  m->pkt_len = s.size();
  m->ol_flags &= RTE_MBUF_F_EXTERNAL;  // says where the bytes lie
  return s.release();
}

}  // namespace sluice::buf
