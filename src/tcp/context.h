#pragma once
// State that all connections of one stack share.

#include <array>
#include <optional>
#include <span>

#include "base/chrono.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "ip/output.h"
#include "tcp/challenge_limit.h"
#include "tcp/config.h"
#include "tcp/counters.h"
#include "tcp/episode.h"
#include "tcp/flow_table.h"
#include "tcp/header.h"
#include "tcp/peers.h"
#include "tcp/process.h"
#include "tcp/receive_queues.h"
#include "tcp/scoreboard.h"
#include "tcp/state.h"
#include "tcp/time_wait.h"
#include "tcp/user.h"

namespace sluice::tcp {

// Lists in which a connection waits for the stack; a connection is in one of them at most.
struct Waiting;

// Fragments a segment; with more of them the segment is shorter.
inline constexpr size_t kMaxPieces = 64;

struct Context {
  Context(const Config& config, ip::Output& output, TimerWheel& wheel, buf::Memory& memory,
          Counters& counters, const SipKey& secret, Process* process);
  ~Context();

  // Sends one segment, with its payload from `pieces`.
  ip::Sent send(const Endpoint& local, const Endpoint& remote, const Header& header,
                uint8_t tos = 0, std::span<const buf::Fragment> pieces = {}, uint32_t size = 0,
                uint16_t segment_size = 0);

  // Answers a segment that belongs to no connection (RFC 9293, 3.10.7.1).
  void send_reset(const Endpoint& local, const Endpoint& remote, const Header& to, uint32_t size);

  // Whether a four-tuple that was answered at `last` may be answered again with an ACK that a
  // stranger can provoke. If so, `last` becomes now.
  bool may_answer(Time& last);
  // The same for a connection's challenge ACK (RFC 5961), to which the process's limit applies,
  // too.
  bool may_challenge(Time& last);

  Config config;
  ip::Output& output;
  TimerWheel& wheel;
  buf::Memory& memory;
  Counters& counters;
  const SipKey secret;
  FlowTable table;
  TimeWaits time_waits;
  Peers peers;                                   // of accepted connections
  std::optional<ChallengeLimit> own_challenges;  // without a process of several workers
  ChallengeLimit& challenges;
  ReceiveQueues receive_queues;
  Scoreboard::Pool segments;
  Slab<Episode> episodes;
  Time now{};
  StateTrace* trace = nullptr;                   // may be null
  std::array<buf::Fragment, kMaxPieces> pieces;  // of the segment that is being sent
  // Connections with something to send at the next flush.
  List<Connection, Waiting> touched;
  // Connections that found no buffer to send; they try again in a moment.
  List<Connection, Waiting> starved;
  // Connections that would open their windows if there was memory.
  List<Connection, Waiting> withheld;
  List<Connection, Waiting> ended;  // connections that wait for on_closed
};

}  // namespace sluice::tcp
