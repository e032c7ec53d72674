#include "upstream/pod_connection.h"

#include <algorithm>

#include "base/stage_meter.h"
#include "upstream/pool.h"

namespace sluice::upstream {

PodConnection::PodConnection(Context& context, Pool& pool, uint64_t owner)
    : context_(context),
      pool_(pool),
      owner_(owner),
      id_(++context.pod_connections_ever),
      since_(context.now),
      connecting_(std::make_unique<Connecting>(
          [](void* self, Time) { static_cast<PodConnection*>(self)->stream_->abort(); }, this)),
      http2_(pool.speaks_http1()
                 ? nullptr
                 : std::make_unique<Http2State>(
                       [](void* self, Time) {
                         auto* c = static_cast<PodConnection*>(self);
                         c->context_.touch(*c);
                       },
                       [](void* self, Time) { static_cast<PodConnection*>(self)->on_ping_timer(); },
                       this)),
      http1_(pool.speaks_http1()),
      idle_timer_([](void* self, Time) { static_cast<PodConnection*>(self)->on_idle_timer(); },
                  this) {}

bool PodConnection::start() {
  stream_ = pool_.layer().connect(pool_.pod().address(), *this, context_.now);
  if (stream_ == nullptr) return false;
  stream_->set_user_timeout(kUnacknowledged);
  http_ = (http1_ ? context_.http1 : context_.http2).client(*this, *stream_);
  http_->set_account(&context_.pod_heap);
  // The timer covers the time from the SYN to the pod's SETTINGS: a pod that accepts and sends
  // nothing is not ready.
  context_.wheel.arm(connecting_->timer, context_.now + pool_.connect_timeout());
  return true;
}

// A connection may be closed before it is established: in SYN-RECEIVED, after a simultaneous open.
void PodConnection::on_established(transport::Stream&) {
  established_ = true;
  if (closing_) return;
  answered();
  http_->start();
  context_.touch(*this);
}

void PodConnection::on_data(transport::Stream& stream, buf::Slice data) {
  const uint32_t n = data.size();
  context_.touch(*this);
  const bool credit = closing_ || !http_->credits();
  if (!closing_) http_->receive(std::move(data), context_.now);
  if (credit) stream.consumed(n);
  pool_.on_heard();
}

// A pod that ends its side has sent everything. Calls that it did not answer are lost.
// Behind a truncated end bytes may be missing, so it completes no answer.
void PodConnection::on_end_of_data(transport::Stream& stream, transport::End end_of_data) {
  if (closing_) return;
  if (established_ && end_of_data == transport::End::kClean && http_->end_of_input()) {
    context_.touch(*this);
    return;
  }
  const char* failure = stream.failure();
  routine_ |= *failure == '\0' && http1_ && established_ && streams() == 0;
  end(*failure != '\0' ? failure : "the pod closed the connection");
}

void PodConnection::on_writable(transport::Stream&) {
  context_.touch(*this);
}

void PodConnection::on_silence(transport::Stream&, bool silent) {
  silent_ = silent;
  silent_since_ = context_.now;
  pool_.on_silence(silent);
}

void PodConnection::on_closed(transport::Stream&, transport::CloseReason reason) {
  const bool was_connecting = connecting();
  const bool isolated = owner_ != Pool::kEverybody;
  Pool& pool = pool_;
  pool.remove(*this);
  retired_ = true;
  lose_streams();
  // A connection of isolated clients or suspects tells nothing of the others, and no timer tries
  // one again.
  const bool unanswered =
      !isolated && was_connecting && !established_ && *stream_->failure() == '\0' &&
      (reason == transport::CloseReason::kTimeout || reason == transport::CloseReason::kAborted);
  if (*why_ == '\0') why_ = why_closed(reason);
  const char* why = why_;
  const bool routine = routine_;
  const bool timed_out =
      reason == transport::CloseReason::kTimeout || reason == transport::CloseReason::kNotTaken;
  const bool lost = !was_connecting && timed_out && silent_;
  const Time since = silent_since_;
  context_.pod_connections.destroy(this);
  if (unanswered) pool.on_connect_unanswered();
  pool.on_gone(was_connecting, isolated, why, routine);
  if (lost) pool.on_lost_in_silence(since);
}

const char* PodConnection::why_closed(transport::CloseReason reason) const {
  if (const char* failure = stream_->failure(); *failure != '\0') return failure;
  switch (reason) {
    case transport::CloseReason::kReset:
      return established_ ? "the pod reset the connection" : "connection refused";
    case transport::CloseReason::kUnreachable:
      return "nobody answers for its address, or no route leads there";
    case transport::CloseReason::kFinished:
      return "the pod closed the connection";
    case transport::CloseReason::kTimeout:
    case transport::CloseReason::kAborted:
    case transport::CloseReason::kNotTaken:
      break;
  }
  if (!established_) return "no answer to a SYN";
  return ready_ ? "no answer to what was sent" : "no SETTINGS in time";
}

bool PodConnection::lose_streams() {
  const uint64_t transmitted = stream_->transmitted();
  bool queued = false;
  http_->for_each_stream([&](http::Stream& s) {
    const bool on_the_wire = s.head_sent() && s.head_position() < transmitted;
    queued |= s.head_sent() && !on_the_wire;
    // The call separates itself from the stream. The stream goes with the connection.
    CallSide::of(s).pod_lost(!on_the_wire                 ? PodLoss::kNotTransmitted
                             : http_->stale(s, was_idle_) ? PodLoss::kStale
                             : accuses_                   ? PodLoss::kAccused
                                                          : PodLoss::kTransmitted);
  });
  return queued;
}

void PodConnection::end(const char* why) {
  closing_ = true;
  why_ = why;
  retire();
  http_->stop();
  // Calls that are tried elsewhere must not be sent here after all: a FIN would come behind all
  // queued bytes.
  // And a FIN would make a part of a tunnel's bytes look whole.
  if (lose_streams() || http_->ending() == http::Connection::Ending::kAbort) {
    stream_->abort();
  } else {
    stream_->close();
  }
}

bool PodConnection::takes_fields(const http::FieldList& fields) const {
  const uint32_t most = http_->peer_max_header_list_size();
  if (fields.size() <= most) [[likely]]
    return true;
  // The text of a value that was replaced counts in size() as well.
  size_t size = 0;
  for (const http::Field f : fields) size += f.name.size() + f.value.size() + 32;
  return size <= most;
}

void PodConnection::retire() {
  if (retired_) return;
  const bool was_connecting = connecting();
  retired_ = true;
  open_ = false;
  context_.touch(*this);
  pool_.on_retired(*this, was_connecting);
}

// More resets may make the pod close the connection; without a connection calls fail for certain.
void PodConnection::reopen() {
  if (open_ || !ready()) return;
  open_ = true;
  context_.touch(*this);
}

void PodConnection::flush() {
  if (!closing_ && http2_ != nullptr && (http_->resets_waiting() > 0 || http2_->resets_waiting > 0))
    settle_resets();
  if (http_->streams_begun() >= context_.limits.max_pod_connection_streams) worn_ = true;
  if (worn_ && !retired_) {
    const bool coming = pool_.replace(*this);
    if (coming && http_->resets_waiting() > pool_.reset_rate().burst / 2) open_ = false;
    // Resets that wait fill the pod's limit of streams.
    if (!coming && !retired_ && http_->resets_waiting() > 0 && !http_->can_open()) {
      http2_->resets = {};
      settle_resets();
    }
  }
  if (owner_ == kSuspects && streams() == 0 && http_->streams_begun() > 0) retire();
  if (!closing_ && !http_->failed()) {
    http_->flush(stream_->room());
    give_back();
  }
  if (!closing_) {
    if (http_->failed()) {
      report(http_->guard(), http_->detail());
      end(http_->detail());
    } else if (http_->ending() != http::Connection::Ending::kNo) {
      follow_ending();
    } else if (retired_ && http_->open_streams() == 0) {
      closing_ = true;
      http_->stop();
      stream_->close();
    }
  }
  stream_->push();
}

void PodConnection::follow_ending() {
  closing_ = true;
  routine_ = true;
  why_ = "an exchange of HTTP/1.1 ended the connection";
  const bool abort = http_->ending() == http::Connection::Ending::kAbort;
  retire();
  http_->stop();
  if (abort) {
    stream_->abort();
  } else {
    stream_->close();
  }
}

void PodConnection::begin_idle() {
  idle_since_ = context_.now;
  // The timer moves only to fire earlier: when the pod announces a shorter time than it was armed
  // with.
  const Time end = idle_since_ + pool_.idle_timeout(http_->peer_keeps_idle());
  if (idle_timer_.deadline() > end) context_.wheel.arm(idle_timer_, end);
}

// The last connection stays, unless the pod is about to close it. Then another one comes first.
void PodConnection::on_idle_timer() {
  if (closing_ || retired_) return;
  if (!http1_) {
    look_whether_spare();
    return;
  }
  const Duration limit = pool_.idle_timeout(http_->peer_keeps_idle());
  if (streams() > 0 || context_.now < idle_since_ + limit) {
    context_.wheel.arm(idle_timer_, (streams() > 0 ? context_.now : idle_since_) + limit);
    return;
  }
  why_ = "no request for pod_idle_timeout";
  routine_ = true;
  if (pool_.has_other(*this)) {
    retire();
  } else if (http_->peer_keeps_idle() > Duration::zero()) {
    worn_ = true;
    context_.touch(*this);
  } else {
    why_ = "";
    routine_ = false;
    context_.wheel.arm(idle_timer_, context_.now + limit);
  }
}

bool PodConnection::may_stand_in() {
  if (worn_ || silent_ || !takes_stream()) return false;
  const uint32_t places =
      std::min(context_.limits.pod_connection_streams, http_->peer_max_concurrent_streams());
  if (streams() >= places - places / 2) return false;
  constexpr uint64_t kNewcomer = UINT64_MAX;  // no client's id
  bool enough = http_->window_for(kNewcomer) == http::Connection::WindowFor::kEnough;
  http_->for_each_stream([&](http::Stream& s) {
    const ClientSide* client = CallSide::of(s).payer();
    enough = enough && (client == nullptr ||
                        http_->window_for(client->id()) == http::Connection::WindowFor::kEnough);
  });
  return enough;
}

void PodConnection::look_whether_spare() {
  const uint32_t begun = http_->streams_begun();
  std::optional<uint32_t>& before = http2_->begun_when_idle;
  if (streams() == 0 && before == begun && pool_.takes_elsewhere(*this)) {
    why_ = "no stream for some minutes";
    routine_ = true;
    retire();
    return;
  }
  before.reset();
  if (streams() == 0) before = begun;
  context_.wheel.arm(idle_timer_, context_.now + kSpare);
}

void PodConnection::report(const char* guard, const char* what) {
  context_.stats.events.push({guard, what, pool_.pod().address(), true});
}

void PodConnection::on_guard(const char* guard, const char* what) {
  context_.stats.events.push(
      {guard, what, pool_.pod().address(), true, stats::Event::Kind::kGoesOn});
}

void PodConnection::report_goaway(const http::Goaway& goaway) {
  const Goaway kind =
      goaway.reason == http::EndReason::kNoError ? Goaway::kGraceful : Goaway::kError;
  if (kind <= goaway_) return;
  goaway_ = kind;
  stats::Event event{
      nullptr, "GOAWAY ", pool_.pod().address(), true,
      kind == Goaway::kError ? stats::Event::Kind::kGoesOn : stats::Event::Kind::kRoutine};
  event.add(goaway.code);
  event.add(", last stream ");
  event.add(std::to_string(goaway.last_stream_id));
  if (!goaway.debug.empty()) {
    event.add(": ");
    event.add(goaway.debug);
  }
  context_.stats.events.push(event);
}

void PodConnection::arm_ping() {
  const Duration interval = pool_.ping_interval();
  if (http1_ || interval <= Duration::zero() || !ready_ || http2_->ping_sent) return;
  context_.wheel.arm(http2_->ping_timer, std::max(context_.now, http_->received_at() + interval));
}

// Any bytes from the pod prove that it is there. So a PING is sent only after silence, and any
// bytes answer it.
void PodConnection::on_ping_timer() {
  if (closing_) return;
  if (http2_->ping_sent && http_->received_at() <= http2_->ping_sent_at) {
    ++context_.stats.relay.pod_ping_timeouts;
    why_ = "no answer to PING";
    report(nullptr, why_);
    stream_->abort();
    return;
  }
  http2_->ping_sent = false;
  const Duration interval = pool_.ping_interval();
  if (interval <= Duration::zero()) return;
  if (context_.now < http_->received_at() + interval) {
    arm_ping();
  } else if (http_->open_streams() > 0 || pool_.ping_without_calls()) {
    http_->ping(kPingOpaque);
    ++context_.stats.relay.pod_pings;
    http2_->ping_sent = true;
    http2_->ping_sent_at = context_.now;
    context_.touch(*this);
    context_.wheel.arm(http2_->ping_timer, context_.now + pool_.ping_timeout());
  } else {
    context_.wheel.arm(http2_->ping_timer, context_.now + interval);
  }
}

void PodConnection::give_back() {
  while (http::Stream* s = http_->stuck_stream()) CallSide::of(*s).pod_not_sent();
}

void PodConnection::on_settings() {
  if (!ready_ && !retired_) {
    ready_ = open_ = true;
    connecting_.reset();
    arm_ping();
    if (http1_) {
      begin_idle();
    } else if (owner_ == kEverybody) {
      look_whether_spare();
    }
    pool_.on_ready(*this);
  } else {
    if (http1_) {
      begin_idle();
      pool_.on_free(*this);
    }
    pool_.on_room();
  }
}

void PodConnection::on_ping_ack(uint64_t opaque) {
  if (opaque != kPingOpaque || !http2_->ping_sent) return;
  http2_->ping_sent = false;
  arm_ping();
}

// GOAWAY ends the connection, not the pod (RFC 9113, 6.8).
void PodConnection::on_goaway(const http::Goaway& goaway) {
  const bool error = goaway.reason != http::EndReason::kNoError;
  const bool first_error = goaway_ != Goaway::kError && error;
  report_goaway(goaway);
  const bool blames_pings =
      goaway.reason == http::EndReason::kOverload && goaway.debug == "too_many_pings";
  if (blames_pings) pool_.on_too_many_pings();
  if (first_error && blames_resets(goaway)) pool_.on_too_many_resets();
  // Sluice's own PINGs make no call a suspect.
  const bool accused = error && !blames_pings;
  if (accused) accuses_ = true;
  why_ = "the pod said GOAWAY";
  routine_ = !error;
  retire();
  http_->for_each_stream([&](http::Stream& s) {
    if (s.id() == 0) {  // its HEADERS were never even framed
      CallSide::of(s).pod_not_sent();
    } else if (s.id() > goaway.last_stream_id) {
      CallSide::of(s).pod_unprocessed(accused);
    }
  });
}

void PodConnection::on_headers(http::Stream& s, Section section, http::FieldList& fields,
                               bool end) {
  in_stage(Stage::kRelay, [&] { CallSide::of(s).pod_headers(section, fields, end); });
}

void PodConnection::on_data(http::Stream& s, buf::Slice data, bool end) {
  in_stage(Stage::kRelay, [&] { CallSide::of(s).pod_data(std::move(data), end); });
}

void PodConnection::on_sent(http::Stream& s, uint32_t n) {
  CallSide::of(s).pod_sent(n);
}

void PodConnection::on_reset(http::Stream& s, http::EndReason code, http::EndedBy by) {
  CallSide& call = CallSide::of(s);
  if (by != http::EndedBy::kPeer && s.id() != 0) charge(call.payer());
  call.pod_reset(code, by);
}

void PodConnection::on_closed(http::Stream& s) {
  if (http1_) pool_.earn_connect();
  in_stage(Stage::kRelay, [&] { CallSide::of(s).pod_closed(); });
}

}  // namespace sluice::upstream
