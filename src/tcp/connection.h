#pragma once
// One TCP connection as its owner sees it.

#include <cstdint>

#include "base/address.h"
#include "base/chrono.h"
#include "buf/queue.h"
#include "tcp/user.h"

namespace sluice::tcp {

class Connection {
 public:
  const Endpoint& local() const;
  const Endpoint& remote() const;
  User* user() const;
  void set_user(User* user);

  // Bytes to send: append, then push(). TCP trims what is acknowledged; nobody else takes bytes
  // out. Appending after close() is an error.
  buf::Queue& send_queue();
  // Bytes that the send buffer still takes. A soft limit: the queue itself takes any amount.
  uint32_t send_space() const;
  // There are new bytes in send_queue(): they leave at the next Stack::flush.
  void push();
  // FIN after all queued bytes; receiving goes on (half-close).
  void close();
  // RST now, queued bytes are forgotten; on_closed(kAborted) follows at the next Stack::flush.
  void abort();
  // The owner is done with n bytes that on_data gave it: opens the receive window.
  void consumed(uint32_t n);

  // send_queue() position below which bytes have been put on the wire at least once.
  uint64_t transmitted() const;
  // send_queue() position below which the peer has acknowledged.
  uint64_t acknowledged() const;
  // Zero before the first measurement.
  Duration smoothed_rtt() const;
  // The handshake is done and the connection has not ended (half-closed ones count).
  bool established() const;
  // How long data may stay unacknowledged before the connection ends with kTimeout.
  void set_user_timeout(Duration timeout);
};

}  // namespace sluice::tcp
