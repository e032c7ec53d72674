// Counts this process's own TCP connections to one remote port, from outside gRPC, which hides
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>

namespace sluice::lab {

class Connections {
 public:
  explicit Connections(std::uint16_t remote_port) : remote_port_(remote_port) {}

  // Looks at the process's sockets. A connection shorter than the time between two looks may be
  // missed.
  void look();

  // Different local ports seen so far: more than the number of channels means that a channel
  // connected again.
  std::size_t ever() const { return local_ports_.size(); }
  std::size_t now() const { return now_; }

 private:
  const std::uint16_t remote_port_;
  std::set<std::uint16_t> local_ports_;
  std::size_t now_ = 0;
};

}  // namespace sluice::lab
