#include "http2/peer_settings.h"

#include "base/byte_order.h"

namespace sluice::http2 {

std::optional<PeerSettings::Violation> PeerSettings::apply(buf::View payload, Role role,
                                                           hpack::Encoder& encoder) {
  // Without the setting there is no limit. The limit of 100 was only assumed until now.
  if (!received) max_streams = UINT32_MAX;
  received = true;
  for (size_t i = 0; i < payload.size(); i += kSettingSize) {
    const uint32_t value = load_be32(payload.data() + i + 2);
    switch (static_cast<Setting>(load_be16(payload.data() + i))) {
      case Setting::kHeaderTableSize:
        encoder.set_table_size(value);
        break;
      case Setting::kEnablePush:
        if (value > 1 || (role == Role::kClient && value == 1))
          return Violation{ErrorCode::kProtocolError, "SETTINGS_ENABLE_PUSH out of range"};
        break;
      case Setting::kMaxConcurrentStreams:
        max_streams = value;
        break;
      case Setting::kInitialWindowSize:
        if (value > kMaxWindow)
          return Violation{ErrorCode::kFlowControlError,
                           "SETTINGS_INITIAL_WINDOW_SIZE out of range"};
        initial_window = value;
        break;
      case Setting::kMaxFrameSize:
        if (value < kDefaultMaxFrameSize || value > 0xffffff)
          return Violation{ErrorCode::kProtocolError, "SETTINGS_MAX_FRAME_SIZE out of range"};
        max_frame_size = value;
        break;
      case Setting::kMaxHeaderListSize:
        max_header_list_size = value;
        break;
      case Setting::kEnableConnectProtocol:
        if (value > 1 || value < uint32_t{takes_extended_connect})
          return Violation{ErrorCode::kProtocolError,
                           "SETTINGS_ENABLE_CONNECT_PROTOCOL out of range"};
        takes_extended_connect = value == 1;
        break;
      case Setting::kNoRfc7540Priorities:
        if (value > 1)
          return Violation{ErrorCode::kProtocolError,
                           "SETTINGS_NO_RFC7540_PRIORITIES out of range"};
        break;
      default:
        break;  // unknown and advisory settings are discarded
    }
  }
  return std::nullopt;
}

}  // namespace sluice::http2
