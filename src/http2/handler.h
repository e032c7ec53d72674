#pragma once
// What an HTTP/2 connection tells its owner.

#include <cstdint>
#include <string_view>

#include "base/chrono.h"
#include "buf/slice.h"
#include "http2/error_code.h"
#include "http2/http.h"
#include "http2/stream.h"

namespace sluice::http2 {

// Called from inside the connection's own functions. The owner may call anything on any connection
// from there, reset() of the very stream included. Streams without an owner are not reported,
// except a request's first section.
class Handler {
 public:
  enum class Section : uint8_t { kRequest, kInformational, kResponse, kTrailers };

  // A whole field section, validated (RFC 9113, 8.2 and 8.3). The list may be swapped away. A
  // request opens the stream: set_owner() ties it, and without an owner it is refused.
  virtual void on_headers(Stream& s, Section section, FieldList& fields, bool end_stream) = 0;

  // A piece of DATA payload, padding removed, not yet retained; `data` may be empty when
  // end_stream is set. The stream's window opens again through consumed(); the connection's window
  // is credited on receipt by the connection itself.
  virtual void on_data(Stream& s, buf::Slice data, bool end_stream) = 0;

  // `n` bytes of this stream's DATA were framed into the output: room for more from the other side.
  virtual void on_sent(Stream& s, uint32_t n) = 0;

  // Who or what ended a stream by RST_STREAM: the peer sent it, or we did.
  enum class ResetBy : uint8_t {
    kPeer,
    kProtocol,  // the peer broke RFC 9113
    kTooLarge,  // a field section over the limits
    kGuard,     // a guard that acts on streams alone
    kMemory,    // no buffer was left for the stream
  };

  // The stream ended other than by both END_STREAMs. The last word about s.
  virtual void on_reset(Stream& s, ErrorCode code, ResetBy by) = 0;

  // Both sides ended and everything is in the output. The last word about s. Neither this nor
  // on_reset is called for streams that the owner itself ended with reset() or
  // reset_after_output().
  virtual void on_closed(Stream& s) = 0;

  // GOAWAY from the peer: no stream can be opened any more. Client role: streams above
  // last_stream_id were not processed; the owner walks them with for_each_stream. `debug` lives
  // as long as the call.
  virtual void on_goaway(uint32_t last_stream_id, ErrorCode code, std::string_view debug) = 0;

  // Client role: whether one more RST_STREAM may leave for the peer now; each of them, whoever
  // caused it, is asked for first. One that may not waits for release_resets().
  virtual bool may_reset() { return true; }

  // The peer's SETTINGS arrived.
  virtual void on_settings() = 0;

  virtual void on_ping_ack(uint64_t opaque) = 0;

  // To the peer and back, as far as it is known; zero: not at all. Windows grow by it.
  virtual Duration round_trip() const { return {}; }

  // A guard acted on something that the peer did, and the connection lives on: for the log, once a
  // guard and connection, so that nobody can flood it. Both strings live for ever.
  virtual void on_guard(const char* /*guard*/, const char* /*what*/) {}

 protected:
  ~Handler() = default;
};

}  // namespace sluice::http2
