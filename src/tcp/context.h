#pragma once
// What the connections of one stack share.

#include <array>
#include <span>

#include "base/chrono.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/timer_wheel.h"
#include "base/token_bucket.h"
#include "buf/memory.h"
#include "ip/output.h"
#include "tcp/config.h"
#include "tcp/counters.h"
#include "tcp/flow_table.h"
#include "tcp/header.h"
#include "tcp/receive_queue.h"
#include "tcp/scoreboard.h"
#include "tcp/time_wait.h"
#include "tcp/user.h"

namespace sluice::tcp {

// Lists in which a connection waits for the stack's attention; it is in one at most.
struct Waiting;

inline constexpr size_t kMaxPieces = 64;  // fragments a segment; more of them make it shorter

struct Context {
  Context(const Config& config, ip::Output& output, TimerWheel& wheel, buf::Memory& memory,
          Counters& counters, const SipKey& secret);
  ~Context();

  // One segment, payload from `pieces`.
  ip::Sent send(const Endpoint& local, const Endpoint& remote, const Header& header,
                uint8_t tos = 0, std::span<const buf::Fragment> pieces = {}, uint32_t size = 0,
                uint16_t segment_size = 0);

  // The answer to a segment that belongs to nothing (RFC 9293, 3.10.7.1).
  void send_reset(const Endpoint& local, const Endpoint& remote, const Header& to, uint32_t size);

  // The ACK of RFC 5961 with these numbers, if the rate allows.
  bool may_challenge();

  Config config;
  ip::Output& output;
  TimerWheel& wheel;
  buf::Memory& memory;
  Counters& counters;
  const SipKey secret;
  FlowTable table;
  TimeWaits time_waits;
  TokenBucket challenges;
  ReceiveQueue::Pools receive_pools;
  Scoreboard::Pool segments;
  Time now{};
  std::array<buf::Fragment, kMaxPieces> pieces;  // of the segment that is being sent
  List<Connection, Waiting> touched;             // have something to send at the next flush
  List<Connection, Waiting> starved;  // could not send for want of buffers: tried again in a moment
  List<Connection, Waiting> ended;    // wait for on_closed
};

}  // namespace sluice::tcp
