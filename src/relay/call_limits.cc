// All ends of a call by time.

#include <algorithm>

#include "relay/call.h"
#include "relay/client_connection.h"
#include "relay/grpc_timeout.h"
#include "relay/service.h"

namespace sluice::relay {

using http::Name;
using Limit = CallTimers::Limit;

void Call::set_limits() {
  if (grpc_ && kept_.headers().has(Name::kGrpcTimeout)) set_deadline();
  const auto limit = [&](Limit which, Duration d) {
    if (d > Duration::zero()) timers_.set(which, timers_.arrived() + d);
  };
  limit(Limit::kCallTimeout, service_.config().call_timeout);
  limit(Limit::kMaxAge, service_.config().max_stream_age);
  timers_.set_idle_timeout(service_.config().stream_idle_timeout);
  timers_.arm(context_.wheel);
}

void Call::bound_half_open_tunnel() {
  const Duration most = context_.guards.stall_timeout;
  if (most <= Duration::zero()) return;
  const Duration idle = timers_.idle_timeout();
  timers_.set_idle_timeout(idle > Duration::zero() ? std::min(idle, most) : most);
  timers_.arm(context_.wheel);
}

// A malformed grpc-timeout crosses unchanged and sets no deadline here. Two values are as malformed
// as a wrong one: nobody knows which of them the pod believes.
void Call::set_deadline() {
  std::string_view text;
  size_t found = 0;
  for (const http::Field f : kept_.headers())
    if (f.id == Name::kGrpcTimeout && ++found == 1) text = f.value;
  if (found != 1) return;
  const auto timeout = parse_grpc_timeout(text);
  if (timeout && *timeout < kLongestGrpcTimeout)
    timers_.set(Limit::kDeadline, timers_.arrived() + *timeout);
}

// The pod counts from the arrival of the HEADERS at the pod. So the time that the call has spent
// here is subtracted.
void Call::tell_time_left() {
  const Time deadline = timers_.end(Limit::kDeadline);
  if (deadline == kNever) return;
  const Time end = std::min(deadline, timers_.end(Limit::kCallTimeout));
  if (end == deadline && context_.now == timers_.arrived()) return;  // the client's own text
  kept_.headers().replace(Name::kGrpcTimeout, GrpcTimeoutText(end - context_.now).view());
}

void Call::on_timer() {
  stats::Relay& stats = context_.stats.relay;
  switch (timers_.due(context_.now)) {
    case Limit::kDeadline:
      expire_deadline();
      return;
    case Limit::kCallTimeout:
      ++stats.call_timeouts;
      expire(kDeadlineExceeded, "the call took longer than it may");
      return;
    case Limit::kMaxAge:
      ++stats.stream_ages;
      expire(kUnavailable, "the stream has reached its greatest age");
      return;
    case Limit::kIdle:
      if (client_stream_ != nullptr && !answer_whole()) ++stats.stream_idle_timeouts;
      expire(kDeadlineExceeded, "the stream was idle for too long");
      return;
    case Limit::kWait:
      service_.on_queue_timeout(*this);
      return;
    case Limit::kTry:
      on_try_timeout();
      return;
    case Limit::kBackoff:
      on_backoff();
      return;
    case Limit::kRefused:
      timers_.clear(Limit::kRefused);
      service_.end_pause();
      timers_.arm(context_.wheel);
      retry();
      return;
    case Limit::kNone:
      timers_.arm(context_.wheel);
      return;
  }
}

void Call::expire_deadline() {
  ++context_.stats.relay.deadlines;
  expire(kDeadlineExceeded,
         attached() ? "deadline exceeded" : "deadline exceeded while waiting for an endpoint");
}

void Call::expire(const Verdict& verdict, const char* message, stats::Failure why) {
  cancel_attempt(client_);
  if (answer_whole()) {
    finish_early();
  } else {
    tell(verdict, message, why);
  }
}

}  // namespace sluice::relay
