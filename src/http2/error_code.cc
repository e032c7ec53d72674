#include "http2/error_code.h"

#include <algorithm>
#include <array>

namespace sluice::http2 {

const char* text_of(ErrorCode code) {
  constexpr const char* kNames[] = {"NO_ERROR",
                                    "PROTOCOL_ERROR",
                                    "INTERNAL_ERROR",
                                    "FLOW_CONTROL_ERROR",
                                    "SETTINGS_TIMEOUT",
                                    "STREAM_CLOSED",
                                    "FRAME_SIZE_ERROR",
                                    "REFUSED_STREAM",
                                    "CANCEL",
                                    "COMPRESSION_ERROR",
                                    "CONNECT_ERROR",
                                    "ENHANCE_YOUR_CALM",
                                    "INADEQUATE_SECURITY",
                                    "HTTP_1_1_REQUIRED"};
  const auto i = static_cast<uint32_t>(code);
  return i < sizeof kNames / sizeof *kNames ? kNames[i] : "UNKNOWN";
}

namespace {

using http::EndReason;

// The reasons, indexed by error code.
constexpr std::array kReasons{EndReason::kNoError,
                              EndReason::kProtocolError,
                              EndReason::kInternalError,
                              EndReason::kFlowControl,
                              EndReason::kTimeout,
                              EndReason::kStreamClosed,
                              EndReason::kFrameSize,
                              EndReason::kRefused,
                              EndReason::kCancelled,
                              EndReason::kCompression,
                              EndReason::kConnectFailed,
                              EndReason::kOverload,
                              EndReason::kInadequateSecurity,
                              EndReason::kHttp11Required};

}  // namespace

EndReason reason_of(ErrorCode code) {
  const auto i = static_cast<size_t>(code);
  return i < kReasons.size() ? kReasons[i] : EndReason::kInternalError;
}

ErrorCode code_of(EndReason reason) {
  const auto* it = std::find(kReasons.begin(), kReasons.end(), reason);
  return static_cast<ErrorCode>(it - kReasons.begin());
}

}  // namespace sluice::http2
