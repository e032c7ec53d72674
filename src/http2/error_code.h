#pragma once
// RFC 9113, section 7.

#include <cstdint>

#include "http/end_reason.h"

namespace sluice::http2 {

enum class ErrorCode : uint32_t {
  kNoError = 0x0,
  kProtocolError = 0x1,
  kInternalError = 0x2,
  kFlowControlError = 0x3,
  kSettingsTimeout = 0x4,
  kStreamClosed = 0x5,
  kFrameSizeError = 0x6,
  kRefusedStream = 0x7,
  kCancel = 0x8,
  kCompressionError = 0x9,
  kConnectError = 0xa,
  kEnhanceYourCalm = 0xb,
  kInadequateSecurity = 0xc,
  kHttp11Required = 0xd,
};

// Codes that section 7 does not list have no special meaning there. They become kInternalError.
http::EndReason reason_of(ErrorCode code);
ErrorCode code_of(http::EndReason reason);

const char* text_of(ErrorCode code);  // "PROTOCOL_ERROR", ...; "UNKNOWN" for codes not listed

}  // namespace sluice::http2
