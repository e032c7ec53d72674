#include "relay/exchange.h"

#include <algorithm>

#include "http/answers.h"
#include "relay/client_connection.h"
#include "relay/grpc.h"
#include "relay/pod_connection.h"
#include "relay/service.h"

namespace sluice::relay {

namespace {
// Bytes of heap that a call takes beside its fields and body: the objects of both sides.
constexpr size_t kCallBytes = sizeof(Exchange) + 2 * http::Stream::kBytes + sizeof(Replay);
// Bytes of a request's body from which on it is worth a place among those that are forgotten when
// memory is short.
constexpr uint64_t kNotedBody = 4'096;
}  // namespace

using http::EndedBy;
using http::EndReason;
using Section = http::Handler::Section;

namespace {
constexpr const char* kLargerThanThePodTakes = "metadata larger than the endpoint takes";
}

Exchange::Exchange(Context& context, ClientConnection& client, http::Stream& stream,
                   Service& service, http::FieldList& request, bool end, uint32_t listener_slot)
    : context_(context),
      service_(service),
      listener_slot_(listener_slot),
      holder_(client.holder()),
      client_id_(client.id()),
      client_address_(client.address()),
      client_(&client),
      client_stream_(&stream),
      replay_(context.take_replay()),
      timer_([](void* self, Time) { static_cast<Exchange*>(self)->on_timer(); }, this),
      arrived_(context.now),
      active_at_(context.now),
      request_ended_(end) {
  replay_->headers.swap(request);
  holder_.use();
  charged_heap_ = kCallBytes + replay_->heap();
  holder_.charge_heap(static_cast<int64_t>(charged_heap_));
  ++context_.stats.listener(listener_slot_).active_streams;
  ++context_.stats.relay.streams;
  grpc_ = http::is_grpc(replay_->headers);
  set_limits();
}

Exchange::~Exchange() {
  context_.give_replay(std::move(replay_));
}

void Exchange::end_if_over() {
  if (client_stream_ != nullptr || pod_stream_ != nullptr) return;
  service_.stop_waiting(*this);
  service_.on_end_of_call();
  timer_.disarm();
  --context_.stats.listener(listener_slot_).active_streams;
  --context_.stats.relay.streams;
  if (static_cast<Leftover&>(*this).linked()) holder_.end_left_call();
  static_cast<Leftover&>(*this).unlink();
  static_cast<Repeatable&>(*this).unlink();
  if (charged_buffers_ != 0) holder_.charge(-static_cast<int32_t>(charged_buffers_), 0);
  holder_.charge_heap(-static_cast<int64_t>(charged_heap_));
  holder_.leave();
  context_.over.push_back(*this);
}

void Exchange::settle() {
  const size_t heap = kCallBytes + replay_->heap();
  const uint32_t buffers = replay_->buffers();
  if (heap == charged_heap_ && buffers == charged_buffers_) return;
  holder_.charge(static_cast<int32_t>(buffers - charged_buffers_),
                 static_cast<int64_t>(heap) - static_cast<int64_t>(charged_heap_));
  charged_heap_ = heap;
  charged_buffers_ = buffers;
}

// Another try is a service that the client pays for, and that it can do without.
void Exchange::on_replay_grown() {
  settle();
  if (!attached()) return;
  if (holder_.overdrawn()) {
    forget_replay();
  } else if (!static_cast<Repeatable&>(*this).linked() &&
             (replay_->buffers() > 0 || replay_->body_size() > kNotedBody)) {
    context_.repeatables.push_back(*this);
  }
}

void Exchange::forget_body() {
  replay_->forget_body();
  if (charged_buffers_ == 0 && charged_heap_ < kCallBytes + kNotedBody) return;  // as most calls
  static_cast<Repeatable&>(*this).unlink();
  settle();
}

bool Exchange::tried(uint32_t slot) const {
  return std::find(tried_.begin(), tried_.begin() + tried_count_, slot) !=
         tried_.begin() + tried_count_;
}

void Exchange::remember_tried(uint32_t slot) {
  if (tried_count_ < tried_.size()) tried_[tried_count_++] = slot;
}

void Exchange::become_suspect() {
  suspect_ = true;
  ++context_.stats.relay.suspect_tries;
}

void Exchange::fail_suspect() {
  ++context_.stats.relay.suspects_failed;
  fail("two pods ended their connections under the call", stats::Failure::kPodLost);
}

// --- The client's side ---

void Exchange::client_data(buf::Slice data, bool end) {
  moved();
  if (end) request_ended();
  if (!attached()) {
    // Waiting for a pod: the stream's window bounds what can come.
    if (!replay_->remember(data, context_.memory)) {
      fail("out of packet memory", stats::Failure::kMemory);
    } else if (replay_->take_grown()) {
      on_replay_grown();
      if (!holder_.overdrawn()) return;
      ++context_.stats.http2.guard_heap;
      ++service_.stats().failed;
      tell(kResourceExhausted, "too much is kept for this client's calls", stats::Failure::kMemory);
    }
    return;
  }
  if (replayable_ && !response_started_) {
    if (replay_->body_size() + data.size() > context_.limits.replay_buffer ||
        !context_.memory.roomy() || !replay_->remember(data, context_.memory)) {
      replayable_ = false;
      forget_body();
    } else if (replay_->take_grown()) {
      on_replay_grown();
    }
  }
  context_.touch(*pod_);
  pod_->http().send_data(*pod_stream_, std::move(data), end);
}

void Exchange::request_ended() {
  request_ended_ = true;
  if (attached()) begin_try();
}

void Exchange::client_trailers(http::FieldList& fields) {
  request_ended();
  has_trailers_ = true;
  replay_->trailers.swap(fields);
  settle();
  if (!attached()) return;
  if (!pod_->takes_fields(replay_->trailers)) {
    ++context_.stats.relay.pod_header_limits;
    ++service_.stats().failed;
    expire(kRequestTooLarge, kLargerThanThePodTakes, stats::Failure::kRefused);
    return;
  }
  context_.touch(*pod_);
  pod_->http().send_headers(*pod_stream_, replay_->trailers, true);
}

void Exchange::client_sent(uint32_t n) {
  moved();
  if (pod_stream_ == nullptr) return;
  context_.touch(*pod_);
  pod_->http().consumed(*pod_stream_, n);
}

void Exchange::client_reset(EndReason code) {
  client_stream_ = nullptr;
  ClientConnection* client = std::exchange(client_, nullptr);
  if (pod_stream_ != nullptr) {
    context_.touch(*pod_);
    http::Stream* s = pod_stream_;
    PodConnection* pod = pod_;
    detach_pod();
    pod->cancel(*s, code == EndReason::kNoError ? EndReason::kCancelled : code, client);
  }
  end_if_over();
}

void Exchange::client_closed() {
  client_stream_ = nullptr;
  ClientConnection* client = std::exchange(client_, nullptr);
  // A stream that both sides have ended closes by itself, now.
  if (pod_stream_ != nullptr && !(pod_stream_->output_done())) {
    if (!holder_.leave_call()) {
      ++context_.stats.relay.guard_leftovers;
      cancel_pod(client);
      end_if_over();
      return;
    }
    context_.leftovers.push_back(*this);
    // It is likely to end in RST_STREAM, and then nobody may be left who pays for it.
    if (!client->take_pod_reset() && pod_->http().resets_waiting() > 0)
      pod_->pool().isolate(*client);
    moved();
    idle_ = idle_ > Duration::zero() ? std::min(idle_, kLeftoverIdle) : kLeftoverIdle;
    arm();
  }
  end_if_over();
}

void Exchange::drop_leftover() {
  cancel_pod();
  end_if_over();
}

void Exchange::forget_replay() {
  if (!attached() || !replayable_ || response_started_) return;
  replayable_ = false;
  forget_body();
}

// --- The pod's side ---

Exchange::Attach Exchange::attach(PodConnection& pod) {
  tell_time_left();
  const bool bare_end = request_ended_ && replay_->body_size() == 0 && !has_trailers_;
  if (replay_->headers.find(http::Name::kProtocol) && !pod.http().peer_takes_extended_connect()) {
    fail("the pod takes no extended CONNECT",
         stats::Failure::kRefused);  // RFC 8441, 3: it must not be sent
    return Attach::kFailed;
  }
  // All pods of a service being alike, another one is not asked.
  if (!pod.takes_fields(replay_->headers) ||
      (has_trailers_ && !pod.takes_fields(replay_->trailers))) {
    ++context_.stats.relay.pod_header_limits;
    ++service_.stats().failed;
    tell(kRequestTooLarge, kLargerThanThePodTakes, stats::Failure::kRefused);
    return Attach::kFailed;
  }
  http::Stream* s = pod.http().open(replay_->headers, bare_end, this, client_id());
  if (s == nullptr) return Attach::kNoStream;
  s->set_account(&holder_);
  pod_ = &pod;
  pod_stream_ = s;
  sent_ = 0;
  attached_at_ = context_.now;
  service_.on_place_taken(*this);
  if (request_ended_) begin_try();
  stats::Pod& stats = pod.pool().pod().stats();
  ++stats.streams;
  ++stats.active;
  context_.touch(pod);
  if (replay_->body_size() > 0) {
    const bool end = request_ended_ && !has_trailers_;
    const bool ok = replay_->for_each(context_.memory, [&](buf::Slice piece, bool last) {
      if (attached()) pod.http().send_data(*s, std::move(piece), last && end);
    });
    if (!attached()) return Attach::kFailed;  // want of memory has reset the stream on the way
    if (!ok) {
      detach_pod();
      pod.cancel(*s, EndReason::kCancelled, client_);
      fail("out of packet memory", stats::Failure::kMemory);
      return Attach::kFailed;
    }
  }
  if (has_trailers_) pod.http().send_headers(*s, replay_->trailers, true);
  // What came while the call waited may be more than is kept for another pod.
  if (replay_->body_size() > context_.limits.replay_buffer) {
    replayable_ = false;
    forget_body();
  } else if (replay_->body_size() > kNotedBody) {
    on_replay_grown();
  }
  return Attach::kAttached;
}

void Exchange::detach_pod() {
  --pod_->pool().pod().stats().active;
  service_.on_place_left(*this);  // whoever ends it, others may wait for its place
  pod_stream_->set_owner(nullptr);
  pod_stream_->set_account(nullptr);
  pod_stream_ = nullptr;
  pod_ = nullptr;
}

void Exchange::response_ended() {
  response_ended_ = true;
  pod_->pool().pod().stats().latency.record(context_.now - attached_at_);
}

void Exchange::pod_headers(Section section, http::FieldList& fields, bool end) {
  moved();
  if (section != Section::kInformational) {
    if (suspect_) [[unlikely]] {
      suspect_ = false;
      pod_->acquit();
    }
    if (!response_started_) {
      if (service_.retry() != nullptr && retried_answer(fields, end)) [[unlikely]]
        return;
      response_started_ = true;  // from here on the call belongs to this pod
      forget_body();
    }
    if (end) response_ended();
  }
  if (client_stream_ == nullptr) return;
  context_.touch(*client_);
  client_->http().send_headers(*client_stream_, fields, end);
}

void Exchange::pod_data(buf::Slice data, bool end) {
  moved();
  if (end) response_ended();
  if (client_stream_ == nullptr) return;
  context_.touch(*client_);
  client_->http().send_data(*client_stream_, std::move(data), end);
}

// What an earlier try has sent was credited then.
void Exchange::pod_sent(uint32_t n) {
  moved();
  sent_ += n;
  if (sent_ <= credited_ || client_stream_ == nullptr) return;
  const auto fresh = static_cast<uint32_t>(sent_ - credited_);
  credited_ = sent_;
  context_.touch(*client_);
  client_->http().consumed(*client_stream_, fresh);
}

void Exchange::pod_closed() {
  detach_pod();
  end_if_over();
}

void Exchange::pod_reset(EndReason code, EndedBy by) {
  stats::Pod& stats = pod_->pool().pod().stats();
  const uint32_t slot = pod_->pool().pod().slot();
  const uint64_t connection = pod_->id();
  detach_pod();
  if (response_ended_) {
    // Whatever ails the pod: the answer is whole, and the rest of the request not wanted.
    finish_early();
    return;
  }
  if (by == EndedBy::kPeer && code == EndReason::kRefused) {
    remember_tried(slot);
    refused_by_ = connection;
    if (!response_started_ && replayable_ && retries_ < context_.limits.transparent_retries) {
      ++retries_;
      ++stats.retried;
      retry_refused();
      return;
    }
    ++stats.failed;
    ++context_.stats.relay.retries_exhausted;
    fail("no pod accepted the call", stats::Failure::kRefused);
    return;
  }
  if (by == EndedBy::kPeer && retried_loss(slot)) return;
  ++stats.failed;
  switch (by) {
    case EndedBy::kPeer:
      break;
    case EndedBy::kProtocol:
      fail("the pod broke the protocol", stats::Failure::kAnswer);
      return;
    case EndedBy::kTooLarge:
      ++service_.stats().failed;
      tell(kResourceExhausted, "the answer's header fields are too large", stats::Failure::kAnswer);
      return;
    case EndedBy::kGuard:
      fail("the pod works in pieces of a few bytes", stats::Failure::kAnswer);
      return;
    case EndedBy::kMemory:
      fail("out of packet memory", stats::Failure::kMemory);
      return;
  }
  // Nothing went wrong, says the pod, but the answer is not whole: some clients would believe it.
  if (client_stream_ == nullptr || code == EndReason::kNoError) {
    fail("the pod ended the call before the end of its answer", stats::Failure::kAnswer);
    return;
  }
  // The pod's quarrel with Sluice is none of the client's.
  switch (code) {
    case EndReason::kProtocolError:
    case EndReason::kFlowControl:
    case EndReason::kFrameSize:
    case EndReason::kCompression:
      code = EndReason::kInternalError;
      break;
    default:
      break;
  }
  context_.touch(*client_);
  http::Stream* s = std::exchange(client_stream_, nullptr);
  std::exchange(client_, nullptr)->http().reset(*s, code);
  end_if_over();
}

void Exchange::pod_unprocessed(bool accused) {
  PodConnection* pod = pod_;
  http::Stream* s = pod_stream_;
  stats::Pod& stats = pod->pool().pod().stats();
  remember_tried(pod->pool().pod().slot());
  detach_pod();
  pod->http().forget(*s);
  if (accused && suspect_) {
    ++stats.failed;
    fail_suspect();
    return;
  }
  if (!response_started_ && replayable_ && retries_ < context_.limits.transparent_retries) {
    ++retries_;
    ++stats.retried;
    if (accused) become_suspect();
    retry();
    return;
  }
  ++stats.failed;
  fail("the pod is going away", stats::Failure::kPodLost);
}

void Exchange::pod_not_sent() {
  PodConnection* pod = pod_;
  http::Stream* s = pod_stream_;
  waited_ += context_.now - attached_at_;
  detach_pod();
  pod->http().reset(*s, EndReason::kCancelled);  // without a frame: it has no id yet
  if (replayable_) {
    retry();
  } else {
    fail("the pod takes no more calls", stats::Failure::kNoRoom);
  }
}

void Exchange::pod_lost(bool transmitted, bool accused) {
  stats::Pod& stats = pod_->pool().pod().stats();
  const uint32_t slot = pod_->pool().pod().slot();
  detach_pod();
  if (response_ended_) {
    finish_early();
    return;
  }
  if (!transmitted && !response_started_ && replayable_) {
    waited_ += context_.now - attached_at_;
    ++stats.retried;
    retry();
    return;
  }
  if (!suspect_ && retried_loss(slot)) {
    if (accused) become_suspect();
    return;
  }
  ++stats.failed;
  ++context_.stats.relay.pods_lost;
  if (suspect_) {
    fail_suspect();
  } else {
    fail("the pod was lost", stats::Failure::kPodLost);
  }
}

// The whole answer is here, and the pod does not want the rest of the request (8.1).
void Exchange::finish_early() {
  if (client_stream_ != nullptr) {
    context_.touch(*client_);
    http::Stream* s = std::exchange(client_stream_, nullptr);
    std::exchange(client_, nullptr)->http().reset_after_output(*s, EndReason::kNoError);
  }
  end_if_over();
}

void Exchange::retry() {
  if (client_stream_ == nullptr) {
    end_if_over();
    return;
  }
  ++context_.stats.relay.retries;
  service_.assign(*this, true);
}

// A pod that has not refused the call yet gets it at once. When there is none, those that did are
// asked for another connection, and again a little later: most refuse for want of room.
void Exchange::retry_refused() {
  if (client_stream_ == nullptr || service_.has_untried(*this)) {
    retry();
    return;
  }
  refused_until_ = context_.now + kRefusedWait * (1 << std::min<unsigned>(refusals_, 7));
  if (refusals_ < UINT8_MAX) ++refusals_;
  arm();
}

void Exchange::fail(const char* message, stats::Failure why) {
  ++service_.stats().failed;
  tell(kUnavailable, message, why);
}

void Exchange::tell(const Verdict& verdict, const char* message, stats::Failure why) {
  service_.stop_waiting(*this);
  http::Stream* s = std::exchange(client_stream_, nullptr);
  if (s != nullptr) {
    ++context_.stats.listener(listener_slot_).failures[static_cast<size_t>(why)];
    http::Connection& h2 = client_->http();
    context_.touch(*client_);
    client_ = nullptr;
    s->set_owner(nullptr);
    thread_local http::FieldList answer;
    answer.clear();
    if (!response_started_) {
      append_answer(answer, grpc_, verdict, message);
    } else if (grpc_) {
      append_grpc_status(answer, verdict.grpc_status, message);
    }
    if (answer.empty()) {
      h2.reset(*s, EndReason::kInternalError);  // never a clean end
    } else if (!request_ended_) {
      h2.send_headers(*s, answer, true);
      h2.reset_after_output(*s, EndReason::kNoError);
    } else {
      h2.send_headers(*s, answer, true);  // ends the stream, which has no owner any more
    }
  }
  end_if_over();
}

void Exchange::cancel_pod(ClientConnection* for_client) {
  if (pod_stream_ == nullptr) return;
  PodConnection* pod = pod_;
  http::Stream* s = pod_stream_;
  context_.touch(*pod);
  detach_pod();
  pod->cancel(*s, EndReason::kCancelled, for_client);
}

void Exchange::give_up_place() {
  cancel_pod(client_);
  fail("others wait, and the client has more than its share of the pods", stats::Failure::kNoRoom);
}

void Exchange::end(const char* message) {
  cancel_pod(client_);
  if (response_ended_) {
    finish_early();  // it is whole, and may still be read
  } else {
    fail(message, stats::Failure::kEnding);
  }
}

}  // namespace sluice::relay
