// Everything that ends a call because of time.

#include <algorithm>

#include "relay/exchange.h"
#include "relay/grpc_timeout.h"
#include "relay/service.h"

namespace sluice::relay {

using http::Name;

void Exchange::set_limits() {
  if (grpc_ && replay_->headers.has(Name::kGrpcTimeout)) {
    std::string_view timeout;
    size_t found = 0;
    for (const http::Field f : replay_->headers)
      if (f.id == Name::kGrpcTimeout && ++found == 1) timeout = f.value;
    // Two are as malformed as a wrong one: nobody knows which one the pod believes.
    if (found == 1) set_deadline(timeout);
  }
  const auto ends = [&](Duration d) { return d > Duration::zero() ? arrived_ + d : kNever; };
  call_ends_ = ends(service_.call_timeout());
  age_ends_ = ends(service_.max_stream_age());
  idle_ = service_.stream_idle_timeout();
  arm();
}

// A malformed value crosses as it is and binds nobody here.
void Exchange::set_deadline(std::string_view text) {
  const auto timeout = parse_grpc_timeout(text);
  if (timeout && *timeout < kLongestGrpcTimeout) deadline_ = arrived_ + *timeout;
}

// The pod has to count from its own arrival of the HEADERS: what the call has spent here is gone.
void Exchange::tell_time_left() {
  if (deadline_ == kNever) return;
  const Time end = std::min(deadline_, call_ends_);
  if (end == deadline_ && context_.now == arrived_) return;  // the client's own words
  replay_->headers.replace(Name::kGrpcTimeout, GrpcTimeoutText(end - context_.now).view());
}

void Exchange::begin_wait(Duration most) {
  wait_began_ = context_.now;
  wait_ends_ = context_.now + std::max(most - waited_, Duration::zero());
  arm();
}

// The timer stays where it is; when it fires, it finds its next reason.
void Exchange::end_wait() {
  waited_ += context_.now - wait_began_;
  wait_ends_ = kNever;
}

void Exchange::arm() {
  Time next = std::min(
      {deadline_, call_ends_, age_ends_, wait_ends_, try_ends_, retry_at_, refused_until_});
  if (idle_ > Duration::zero()) next = std::min(next, active_at_ + idle_);
  if (next == kNever) {
    timer_.disarm();
  } else if (next != timer_.deadline()) {
    context_.wheel.arm(timer_, next);
  }
}

void Exchange::on_timer() {
  const Time now = context_.now;
  stats::Relay& stats = context_.stats.relay;
  if (now >= deadline_) {
    expire_deadline();
  } else if (now >= call_ends_) {
    ++stats.call_timeouts;
    expire(kDeadlineExceeded, "the call took longer than it may");
  } else if (now >= age_ends_) {
    ++stats.stream_ages;
    expire(kUnavailable, "the stream has reached its greatest age");
  } else if (idle_ > Duration::zero() && now >= active_at_ + idle_) {
    if (client_stream_ != nullptr) ++stats.stream_idle_timeouts;
    expire(kDeadlineExceeded, "the stream was idle for too long");
  } else if (now >= wait_ends_) {
    service_.on_queue_timeout(*this);
  } else if (now >= try_ends_) {
    on_try_timeout();
  } else if (now >= retry_at_) {
    on_backoff();
  } else if (now >= refused_until_) {
    refused_until_ = kNever;
    arm();
    retry();
  } else {
    arm();
  }
}

void Exchange::expire_deadline() {
  ++context_.stats.relay.deadlines;
  expire(kDeadlineExceeded,
         attached() ? "deadline exceeded" : "deadline exceeded while waiting for an endpoint");
}

void Exchange::expire(const Verdict& verdict, const char* message, stats::Failure why) {
  cancel_pod(client_);
  if (response_ended_) {
    finish_early();
  } else {
    tell(verdict, message, why);
  }
}

}  // namespace sluice::relay
