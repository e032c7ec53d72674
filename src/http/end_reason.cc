#include "http/end_reason.h"

namespace sluice::http {

const char* text_of(EndReason reason) {
  switch (reason) {
    case EndReason::kNoError:
      return "no error";
    case EndReason::kProtocolError:
      return "protocol error";
    case EndReason::kInternalError:
      return "internal error";
    case EndReason::kFlowControl:
      return "flow control error";
    case EndReason::kTimeout:
      return "timeout";
    case EndReason::kStreamClosed:
      return "stream closed";
    case EndReason::kFrameSize:
      return "frame size error";
    case EndReason::kRefused:
      return "refused";
    case EndReason::kCancelled:
      return "cancelled";
    case EndReason::kCompression:
      return "compression error";
    case EndReason::kConnectFailed:
      return "connect failed";
    case EndReason::kOverload:
      return "overload";
    case EndReason::kInadequateSecurity:
      return "inadequate security";
    case EndReason::kHttp11Required:
      return "HTTP/1.1 required";
  }
  return "unknown";
}

}  // namespace sluice::http
