#pragma once
// Makes streams of one kind, plain or secure, over TCP connections.

#include "base/address.h"
#include "base/chrono.h"
#include "tcp/connection.h"
#include "transport/stream.h"

namespace sluice::transport {

// One for each kind and worker; outlives its streams.
class Layer {
 public:
  // Makes the stream of a connection that TCP accepted. The caller then sets its user. TCP's
  // Acceptor returns `tcp_user` to the stack.
  struct Accepted {
    StreamPtr stream;
    tcp::User* tcp_user;
  };
  virtual Accepted accept(tcp::Connection& connection) = 0;
  // Begins to connect to `remote`. nullptr when that is impossible now: no address, port or place.
  virtual StreamPtr connect(const Endpoint& remote, User& user, Time now) = 0;

 protected:
  ~Layer() = default;
};

}  // namespace sluice::transport
