// The pod's side of a call: its answer, or how it ended without one.

#include "relay/call.h"
#include "relay/client_connection.h"
#include "relay/result.h"
#include "relay/service.h"

namespace sluice::relay {

using upstream::PodConnection;
using upstream::PodLoss;

using http::EndedBy;
using http::EndReason;
using Section = http::Handler::Section;

namespace {

// Of fields that have it. Nearly always the first one.
std::string_view status_of_trailers(const http::FieldList& fields) {
  if (fields.known(0).id == http::Name::kGrpcStatus) return fields.value(0);
  return *fields.find(http::Name::kGrpcStatus);
}

}  // namespace

[[gnu::always_inline]] inline void Call::response_ended() {
  response_ = Response::kEnded;
  attempt_.stats().latency->record(context_.now - attempt_.began());
}

void Call::pod_headers(Section section, http::FieldList& fields, bool end) {
  timers_.moved(context_.now);
  if (section != Section::kInformational) {
    if (retries_.suspect()) [[unlikely]] {
      retries_.acquit();
      attempt_.connection().acquit();
    }
    if (response_ == Response::kNone) {
      if (service_.retry() != nullptr && retried_answer(fields, end)) [[unlikely]]
        return;
      response_ = Response::kStarted;  // from here on the call belongs to this pod
      // :status is the only pseudo-header field of an answer, so it stands first.
      if (!grpc_) {
        result_ = http_result(fields.value(0));
      } else if (fields.value(0) != "200") [[unlikely]] {
        result_ = grpc_result_of_http(fields.value(0));
      }
      if (context_.access_log.on()) [[unlikely]] {
        first_byte_ = context_.now;
        status_ = status_number(fields.value(0));
      }
      forget_body();
      if (connect_ && result_ == stats::Result::k2xx) {
        // An open tunnel is no call: it lives for as long as both sides want.
        kept_.let_go(holder_, context_.access_log.on());
        timers_.clear(CallTimers::Limit::kCallTimeout);
        timers_.arm(context_.wheel);
      }
    }
    if (end) {
      if (grpc_ && fields.has(http::Name::kGrpcStatus))
        result_ = grpc_result(status_of_trailers(fields));
      response_ended();
    }
  }
  if (client_stream_ == nullptr) return;
  context_.touch(*client_);
  client_->http().send_headers(*client_stream_, fields, end);
}

void Call::pod_data(buf::Slice data, bool end) {
  timers_.moved(context_.now);
  answer_bytes_ += data.size();
  if (end) response_ended();
  if (client_stream_ == nullptr) return;
  context_.touch(*client_);
  client_->http().send_data(*client_stream_, std::move(data), end);
}

// Bytes that an earlier attempt has sent were credited then.
void Call::pod_sent(uint32_t n) {
  timers_.moved(context_.now);
  const uint64_t sent = attempt_.add_sent(n);
  if (sent <= credited_ || client_stream_ == nullptr) return;
  const auto fresh = static_cast<uint32_t>(sent - credited_);
  credited_ = sent;
  context_.touch(*client_);
  client_->http().consumed(*client_stream_, fresh);
}

void Call::pod_closed() {
  detach();
  end_if_over();
}

void Call::pod_reset(EndReason code, EndedBy by) {
  pods::Pod& pod = attempt_.pod();
  const uint64_t connection = attempt_.connection().id();
  detach();
  if (response_ == Response::kEnded) {
    // The pod's error does not matter: the answer is whole, and the rest of the request not wanted.
    finish_early();
    return;
  }
  if (by == EndedBy::kPeer && code == EndReason::kRefused) {
    retries_.remember(pod.slot());
    retries_.set_refused_by(connection);
    if (kept_.whole() && retries_.take_transparent(context_.limits.transparent_retries)) {
      ++pod.stats().retried;
      retry_refused();
      return;
    }
    ++pod.stats().failed;
    ++context_.stats.relay.retries_exhausted;
    fail("no pod accepted the call", stats::Failure::kRefused);
    return;
  }
  if (by == EndedBy::kPeer && retried_loss(pod.slot())) return;
  ++pod.stats().failed;
  fail_reset(code, by);
}

// The pod's stream ended before the end of the answer, and the call is not tried again.
void Call::fail_reset(EndReason code, EndedBy by) {
  switch (by) {
    case EndedBy::kPeer:
      break;
    case EndedBy::kProtocol:
      ++service_.stats().failed;
      tell(kBadAnswer, "the pod broke the protocol", stats::Failure::kAnswer);
      return;
    case EndedBy::kTooLarge:
      ++service_.stats().failed;
      tell(kTooLargeAnswer, "the answer's header fields are too large", stats::Failure::kAnswer);
      return;
    case EndedBy::kGuard:
      fail("the pod works in pieces of a few bytes", stats::Failure::kAnswer);
      return;
    case EndedBy::kMemory:
      fail("out of packet memory", stats::Failure::kMemory);
      return;
  }
  // The pod reports no error, but the answer is not whole. Some clients would take it for whole.
  if (client_stream_ == nullptr || code == EndReason::kNoError) {
    fail("the pod ended the call before the end of its answer", stats::Failure::kAnswer);
    return;
  }
  // An error between the pod and Sluice does not concern the client.
  switch (code) {
    case EndReason::kProtocolError:
    case EndReason::kFlowControl:
    case EndReason::kFrameSize:
    case EndReason::kCompression:
    case EndReason::kStreamClosed:
    case EndReason::kTimeout:
    case EndReason::kConnectFailed:
    case EndReason::kInadequateSecurity:
    case EndReason::kHttp11Required:  // some clients repeat a request at this
      code = EndReason::kInternalError;
      break;
    default:
      break;
  }
  count(grpc_ ? grpc_result(code) : stats::Result::kIncomplete, "the pod reset the stream");
  context_.touch(*client_);
  http::Stream* s = std::exchange(client_stream_, nullptr);
  std::exchange(client_, nullptr)->http().reset(*s, code);
  end_if_over();
}

void Call::pod_unprocessed(bool accused) {
  PodConnection& connection = attempt_.connection();
  stats::Pod& stats = attempt_.stats();
  retries_.remember(attempt_.pod().slot());
  connection.http().forget(detach());
  if (accused && retries_.suspect()) {
    ++stats.failed;
    fail_suspect();
    return;
  }
  if (kept_.whole() && retries_.take_transparent(context_.limits.transparent_retries)) {
    ++stats.retried;
    if (accused) accuse();
    retry();
    return;
  }
  ++stats.failed;
  fail("the pod is going away", stats::Failure::kPodLost);
}

void Call::pod_not_sent() {
  PodConnection& connection = attempt_.connection();
  timers_.count_as_wait(context_.now - attempt_.began());
  // No frame is sent: the stream has no id yet.
  connection.http().reset(detach(), EndReason::kCancelled);
  if (kept_.whole()) {
    retry();
  } else {
    fail("the pod takes no more calls", stats::Failure::kNoRoom);
  }
}

void Call::pod_lost(PodLoss loss) {
  pods::Pod& pod = attempt_.pod();
  const Duration lasted = context_.now - attempt_.began();
  detach();
  if (response_ == Response::kEnded) {
    finish_early();
    return;
  }
  if (loss == PodLoss::kNotTransmitted && kept_.whole()) {
    timers_.count_as_wait(lasted);
    ++pod.stats().retried;
    retry();
    return;
  }
  if (loss == PodLoss::kStale && retried_stale(pod.slot())) return;
  if (!retries_.suspect() && retried_loss(pod.slot())) {
    if (loss == PodLoss::kAccused) accuse();
    return;
  }
  ++pod.stats().failed;
  if (loss == PodLoss::kStale) {
    ++context_.stats.relay.stale_losses;
    fail("the pod closed the connection that the request was on", stats::Failure::kPodLost);
    return;
  }
  ++context_.stats.relay.pods_lost;
  if (retries_.suspect()) {
    fail_suspect();
  } else {
    fail("the pod was lost", stats::Failure::kPodLost);
  }
}

}  // namespace sluice::relay
