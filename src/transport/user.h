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

// Calls come from inside TCP's input, its flush, or a timer. From there the user may send on, close
// or abort any stream, including the calling one. The Stream stays valid until on_closed has
// returned.
class User {
 public:
  // Bytes can be sent: the connection is there, and its handshakes are done. An accepted stream
  // calls it at most once, and only after a handshake.
  virtual void on_established(Stream& s) = 0;
  // A connect whose handshakes go on: the peer has answered the first of them, TCP's. The user does
  // not end the stream from here.
  virtual void on_answer(Stream&) {}
  // Plain bytes, in order, every byte once. The user calls s.consumed(n) when it has taken n bytes,
  // at once or later; the receive window opens only then. The slice may lie in the receive pool:
  // data kept beyond the call goes through buf::Memory::retain.
  virtual void on_data(Stream& s, buf::Slice data) = 0;
  // Data arrived ahead of a gap, and waits in buffers for the gap to close.
  virtual void on_gap(Stream&) {}
  // The peer sends no more. Sending is still possible.
  virtual void on_end_of_data(Stream& s, End end) = 0;
  // Bytes were acknowledged, and room() has grown past half the send buffer after it was less.
  virtual void on_writable(Stream& s) = 0;
  // The user has work under way on s. When a table is full of connections, idle ones go first.
  virtual bool busy(const Stream&) const { return false; }
  // silent: the peer may be gone, since a retransmission timeout expired. Not silent: bytes were
  // acknowledged after all. Only changes are reported.
  virtual void on_silence(Stream&, bool /*silent*/) {}
  // No call about s follows.
  virtual void on_closed(Stream& s, CloseReason reason) = 0;

 protected:
  ~User() = default;
};

}  // namespace sluice::transport
