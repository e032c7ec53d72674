// The client's side of a call, and its ends.

#include "relay/call.h"

#include <algorithm>

#include "http/answers.h"
#include "relay/client_connection.h"
#include "relay/result.h"
#include "relay/service.h"

namespace sluice::relay {

using upstream::ClientSide;
using upstream::PodConnection;

using http::EndReason;

Call::Call(Context& context, ClientConnection& client, http::Stream& stream, Service& service,
           http::FieldList& request, bool end, uint32_t listener_slot)
    : context_(context),
      service_(service),
      holder_(client.holder()),
      client_(&client),
      client_stream_(&stream),
      client_id_(client.id()),
      listener_slot_(listener_slot),
      connect_(request.has(http::Name::kProtocol) || !request.has(http::Name::kPath)),
      extended_(request.has(http::Name::kProtocol)),
      grpc_(!connect_ && http::is_grpc(request)),
      request_(end ? Request::kEnded : Request::kOpen),
      result_(stats::Result::kUnknown),
      kept_(context, holder_, request),
      timers_([](void* self, Time) { static_cast<Call*>(self)->on_timer(); }, this, context.now) {
  holder_.use();
  ++context_.stats.listener(listener_slot_).active_streams;
  ++context_.stats.relay.streams;
  set_limits();
}

void Call::end_if_over() {
  if (client_stream_ != nullptr || attached()) return;
  service_.stop_waiting(*this);
  if (timers_.between_attempts()) [[unlikely]]
    service_.end_pause();
  service_.on_end_of_call();
  timers_.disarm();
  --context_.stats.listener(listener_slot_).active_streams;
  --context_.stats.relay.streams;
  if (auto& left = static_cast<ListHook<Call>&>(*this); left.linked()) [[unlikely]] {
    holder_.end_left_call();
    left.unlink();
  }
  static_cast<Repeatable&>(*this).unlink();
  kept_.release(holder_);
  holder_.leave();
  context_.over.push_back(*this);
}

// Memory for another attempt is charged to the client, and the client can do without it.
void Call::on_request_grown() {
  kept_.settle(holder_);
  if (!attached()) return;
  if (holder_.overdrawn()) {
    forget_request();
  } else if (!static_cast<Repeatable&>(*this).linked() && kept_.large()) {
    context_.repeatables.push_back(*this);
  }
}

void Call::forget_body() {
  if (kept_.forget_body(holder_)) static_cast<Repeatable&>(*this).unlink();
}

void Call::forget_request() {
  if (attached() && kept_.whole()) forget_body();
}

void Call::client_data(buf::Slice data, bool end) {
  timers_.moved(context_.now);
  if (end) request_ended(Request::kEnded);
  if (!attached()) {
    // The call waits for a pod: the stream's window bounds the bytes that can come.
    if (!kept_.remember(data)) {
      fail("out of packet memory", stats::Failure::kMemory);
    } else if (kept_.take_grown()) {
      on_request_grown();
      if (!holder_.overdrawn()) return;
      ++context_.stats.http2.guard_heap;
      ++service_.stats().failed;
      tell(kResourceExhausted, "too much is kept for this client's calls", stats::Failure::kMemory);
    }
    return;
  }
  if (kept_.whole()) {
    if (kept_.body_size() + data.size() > context_.limits.replay_buffer ||
        !context_.memory.roomy() || !kept_.remember(data)) {
      forget_body();
    } else if (kept_.take_grown()) {
      on_request_grown();
    }
  }
  context_.touch(attempt_.connection());
  attempt_.connection().http().send_data(attempt_.stream(), std::move(data), end);
}

void Call::request_ended(Request how) {
  request_ = how;
  if (attached()) arm_try_timeout();
  if (in_tunnel()) [[unlikely]]
    bound_half_open_tunnel();
}

void Call::client_trailers(http::FieldList& fields) {
  request_ended(Request::kEndedByTrailers);
  kept_.trailers().swap(fields);
  kept_.settle(holder_);
  if (!attached()) return;
  PodConnection& pod = attempt_.connection();
  if (!pod.takes_fields(kept_.trailers())) {
    ++context_.stats.relay.pod_header_limits;
    ++service_.stats().failed;
    expire(kRequestTooLarge, kLargerThanThePodTakes, stats::Failure::kRefused);
    return;
  }
  context_.touch(pod);
  pod.http().send_headers(attempt_.stream(), kept_.trailers(), true);
}

void Call::client_sent(uint32_t n) {
  timers_.moved(context_.now);
  if (!attached()) return;
  context_.touch(attempt_.connection());
  attempt_.connection().http().consumed(attempt_.stream(), n);
}

void Call::client_reset(EndReason code, const char* why) {
  if (served()) {
    count(result_);
  } else {
    count(grpc_ ? stats::Result::kCancelled : stats::Result::kIncomplete, why);
  }
  client_gone(code);
}

void Call::client_refused(EndReason code, const char* why, uint16_t status) {
  if (served()) {
    count(result_);
  } else if (status != 0 && response_ == Response::kNone) {
    status_ = status;
    const std::string text = std::to_string(status);
    count(grpc_ ? grpc_result_of_http(text) : http_result(text), why);
  } else {
    count(grpc_ ? grpc_result(code) : stats::Result::kIncomplete, why);
  }
  client_gone(code);
}

void Call::client_gone(EndReason code) {
  client_stream_ = nullptr;
  ClientConnection* client = std::exchange(client_, nullptr);
  if (attached()) {
    const bool own =
        code == EndReason::kNoError || code == EndReason::kTimeout;  // no pod's concern
    PodConnection& pod = attempt_.connection();
    context_.touch(pod);
    pod.cancel(detach(), own ? EndReason::kCancelled : code, client);
  }
  end_if_over();
}

void Call::client_closed() {
  count(result_);
  client_stream_ = nullptr;
  ClientConnection* client = std::exchange(client_, nullptr);
  // A stream that both sides have ended closes by itself, at once.
  if (attached() && !attempt_.stream().output_done()) {
    if (!holder_.leave_call()) {
      ++context_.stats.relay.guard_leftovers;
      cancel_attempt(client);
      end_if_over();
      return;
    }
    context_.leftovers.push_back(*this);
    // The stream is likely to end in RST_STREAM when no client may be left to be charged for it. So
    // the client is charged now.
    if (!client->take_pod_reset() && attempt_.connection().http().resets_waiting() > 0)
      attempt_.connection().pool().isolate(*client);
    limit_leftover();
  }
  end_if_over();
}

void Call::limit_leftover() {
  timers_.moved(context_.now);
  const Duration idle = timers_.idle_timeout();
  timers_.set_idle_timeout(idle > Duration::zero() ? std::min(idle, kLeftoverIdle) : kLeftoverIdle);
  timers_.arm(context_.wheel);
}

void Call::drop_leftover() {
  cancel_attempt();
  end_if_over();
}

ClientSide* Call::payer() {
  return client_;
}

void Call::finish_early() {
  if (client_stream_ != nullptr) {
    count(result_);
    context_.touch(*client_);
    http::Stream* s = std::exchange(client_stream_, nullptr);
    std::exchange(client_, nullptr)->http().reset_after_output(*s, EndReason::kNoError);
  }
  end_if_over();
}

void Call::fail(const char* message, stats::Failure why) {
  ++service_.stats().failed;
  tell(kUnavailable, message, why);
}

void Call::tell(const Verdict& verdict, const char* message, stats::Failure why) {
  service_.stop_waiting(*this);
  http::Stream* s = std::exchange(client_stream_, nullptr);
  if (s != nullptr) {
    const bool answered = response_ != Response::kNone;
    const bool tunnel = in_tunnel();
    if (!answered) status_ = grpc_ ? 200 : status_number(verdict.http_status);
    count(grpc_      ? grpc_result(verdict.grpc_status)
          : answered ? stats::Result::kIncomplete
                     : http_result(verdict.http_status),
          message);
    ++context_.stats.listener(listener_slot_).failures[static_cast<size_t>(why)];
    http::Connection& h2 = client_->http();
    context_.touch(*client_);
    client_ = nullptr;
    s->set_owner(nullptr);
    thread_local http::FieldList answer;
    answer.clear();
    if (response_ == Response::kNone) {
      append_answer(answer, grpc_, verdict, message);
    } else if (grpc_) {
      append_grpc_status(answer, verdict.grpc_status, message);
    }
    if (answer.empty()) {
      // Never a clean end. Of a tunnel, it is the other side's reset (RFC 8441, 5; RFC 9113, 8.5).
      h2.reset(*s, !tunnel     ? EndReason::kInternalError
                   : extended_ ? EndReason::kCancelled
                               : EndReason::kConnectFailed);
    } else if (request_ == Request::kOpen) {
      h2.send_headers(*s, answer, true);
      h2.reset_after_output(*s, EndReason::kNoError);
    } else {
      h2.send_headers(*s, answer, true);  // ends the stream, which has no owner any more
    }
  }
  end_if_over();
}

void Call::give_up_place() {
  cancel_attempt(client_);
  fail("others wait, and the client has more than its share of the pods", stats::Failure::kNoRoom);
}

void Call::end(const char* message) {
  cancel_attempt(client_);
  if (answer_whole()) {
    finish_early();  // it may still be read
  } else {
    fail(message, stats::Failure::kEnding);
  }
}

}  // namespace sluice::relay
