#pragma once
// The owner of a connection, as a codec calls it.

#include <cstdint>
#include <string_view>

#include "base/chrono.h"
#include "buf/slice.h"
#include "http/end_reason.h"
#include "http/fields.h"
#include "http/stream.h"

namespace sluice::http {

// The peer takes no more streams on the connection (RFC 9113, 6.8).
struct Goaway {
  EndReason reason = EndReason::kNoError;
  const char* code = "";        // the protocol's own name of the reason, for the log
  std::string_view debug;       // the peer's text; valid during the call
  uint32_t last_stream_id = 0;  // streams above it were not processed
};

// Called from inside the connection's own functions. From there the owner may call anything on any
// connection, including reset() of the same stream. Streams without an owner are not reported,
// except a request's first section.
class Handler {
 public:
  enum class Section : uint8_t {
    kRequest,
    kInformational,
    kResponse,
    kTrailers,
    // Client role: a final answer of success to a request for a tunnel, which opens none. The peer
    // ignored the Upgrade (RFC 9110, 7.8), and answered the request as any other.
    kDeclined,
  };

  // A whole, validated field section (RFC 9113, 8.2 and 8.3; in HTTP/2's form, with pseudo-header
  // fields, for every protocol). The list may be swapped away. A request opens the stream:
  // set_owner() ties the stream, and a stream left without an owner is refused.
  virtual void on_headers(Stream& s, Section section, FieldList& fields, bool end_stream) = 0;

  // A piece of the body, not yet retained. `data` may be empty when end_stream is set. consumed()
  // lets the peer send more on the stream.
  virtual void on_data(Stream& s, buf::Slice data, bool end_stream) = 0;

  // `n` bytes of the stream's body went into the output. The other side may send as much.
  virtual void on_sent(Stream& s, uint32_t n) = 0;

  // The stream ended early. No call about `s` follows.
  virtual void on_reset(Stream& s, EndReason reason, EndedBy by) = 0;

  // Both sides ended and everything is in the output. No call about `s` follows. Neither on_closed
  // nor on_reset is called for streams that the owner itself ended with reset() or
  // reset_after_output().
  virtual void on_closed(Stream& s) = 0;

  // The peer takes no more streams. Client role: the owner finds the streams that were not
  // processed with for_each_stream.
  virtual void on_goaway(const Goaway& goaway) = 0;

  // Client role: whether one more reset of a stream may leave for the peer now. The connection asks
  // before each reset, whatever its cause. A reset that may not leave waits for release_resets().
  virtual bool may_reset() { return true; }

  // The peer announced its limits, first or again: it is ready for streams.
  virtual void on_settings() = 0;

  // The answer to ping().
  virtual void on_ping_ack(uint64_t opaque) = 0;

  // The round-trip time to the peer; zero: not known. Receive windows grow by it.
  virtual Duration round_trip() const { return {}; }

  // A guard acted on something that the peer did, and the connection lives on. For the log, once
  // for each guard and connection, so that nobody can flood it. Both strings live for ever.
  virtual void on_guard(const char* /*guard*/, const char* /*what*/) {}

 protected:
  ~Handler() = default;
};

}  // namespace sluice::http
