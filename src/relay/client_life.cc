// Idleness, age and the limit of streams: why a client's connection without faults is drained.

#include <algorithm>

#include "relay/client_connection.h"

namespace sluice::relay {

namespace {

bool on(Duration limit) {
  return limit > Duration::zero();
}

}  // namespace

void ClientConnection::begin_life() {
  const Duration age = context_.timeouts.max_connection_age;
  if (on(age)) {
    // 10 % either way: clients that came together do not return together.
    const auto jittered =
        static_cast<double>(age.count()) * (0.9 + 0.2 * context_.random.uniform());
    age_ends_ = context_.now + Duration(static_cast<Duration::rep>(jittered));
  }
  arm_life();
}

void ClientConnection::arm_life() {
  Time next = age_ends_;
  const Duration silence = context_.timeouts.client_idle;
  if (idle_ && on(silence) && drain_ == Drain::kNo) next = std::min(next, idle_since_ + silence);
  if (next != kNever) context_.wheel.arm(life_timer_, next);
}

void ClientConnection::on_life_timer() {
  const Time now = context_.now;
  const Duration silence = context_.timeouts.client_idle;
  stats::Relay& stats = context_.stats.relay;
  if (grace_ && now >= age_ends_) {
    age_ends_ = kNever;
    end("the connection has reached its greatest age");
    return;
  }
  if (now >= age_ends_) {
    age_ends_ = kNever;
    if (drain_ == Drain::kNo && !closing_) {
      ++stats.client_age_goaways;
      drain();
    }
    const Duration grace = context_.timeouts.max_connection_age_grace;
    if (on(grace)) age_ends_ = now + grace;
    grace_ = true;
  } else if (idle_ && on(silence) && now >= idle_since_ + silence && drain_ == Drain::kNo &&
             !closing_) {
    ++stats.client_idle_goaways;
    drain();
  }
  arm_life();
}

// The timer moves only to fire earlier. When it fires too early, it is armed again. So calls one
// after the other do not touch it.
void ClientConnection::on_idle() {
  idle_ = true;
  idle_since_ = context_.now;
  // A client of HTTP/1.1 whose last answer did not announce the drain may have sent its next
  // request.
  if (drain_ == Drain::kAnnounced && http_->credits()) arm_drain(kDrainPing);
  const Duration silence = context_.timeouts.client_idle;
  if (on(silence) && life_timer_.deadline() > idle_since_ + silence) arm_life();
}

void ClientConnection::count_stream() {
  idle_ = false;
  ++streams_begun_;
  // Ids that the client skipped are used up, too.
  const uint32_t ids = http_->streams_begun();
  if (ids < context_.limits.max_connection_streams || drain_ != Drain::kNo) return;
  if (streams_begun_ >= ids / 2) {
    ++context_.stats.relay.client_count_goaways;
  } else {
    ++context_.stats.relay.guard_stream_ids;
    on_guard("stream_ids", "skipped most of its stream ids");
  }
  drain();
}

void ClientConnection::begin_linger() {
  stream_->consumed(UINT32_MAX);         // also the bytes that waited
  if (drain_ == Drain::kEnding) return;  // a reset is near
  drain_ = Drain::kLingering;
  leaving().linger_ends = context_.now + kLingerUnused;
  arm_drain(kLingerSilence);
}

void ClientConnection::linger_on(uint32_t n) {
  stream_->consumed(n);
  ClientLeaving& leaving = this->leaving();
  if (leaving.last_drained == kNever) leaving.linger_ends = context_.now + kLinger;
  leaving.last_drained = context_.now;
}

// TCP's own timeouts hold while the answer is not acknowledged. A peer that only answers probes of
// the window, or sends some, moves nothing here.
void ClientConnection::on_linger_timer() {
  const Time now = context_.now;
  if (evicted_) return;
  ClientLeaving& leaving = this->leaving();
  const bool taken = stream_->acknowledged() >= stream_->output().end();
  const bool silent =
      leaving.last_drained != kNever && now >= leaving.last_drained + kLingerSilence;
  if (taken && leaving.last_drained != kNever && now >= leaving.linger_ends) {
    ++context_.stats.relay.guard_discarded;
    on_guard("discarded", "sent on and on behind the end of its connection");
  }
  if (taken && (silent || now >= leaving.linger_ends)) {
    evict("the client did not end its side");
    return;
  }
  if (!taken) leaving.linger_ends = std::max(leaving.linger_ends, now + kLinger);
  arm_drain(1s);
}

}  // namespace sluice::relay
