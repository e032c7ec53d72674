#pragma once
// Frames that both sides say, put at the end of a send queue.

#include <cstring>

#include "base/byte_order.h"
#include "buf/queue.h"
#include "http2/frame.h"

namespace sluice::load {

inline constexpr uint32_t kStreamWindow = 1u << 30;  // announced: no stream of ours ever waits
inline constexpr uint32_t kGrant = 1u << 29;         // connection window given back at a time

// False: there is no memory.
inline bool put_frame(buf::Queue& q, buf::Pool& pool, const http2::FrameHeader& h, buf::View body) {
  uint8_t* p = q.append_space(http2::kFrameHeaderSize + h.size, pool);
  if (p == nullptr) return false;
  h.emit(p);
  if (!body.empty()) std::memcpy(p + http2::kFrameHeaderSize, body.data(), body.size());
  return true;
}

inline void put_window_update(buf::Queue& q, buf::Pool& pool, uint32_t stream, uint32_t n) {
  uint8_t bytes[4];
  store_be32(bytes, n);
  put_frame(q, pool, {4, http2::FrameType::kWindowUpdate, 0, stream}, bytes);
}

// SETTINGS and a connection window that kGrant keeps open.
inline void put_beginning(buf::Queue& q, buf::Pool& pool) {
  uint8_t bytes[http2::kSettingSize];
  store_be16(bytes, static_cast<uint16_t>(http2::Setting::kInitialWindowSize));
  store_be32(bytes + 2, kStreamWindow);
  put_frame(q, pool, {sizeof bytes, http2::FrameType::kSettings, 0, 0}, bytes);
  put_window_update(q, pool, 0, 2 * kGrant - http2::kDefaultWindow);
}

// Answers to SETTINGS and PING.
inline void put_acknowledgement(buf::Queue& q, buf::Pool& pool, const http2::FrameHeader& h,
                                buf::View payload) {
  if ((h.flags & http2::kFlagAck) != 0) return;
  if (h.type == http2::FrameType::kSettings)
    put_frame(q, pool, {0, h.type, http2::kFlagAck, 0}, {});
  else
    put_frame(q, pool, {h.size, h.type, http2::kFlagAck, 0}, payload);
}

}  // namespace sluice::load
