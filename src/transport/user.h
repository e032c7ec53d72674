#pragma once
// The owner of a byte stream, as the stream calls it.

#include <cstdint>

#include "buf/slice.h"

namespace sluice::transport {

class Stream;  // transport/stream.h

// Why a stream ended.
enum class CloseReason : uint8_t {
  kFinished,     // both directions closed in order
  kReset,        // the peer reset the connection, or refused it
  kTimeout,      // no answer
  kUnreachable,  // no route, or the neighbour does not resolve
  kNotTaken,     // after close() the peer took the rest too slowly, or not at all
  kAborted,      // abort() here
};

// How the peer's direction ended.
enum class End : uint8_t {
  kClean,      // by the protocol's own mark: TCP's FIN, and behind TLS a close_notify alert
  kTruncated,  // TCP ended, and the security protocol above it had not (RFC 8446, 6.1)
};

// Calls come from inside TCP's input, its flush, or a timer. The user may send on, close or abort
// any stream from there, its own included. The Stream stays valid until on_closed has returned.
class User {
 public:
  // Bytes can be sent: the connection is there, and its handshakes are done. Streams that were
  // accepted call it at most once, if they need a handshake.
  virtual void on_established(Stream& s) = 0;
  // Plain bytes, in order, every byte once. The user calls s.consumed(n) when it has taken n bytes,
  // at once or later: only then does the receive window open again. The slice may lie in the
  // receive pool: what is kept beyond the call goes through buf::Memory::retain.
  virtual void on_data(Stream& s, buf::Slice data) = 0;
  // Data arrived ahead of a gap, and waits in buffers for the gap to close.
  virtual void on_gap(Stream&) {}
  // The peer sends no more; sending goes on being possible.
  virtual void on_end_of_data(Stream& s, End end) = 0;
  // Bytes were acknowledged, and room() grew past half the send buffer after it had been less.
  virtual void on_writable(Stream& s) = 0;
  // The user has work under way on s. With a table full of connections, those without go first.
  virtual bool busy(const Stream&) const { return false; }
  // silent: nobody may be there any more, since a retransmission timeout expired. Not silent: bytes
  // were acknowledged after all. Only changes are told.
  virtual void on_silence(Stream&, bool /*silent*/) {}
  // The last word about s.
  virtual void on_closed(Stream& s, CloseReason reason) = 0;

 protected:
  ~User() = default;
};

}  // namespace sluice::transport
