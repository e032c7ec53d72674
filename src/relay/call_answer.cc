// The pod's side of a call: its answer, or how it ended without one.

#include "relay/call.h"
#include "relay/client_connection.h"
#include "relay/result.h"
#include "relay/service.h"
#include "relay/trailers.h"

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

void leave_out(http::FieldList& fields, http::Name name) {
  http::FieldList rest;
  for (const http::Field f : fields)
    if (f.id != name) rest.add(f.name, f.value, f.id, f.never_indexed);
  fields.swap(rest);
}

// The head of an answer, without fields that its client must not get: Content-Length of a 204 (RFC
// 9110, 8.6), and Upgrade of a 426 where the client speaks HTTP/2 (RFC 9113, 8.2.2).
void remove_unfit(http::FieldList& head, ClientConnection* client) {
  const bool to_http1 = client != nullptr && client->http().received_protocol()[0] == '1';
  if (head.has(http::Name::kContentLength) && head.value(0) == "204")
    leave_out(head, http::Name::kContentLength);
  if (!to_http1 && head.has(http::Name::kUpgrade)) leave_out(head, http::Name::kUpgrade);
}

}  // namespace

[[gnu::always_inline]] inline void Call::response_ended() {
  response_ = Response::kEnded;
  if (in_tunnel()) [[unlikely]]
    bound_half_open_tunnel();
  attempt_.stats().latency->record(context_.now - attempt_.began());
  // A client that writes first and a pod that reads no more would wait for each other.
  if (request_ == Request::kOpen && answer_whole()) [[unlikely]]
    limit_leftover();
}

// In HTTP/2 any 2xx would open the tunnel (RFC 8441, 5), and the body would be taken for its bytes.
bool Call::tunnel_declined() {
  if (client_stream_ == nullptr || client_->http().decline_tunnel(*client_stream_)) {
    connect_ = false;
    return true;
  }
  cancel_attempt(client_);
  ++service_.stats().failed;
  tell(kBadAnswer, "the pod opened no tunnel", stats::Failure::kAnswer);
  return false;
}

void Call::pod_headers(Section section, http::FieldList& fields, bool end) {
  if (section == Section::kTrailers && may_have_early_fields(fields)) {
    context_.stats.relay.trailers_dropped.add(drop_early_fields(fields));
    if (fields.empty()) {
      pod_data({}, true);
      return;
    }
  }
  timers_.moved(context_.now);
  if (section == Section::kDeclined && !tunnel_declined()) [[unlikely]]
    return;
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
        remove_unfit(fields, client_);
      } else if (fields.value(0) != "200") [[unlikely]] {
        result_ = grpc_result_of_http(fields.value(0));
        remove_unfit(fields, client_);
      }
      if (context_.access_log.on()) [[unlikely]] {
        first_byte_ = context_.now;
        status_ = status_number(fields.value(0));
      }
      forget_body();
      if (in_tunnel()) {
        // An open tunnel is no call: it lives for as long as both sides want.
        kept_.let_go(holder_, context_.access_log.on());
        timers_.clear(CallTimers::Limit::kCallTimeout);
        timers_.arm(context_.wheel);
        if (request_ != Request::kOpen) bound_half_open_tunnel();
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
  if (answer_whole()) {
    // The pod's error does not matter, and the rest of the request is not wanted.
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
    case EndedBy::kHalfClosed:
      break;  // of clients
    case EndedBy::kMemory:
      fail("out of packet memory", stats::Failure::kMemory);
      return;
  }
  // The pod reports no error, but the answer is not whole. Some clients would take it for whole.
  if (client_stream_ == nullptr || code == EndReason::kNoError) {
    fail("the pod ended the call before the end of its answer", stats::Failure::kAnswer);
    return;
  }
  // HTTP/1.1 has no resets: its client gets an answer instead.
  if (response_ == Response::kNone && client_->http().credits()) {
    ++service_.stats().failed;
    tell(code == EndReason::kOverload ? kUnavailable : kBadAnswer, "the pod reset the stream",
         stats::Failure::kAnswer);
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
  if (answer_whole()) {
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
