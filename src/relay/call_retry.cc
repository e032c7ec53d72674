// Further attempts. First, attempts of calls that provably no pod has begun. Then, attempts by a
// service's retry policy, of calls that a pod may have begun: these need that nothing of an answer
// has reached the client, and that all of the request so far is kept.

#include <charconv>

#include "relay/call.h"
#include "relay/client_connection.h"
#include "relay/service.h"

namespace sluice::relay {

using upstream::PodConnection;

using http::Name;
using Limit = CallTimers::Limit;

namespace {

// RFC 9110, 9.2.2.
bool idempotent(std::string_view method) {
  for (const std::string_view m : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
    if (method == m) return true;
  return false;
}

// The whole text as a number.
template <class Int>
std::optional<Int> number(std::string_view text) {
  Int n{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

// A pushback of the pod cannot keep a call for longer.
constexpr Duration kLongestPushback = std::chrono::minutes(1);

}  // namespace

void Call::retry() {
  if (client_stream_ == nullptr) {
    end_if_over();
    return;
  }
  ++context_.stats.relay.retries;
  service_.assign(*this, true);
}

// A pod that has not refused the call yet gets the call at once. When there is none, the pods that
// refused are asked for another connection, and asked again a little later: most refuse for want of
// room.
void Call::retry_refused() {
  if (client_stream_ == nullptr || service_.has_untried(*this)) {
    retry();
    return;
  }
  service_.grow_after_refusal();
  service_.begin_pause();
  timers_.set(Limit::kRefused, context_.now + retries_.next_refused_wait());
  timers_.arm(context_.wheel);
}

void Call::accuse() {
  retries_.accuse();
  ++context_.stats.relay.suspect_tries;
}

void Call::fail_suspect() {
  ++context_.stats.relay.suspects_failed;
  fail("two pods ended their connections under the call", stats::Failure::kPodLost);
}

bool Call::repeatable(const config::Retry& policy) const {
  if (policy.idempotent) return true;
  const auto method = kept_.headers().find(Name::kMethod);
  return method && idempotent(*method);
}

bool Call::retried_answer(const http::FieldList& fields, bool end) {
  const config::Retry& policy = *service_.retry();
  if (!may_repeat() || !attached()) return false;
  const auto grpc = end ? fields.find(Name::kGrpcStatus) : std::nullopt;
  if (grpc) {
    const auto status = number<uint32_t>(*grpc);
    if (!status || *status >= policy.grpc_statuses.size() || !policy.grpc_statuses[*status])
      return false;
  } else {
    const auto status = number<uint32_t>(fields.find(Name::kStatus).value_or(""));
    if (!status || *status >= policy.http_statuses.size() || !policy.http_statuses[*status] ||
        !repeatable(policy))
      return false;
  }
  // gRFC A6: the time of the next attempt; when negative, or no number, there is none.
  std::optional<Duration> pushback;
  if (const auto text = fields.find(Name::kGrpcRetryPushbackMs)) {
    const auto ms = number<int32_t>(*text);
    if (!ms || *ms < 0 || std::chrono::milliseconds(*ms) > kLongestPushback) {
      ++context_.stats.relay.retry_pushbacks;
      return false;
    }
    pushback = std::chrono::milliseconds(*ms);
  }
  if (!try_again(policy, pushback)) return false;
  PodConnection& pod = attempt_.connection();
  ++attempt_.stats().retried;
  retries_.remember(attempt_.pod().slot());
  context_.touch(pod);
  http::Stream& s = detach();
  // A stream that both sides have ended closes by itself.
  const bool over = end && s.output_done();
  if (!over) pod.cancel(s, http::EndReason::kCancelled, client_);
  return true;
}

bool Call::retried_loss(uint32_t pod_slot) {
  const config::Retry* policy = service_.retry();
  if (policy == nullptr || !policy->resets || !may_repeat() || !repeatable(*policy) ||
      !try_again(*policy, std::nullopt))
    return false;
  ++context_.stats.pod(pod_slot).retried;
  retries_.remember(pod_slot);
  return true;
}

bool Call::retried_stale(uint32_t pod_slot) {
  if (!may_repeat() || response_ != Response::kNone) return false;
  const auto method = kept_.headers().find(Name::kMethod);
  // An extended CONNECT is a GET at an HTTP/1.1 pod.
  const bool safe = method && (idempotent(*method) || kept_.headers().has(Name::kProtocol));
  if (!safe || !retries_.take_transparent(context_.limits.transparent_retries)) return false;
  ++context_.stats.pod(pod_slot).retried;
  ++context_.stats.relay.stale_retries;
  retry();
  return true;
}

// Decides whether the call is tried again, and starts the wait until then.
bool Call::try_again(const config::Retry& policy, std::optional<Duration> pushback) {
  if (!retries_.attempt_left(policy)) return false;
  const Duration delay = pushback ? *pushback : retries_.backoff(policy, context_.random);
  // An answer now is worth more than no answer at the deadline.
  if (context_.now + delay >= timers_.call_ends()) return false;
  if (!service_.retry_budget().take(context_.now)) {
    ++context_.stats.relay.retry_budget_refusals;
    return false;
  }
  retries_.take_attempt(pushback.has_value());
  timers_.clear(Limit::kTry);
  service_.begin_pause();
  timers_.set(Limit::kBackoff, context_.now + delay);
  timers_.arm(context_.wheel);
  return true;
}

void Call::on_backoff() {
  timers_.clear(Limit::kBackoff);
  service_.end_pause();
  ++context_.stats.relay.policy_retries;
  if (grpc_) {
    // A client that retries itself has counted its own attempts.
    http::FieldList& headers = kept_.headers();
    const auto before = headers.find(Name::kGrpcPreviousRpcAttempts);
    const std::string now = std::to_string(before ? number<uint16_t>(*before).value_or(0) + 1 : 1);
    if (before) {
      headers.replace(Name::kGrpcPreviousRpcAttempts, now);
    } else {
      headers.add(Name::kGrpcPreviousRpcAttempts, now);
    }
  }
  timers_.arm(context_.wheel);
  service_.assign(*this, true);
}

// The request is whole, and with a pod: per_try_timeout begins.
void Call::arm_try_timeout() {
  const config::Retry* policy = service_.retry();
  if (policy == nullptr || policy->per_try_timeout == Duration::zero() ||
      response_ != Response::kNone)
    return;
  timers_.set(Limit::kTry, context_.now + policy->per_try_timeout);
  timers_.arm(context_.wheel);
}

void Call::on_try_timeout() {
  timers_.clear(Limit::kTry);
  const config::Retry* policy = service_.retry();
  // A call that cannot be tried again gets the time that it needs.
  if (policy == nullptr || !attached() || !may_repeat() || !repeatable(*policy)) {
    timers_.arm(context_.wheel);
    return;
  }
  ++context_.stats.relay.try_timeouts;
  pods::Pod& pod = attempt_.pod();
  cancel_attempt(client_);
  if (try_again(*policy, std::nullopt)) {
    ++pod.stats().retried;
    retries_.remember(pod.slot());
    return;
  }
  ++pod.stats().failed;
  tell(kDeadlineExceeded, "no endpoint answered in time", stats::Failure::kTime);
}

}  // namespace sluice::relay
