#pragma once
// The settings that the peer of a connection has announced (RFC 9113, 6.5.2; RFC 8441, 3).

#include <cstdint>
#include <optional>

#include "buf/slice.h"
#include "http2/config.h"
#include "http2/error_code.h"
#include "http2/frame.h"
#include "http2/hpack/encoder.h"

namespace sluice::http2 {

struct PeerSettings {
  // A connection error.
  struct Violation {
    ErrorCode code;
    const char* detail;
  };
  // Applies the settings of one SETTINGS frame in order; the size of the HPACK table goes to the
  // encoder. payload: a multiple of kSettingSize bytes. role: ours. After a violation the settings
  // in front of it have been applied.
  std::optional<Violation> apply(buf::View payload, Role role, hpack::Encoder& encoder);

  bool received = false;  // a SETTINGS frame came
  uint32_t initial_window = kDefaultWindow;
  uint32_t max_frame_size = kDefaultMaxFrameSize;
  // RFC 9113 lets a peer announce less at any time; 6.5.2 recommends at least 100.
  uint32_t max_streams = 100;
  uint32_t max_header_list_size = UINT32_MAX;
  bool takes_extended_connect = false;  // RFC 8441, 3
};

}  // namespace sluice::http2
