// Tries by a service's retry policy: of calls that a pod may have begun. Nothing of an answer has
// reached the client then, and all of the request so far is in the replay buffer.

#include <charconv>

#include "relay/client_connection.h"
#include "relay/exchange.h"
#include "relay/pod_connection.h"
#include "relay/service.h"

namespace sluice::relay {

using http::Name;

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

// A pod's word alone shall not keep a call for longer.
constexpr Duration kLongestPushback = std::chrono::minutes(1);

}  // namespace

bool Exchange::repeatable(const config::Retry& policy) const {
  if (policy.idempotent) return true;
  const auto method = replay_->headers.find(Name::kMethod);
  return method && idempotent(*method);
}

// What the call itself allows, whatever the policy.
bool Exchange::may_repeat() const {
  return client_stream_ != nullptr && !response_started_ && replayable_;
}

bool Exchange::retried_answer(const http::FieldList& fields, bool end) {
  const config::Retry& policy = *service_.retry();
  if (!may_repeat() || pod_stream_ == nullptr) return false;
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
  // gRFC A6: when to come again, or (negative, or no number) not at all.
  std::optional<Duration> delay;
  if (const auto pushback = fields.find(Name::kGrpcRetryPushbackMs)) {
    const auto ms = number<int32_t>(*pushback);
    if (!ms || *ms < 0 || std::chrono::milliseconds(*ms) > kLongestPushback) {
      ++context_.stats.relay.retry_pushbacks;
      return false;
    }
    delay = std::chrono::milliseconds(*ms);
  }
  if (!try_again(policy, delay)) return false;
  PodConnection* pod = pod_;
  http::Stream* s = pod_stream_;
  ++pod->pool().pod().stats().retried;
  remember_tried(pod->pool().pod().slot());
  context_.touch(*pod);
  detach_pod();
  // A stream that both sides have ended closes by itself.
  const bool over = end && s->output_done();
  if (!over) pod->cancel(*s, http::EndReason::kCancelled, client_);
  return true;
}

bool Exchange::retried_loss(uint32_t pod_slot) {
  const config::Retry* policy = service_.retry();
  if (policy == nullptr || !policy->resets || !may_repeat() || !repeatable(*policy) ||
      !try_again(*policy, std::nullopt))
    return false;
  ++context_.stats.pod(pod_slot).retried;
  remember_tried(pod_slot);
  return true;
}

// Decides, and lets the time until then begin.
bool Exchange::try_again(const config::Retry& policy, std::optional<Duration> delay) {
  if (attempts_ >= policy.attempts) return false;
  if (delay) {
    backoff_step_ = 0;
  } else {
    Duration d = policy.backoff;
    for (uint8_t i = 0; i < backoff_step_ && d < policy.backoff_max; ++i) d *= 2;
    const double jitter = 0.8 + 0.4 * context_.random.uniform();
    delay = Duration(static_cast<Duration::rep>(
        static_cast<double>(std::min(d, policy.backoff_max).count()) * jitter));
  }
  // An answer now is worth more than none at the deadline.
  Time ends = std::min({deadline_, call_ends_, age_ends_});
  if (idle_ > Duration::zero()) ends = std::min(ends, active_at_ + idle_);
  if (context_.now + *delay >= ends) return false;
  if (!service_.retry_budget().take(context_.now)) {
    ++context_.stats.relay.retry_budget_refusals;
    return false;
  }
  ++attempts_;
  if (backoff_step_ < UINT8_MAX) ++backoff_step_;
  try_ends_ = kNever;
  retry_at_ = context_.now + *delay;
  arm();
  return true;
}

void Exchange::on_backoff() {
  retry_at_ = kNever;
  ++context_.stats.relay.policy_retries;
  if (grpc_) {
    // A client that retries itself has counted its own.
    http::FieldList& headers = replay_->headers;
    const auto before = headers.find(Name::kGrpcPreviousRpcAttempts);
    const std::string now = std::to_string(before ? number<uint16_t>(*before).value_or(0) + 1 : 1);
    if (before) {
      headers.replace(Name::kGrpcPreviousRpcAttempts, now);
    } else {
      headers.add(Name::kGrpcPreviousRpcAttempts, now);
    }
  }
  arm();
  service_.assign(*this, true);
}

// The request is whole, and with a pod.
void Exchange::begin_try() {
  const config::Retry* policy = service_.retry();
  if (policy == nullptr || policy->per_try_timeout == Duration::zero() || response_started_) return;
  try_ends_ = context_.now + policy->per_try_timeout;
  arm();
}

void Exchange::on_try_timeout() {
  try_ends_ = kNever;
  const config::Retry* policy = service_.retry();
  // What cannot be tried again gets the time that it needs.
  if (policy == nullptr || !attached() || !may_repeat() || !repeatable(*policy)) {
    arm();
    return;
  }
  ++context_.stats.relay.try_timeouts;
  stats::Pod& stats = pod_->pool().pod().stats();
  const uint32_t slot = pod_->pool().pod().slot();
  cancel_pod(client_);
  if (try_again(*policy, std::nullopt)) {
    ++stats.retried;
    remember_tried(slot);
    return;
  }
  ++stats.failed;
  tell(kDeadlineExceeded, "no endpoint answered in time", stats::Failure::kTime);
}

}  // namespace sluice::relay
