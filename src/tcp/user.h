#pragma once
// The interface to the owner of a connection, and the reasons why a connection ends.

#include <cstdint>

#include "buf/slice.h"

namespace sluice::tcp {

class Connection;  // tcp/connection.h

// Why a connection ended.
enum class CloseReason : uint8_t {
  kFinished,     // both directions closed in order
  kReset,        // RST from the peer, or the peer refused the connection
  kTimeout,      // no answer: SYN, retransmission, keepalive or user timeout ran out
  kUnreachable,  // no route, or the neighbour does not resolve
  kAborted,      // abort() here
  // close() here, and the peer did not take the queued bytes: Config::closing_timeout.
  kNotTaken,
};

// The callbacks to a connection's owner. They run inside Stack::input, Stack::flush or a timer. A
// callback may send, close or abort any connection, its own included. The Connection object stays
// valid until on_closed has returned, and is gone afterwards.
class User {
 public:
  // Only for connections that Stack::connect made: an accepted connection is established already
  // when on_accept is asked for its owner.
  virtual void on_established(Connection& c) = 0;
  // In order, every byte once. The owner calls c.consumed(n) when it has taken n bytes (at once or
  // later): only then does the receive window open again. The slice may lie in the receive pool:
  // the owner passes what it keeps after the call through buf::Memory::retain.
  virtual void on_data(Connection& c, buf::Slice data) = 0;
  // Data arrived ahead of a gap: Connection::out_of_order_buffers() may have grown.
  virtual void on_gap(Connection&) {}
  // The peer's FIN was reached; the owner may still send (half-closed).
  virtual void on_end_of_data(Connection& c) = 0;
  // Bytes were acknowledged, and send_space() grew past half the send buffer after it was less.
  virtual void on_writable(Connection& c) = 0;
  // Whether the owner has work under way on c. A full table drops connections without work first.
  virtual bool busy(const Connection&) const { return false; }
  // silent: a retransmission timeout expired, of data or of the SYN, so the peer may be gone. Not
  // silent: bytes were acknowledged after all. Only changes are reported.
  virtual void on_silence(Connection&, bool /*silent*/) {}
  // The last callback about c.
  virtual void on_closed(Connection& c, CloseReason reason) = 0;

 protected:
  ~User() = default;
};

class Acceptor {
 public:
  // A connection completed its handshake. Returns its owner, or nullptr to reset it.
  virtual User* on_accept(Connection& c) = 0;

 protected:
  ~Acceptor() = default;
};

}  // namespace sluice::tcp
