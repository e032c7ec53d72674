#pragma once
// The reasons why a stream ended early, in terms that all versions of HTTP share.

#include <cstdint>

namespace sluice::http {

// A codec translates the reasons to its wire format and back: HTTP/2 to the error codes of RFC
// 9113, section 7; HTTP/1.1 has none, and closes the connection.
enum class EndReason : uint8_t {
  kNoError,
  kProtocolError,
  kInternalError,  // also for reasons that are not listed here
  kFlowControl,
  kTimeout,
  kStreamClosed,
  kFrameSize,
  kRefused,  // the peer did not process the request
  kCancelled,
  kCompression,
  kConnectFailed,
  kOverload,
  kInadequateSecurity,
  kHttp11Required,
};

const char* text_of(EndReason reason);  // "protocol error", ...

// Which side ended a stream, and why.
enum class EndedBy : uint8_t {
  kPeer,      // the peer ended it
  kProtocol,  // the peer broke the protocol
  kTooLarge,  // a field section over the limits
  kGuard,     // a guard that acts on streams alone
  kMemory,    // no buffer was left for the stream
  // The peer had ended its side, as a client does that has gone, and nothing of the answer came for
  // too long.
  kHalfClosed,
};

}  // namespace sluice::http
