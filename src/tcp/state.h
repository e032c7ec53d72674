#pragma once
// The states of a connection (RFC 9293, 3.3.2), and the ways that lead from one to another.

#include <cstdint>

#include "flow/key.h"

namespace sluice::tcp {

enum class State : uint8_t {
  kSynSent,
  kSynReceived,  // of a Connection only by simultaneous open: a passive open waits as HalfOpen
  kEstablished,
  kFinWait1,
  kFinWait2,
  kCloseWait,
  kClosing,
  kLastAck,
  kClosed,  // not begun, or ended (TIME-WAIT included, which is a record of its own)
};

// Figure 5 of RFC 9293 and the text around it. From every state a reset, an abort or a timeout
// leads to CLOSED.
constexpr bool is_transition(State from, State to) {
  switch (to) {
    case State::kSynSent:
      return from == State::kClosed;
    case State::kSynReceived:  // of a passive open: from LISTEN
      return from == State::kClosed || from == State::kSynSent;
    case State::kEstablished:
      return from == State::kSynSent || from == State::kSynReceived;
    case State::kFinWait1:
      return from == State::kSynReceived || from == State::kEstablished;
    case State::kFinWait2:
    case State::kClosing:
      return from == State::kFinWait1;
    case State::kCloseWait:
      return from == State::kEstablished;
    case State::kLastAck:
      return from == State::kCloseWait;
    case State::kClosed:
      return from != State::kClosed;
  }
  return false;
}

// Whether a connection in this state may end in order, without a reset or a timeout: through
// TIME-WAIT, or through LAST-ACK.
constexpr bool may_finish(State s) {
  return s == State::kFinWait2 || s == State::kClosing || s == State::kLastAck;
}

// For diagnosis: is told of every change of state of every connection.
class StateTrace {
 public:
  virtual void changed(const flow::Key& connection, State from, State to) = 0;

 protected:
  ~StateTrace() = default;
};

}  // namespace sluice::tcp
