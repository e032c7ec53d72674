#pragma once
// Frame headers (RFC 9113, 4.1), types and flags (6), settings (6.5.2).

#include <cstdint>

#include "base/byte_order.h"

namespace sluice::http2 {

enum class FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
  kPriorityUpdate = 16,  // RFC 9218, 7.1
};

inline constexpr uint8_t kFlagEndStream = 0x1;
inline constexpr uint8_t kFlagAck = 0x1;
inline constexpr uint8_t kFlagEndHeaders = 0x4;
inline constexpr uint8_t kFlagPadded = 0x8;
inline constexpr uint8_t kFlagPriority = 0x20;

enum class Setting : uint16_t {
  kHeaderTableSize = 1,
  kEnablePush = 2,
  kMaxConcurrentStreams = 3,
  kInitialWindowSize = 4,
  kMaxFrameSize = 5,
  kMaxHeaderListSize = 6,
  kEnableConnectProtocol = 8,  // RFC 8441, 3
  kNoRfc7540Priorities = 9,    // RFC 9218, 2.1
};

inline constexpr uint32_t kFrameHeaderSize = 9;
inline constexpr uint32_t kSettingSize = 6;
inline constexpr uint32_t kPrioritySize = 5;        // of PRIORITY, and of the priority in HEADERS
inline constexpr uint32_t kDefaultWindow = 65'535;  // 6.9.2
inline constexpr uint32_t kDefaultMaxFrameSize = 16'384;  // 6.5.2
inline constexpr int64_t kMaxWindow = 0x7fffffff;         // 6.9.1
inline constexpr uint32_t kMaxStreamId = 0x7fffffff;

struct FrameHeader {
  uint32_t size = 0;  // of the payload, bytes
  FrameType type{};
  uint8_t flags = 0;
  uint32_t stream = 0;

  static FrameHeader parse(const uint8_t* p) {
    return {load_be24(p), static_cast<FrameType>(p[3]), p[4], load_be32(p + 5) & kMaxStreamId};
  }
  void emit(uint8_t* p) const {
    store_be24(p, size);
    p[3] = static_cast<uint8_t>(type);
    p[4] = flags;
    store_be32(p + 5, stream);
  }
};

// The stream that the priority in these bytes depends on.
inline uint32_t dependency(const uint8_t* priority) {
  return load_be32(priority) & kMaxStreamId;
}

}  // namespace sluice::http2
