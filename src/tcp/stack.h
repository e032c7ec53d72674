#pragma once
// TCP in user space (RFC 9293) for one worker: connections, listeners, demultiplexing. Sans-IO:
// segments and `now` come in, segments go out through ip::Output, deadlines sit on the worker's
// timer wheel. Nothing here is shared between workers.

#include <cstdint>
#include <memory>

#include "base/address.h"
#include "base/chrono.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "buf/queue.h"
#include "ip/output.h"

namespace sluice::tcp {

class Connection;  // tcp/connection.h

// Why a connection ended.
enum class CloseReason : uint8_t {
  kFinished,     // both directions closed in order
  kReset,        // RST from the peer, or the peer refused the connection
  kTimeout,      // no answer: SYN, retransmission, keepalive or user timeout ran out
  kUnreachable,  // no route, or the neighbour does not resolve
  kAborted,      // abort() here
};

// What a connection tells its owner. Callbacks run inside Stack::input, Stack::flush or a timer. A
// callback may send, close or abort any connection, its own included; the Connection object stays
// valid until on_closed has returned, and is gone afterwards.
class User {
 public:
  virtual void on_established(Connection& c) = 0;
  // In order, every byte once. The owner calls c.consumed(n) when it has taken n bytes (at once or
  // later): only then does the receive window open again.
  virtual void on_data(Connection& c, buf::Slice data) = 0;
  // The peer's FIN was reached; sending goes on being possible.
  virtual void on_end_of_data(Connection& c) = 0;
  // Bytes were acknowledged and send_space() grew after it had been too small for the owner.
  virtual void on_writable(Connection& c) = 0;
  // The last word about c.
  virtual void on_closed(Connection& c, CloseReason reason) = 0;

 protected:
  ~User() = default;
};

class Acceptor {
 public:
  // A connection completed its handshake: the answer is its owner, or nullptr to reset it.
  virtual User* on_accept(Connection& c) = 0;

 protected:
  ~Acceptor() = default;
};

/*
Public face of Connection (tcp/connection.h), as its owner sees it:

  const Endpoint& local() const, remote() const;
  void* / User*            user() const;  void set_user(User*);
  buf::Queue&   send_queue();      // append to it, then call push(); never trim it
  uint32_t      send_space() const;// bytes the send buffer still takes (a soft limit: the queue itself takes any amount)
  void          push();            // there are new bytes in send_queue(): marks the connection for the stack's flush
  void          close();           // FIN after all queued bytes; receiving goes on (half-close)
  void          abort();           // RST now; on_closed(kAborted) follows at the next flush
  void          consumed(uint32_t n);  // opens the receive window
  uint64_t      transmitted() const;   // send_queue() position below which bytes have been put on the wire at least once
  uint64_t      acknowledged() const;  // send_queue() position below which the peer has acknowledged
  Duration      smoothed_rtt() const;
  bool          established() const; ...
*/

}  // namespace sluice::tcp
