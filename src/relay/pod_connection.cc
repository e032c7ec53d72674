#include "relay/pod_connection.h"

#include <algorithm>

#include "relay/client_connection.h"
#include "relay/exchange.h"
#include "relay/pool.h"

namespace sluice::relay {

namespace {
Exchange& exchange_of(http2::Stream& s) {
  return *static_cast<Exchange*>(s.owner());
}
}  // namespace

PodConnection::PodConnection(Context& context, Pool& pool, uint64_t owner)
    : context_(context),
      pool_(pool),
      owner_(owner),
      id_(++context.pod_connections_ever),
      since_(context.now),
      reset_timer_(
          [](void* self, Time) {
            auto* c = static_cast<PodConnection*>(self);
            c->context_.touch(*c);
          },
          this),
      connect_timer_([](void* self, Time) { static_cast<PodConnection*>(self)->tcp_->abort(); },
                     this),
      ping_timer_([](void* self, Time) { static_cast<PodConnection*>(self)->on_ping_timer(); },
                  this) {}

bool PodConnection::start() {
  tcp_ = context_.tcp.connect(Endpoint{}, pool_.pod().address(), this, context_.now);
  if (tcp_ == nullptr) return false;
  tcp_->set_user_timeout(kUnacknowledged);
  http2_.emplace(http2::Role::kClient, context_.pod_http2, *this, tcp_->send_queue(),
                 context_.memory, context_.stats.http2, context_.streams, context_.hpack);
  // From the SYN to the pod's SETTINGS: a pod that accepts and says nothing is not ready.
  context_.wheel.arm(connect_timer_, context_.now + pool_.connect_timeout());
  return true;
}

void PodConnection::on_established(tcp::Connection&) {
  established_ = true;
  http2_->start();
  context_.touch(*this);
}

void PodConnection::on_data(tcp::Connection& c, buf::Slice data) {
  const uint32_t n = data.size();
  context_.touch(*this);
  if (!closing_) http2_->receive(std::move(data), context_.now);
  c.consumed(n);
  pool_.on_heard();
}

// A pod that ends its side has said all that it will; what it did not answer is lost.
void PodConnection::on_end_of_data(tcp::Connection&) {
  if (!closing_) end("the pod closed the connection");
}

void PodConnection::on_writable(tcp::Connection&) {
  context_.touch(*this);
}

void PodConnection::on_silence(tcp::Connection&, bool silent) {
  silent_ = silent;
  silent_since_ = context_.now;
  pool_.on_silence(silent);
}

void PodConnection::on_closed(tcp::Connection&, tcp::CloseReason reason) {
  const bool was_connecting = connecting();
  const bool isolated = owner_ != Pool::kEverybody;
  Pool& pool = pool_;
  pool.remove(*this);
  retired_ = true;
  lose_streams();
  const bool unanswered =
      was_connecting && !established_ &&
      (reason == tcp::CloseReason::kTimeout || reason == tcp::CloseReason::kAborted);
  if (*why_ == '\0') why_ = why_closed(reason);
  const char* why = why_;
  const bool routine = routine_;
  const bool lost = !was_connecting && reason == tcp::CloseReason::kTimeout && silent_;
  const Time since = silent_since_;
  context_.pod_connections.destroy(this);
  if (unanswered) pool.on_connect_unanswered();
  pool.on_gone(was_connecting, isolated, why, routine);
  if (lost) pool.on_lost_in_silence(since);
}

const char* PodConnection::why_closed(tcp::CloseReason reason) const {
  switch (reason) {
    case tcp::CloseReason::kReset:
      return established_ ? "the pod reset the connection" : "connection refused";
    case tcp::CloseReason::kUnreachable:
      return "nobody answers for its address, or no route leads there";
    case tcp::CloseReason::kFinished:
      return "the pod closed the connection";
    case tcp::CloseReason::kTimeout:
    case tcp::CloseReason::kAborted:
      break;
  }
  if (!established_) return "no answer to a SYN";
  return ready_ ? "no answer to what was sent" : "no SETTINGS in time";
}

bool PodConnection::lose_streams() {
  const uint64_t transmitted = tcp_->transmitted();
  bool queued = false;
  http2_->for_each_stream([&](http2::Stream& s) {
    Exchange& e = exchange_of(s);
    const bool on_the_wire = s.headers_sent() && s.headers_position() < transmitted;
    queued |= s.headers_sent() && !on_the_wire;
    // Leaves the stream, which goes with the connection.
    e.pod_lost(on_the_wire, goaway_ == Goaway::kError);
  });
  return queued;
}

void PodConnection::end(const char* why) {
  closing_ = true;
  why_ = why;
  retire();
  // What is tried elsewhere must not leave after all: a FIN would come behind all queued bytes.
  if (lose_streams()) {
    tcp_->abort();
  } else {
    tcp_->close();
  }
}

bool PodConnection::takes_fields(const http2::FieldList& fields) const {
  const uint32_t most = http2_->peer_max_header_list_size();
  if (fields.size() <= most) [[likely]]
    return true;
  // A value that was replaced counts in size() as well.
  size_t size = 0;
  for (const http2::Field f : fields) size += f.name.size() + f.value.size() + 32;
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

// What the pod may make of more resets is not certain; that calls fail without a connection is.
void PodConnection::reopen() {
  if (open_ || !ready()) return;
  open_ = true;
  context_.touch(*this);
}

void PodConnection::flush() {
  if (http2_->resets_waiting() > 0 || resets_waiting_ > 0) settle_resets();
  if (http2_->streams_begun() >= context_.limits.max_pod_connection_streams) worn_ = true;
  if (worn_ && !retired_) {
    const bool coming = pool_.replace(*this);
    if (coming && http2_->resets_waiting() > pool_.reset_rate().burst / 2) open_ = false;
    // Those that wait fill the pod's limit of streams.
    if (!coming && !retired_ && http2_->resets_waiting() > 0 && !http2_->can_open()) {
      resets_ = {};
      settle_resets();
    }
  }
  if (owner_ == kSuspects && streams() == 0 && http2_->streams_begun() > 0) retire();
  if (!closing_ && !http2_->failed()) {
    http2_->flush(tcp_->send_space());
    give_back();
  }
  if (!closing_) {
    if (http2_->failed()) {
      report(http2_->guard(), http2_->detail());
      end(http2_->detail());
    } else if (retired_ && http2_->open_streams() == 0) {
      closing_ = true;
      tcp_->close();
    }
  }
  tcp_->push();
}

void PodConnection::report(const char* guard, const char* what) {
  context_.stats.events.push({guard, what, pool_.pod().address(), true});
}

void PodConnection::on_guard(const char* guard, const char* what) {
  context_.stats.events.push(
      {guard, what, pool_.pod().address(), true, stats::Event::Kind::kGoesOn});
}

void PodConnection::report_goaway(uint32_t last_stream_id, http2::ErrorCode code,
                                  std::string_view debug) {
  const Goaway kind = code == http2::ErrorCode::kNoError ? Goaway::kGraceful : Goaway::kError;
  if (kind <= goaway_) return;
  goaway_ = kind;
  stats::Event event{
      nullptr, "GOAWAY ", pool_.pod().address(), true,
      kind == Goaway::kError ? stats::Event::Kind::kGoesOn : stats::Event::Kind::kRoutine};
  event.add(http2::text_of(code));
  event.add(", last stream ");
  event.add(std::to_string(last_stream_id));
  if (!debug.empty()) {
    event.add(": ");
    event.add(debug);
  }
  context_.stats.events.push(event);
}

void PodConnection::arm_ping() {
  const Duration interval = pool_.ping_interval();
  if (interval <= Duration::zero() || !ready_ || ping_sent_) return;
  context_.wheel.arm(ping_timer_, std::max(context_.now, http2_->received_at() + interval));
}

// Whatever the pod says proves that it is there, so only silence is broken by a PING, and anything
// answers it.
void PodConnection::on_ping_timer() {
  if (closing_) return;
  if (ping_sent_ && http2_->received_at() <= ping_sent_at_) {
    ++context_.stats.relay.pod_ping_timeouts;
    why_ = "no answer to PING";
    report(nullptr, why_);
    tcp_->abort();
    return;
  }
  ping_sent_ = false;
  const Duration interval = pool_.ping_interval();
  if (interval <= Duration::zero()) return;
  if (context_.now < http2_->received_at() + interval) {
    arm_ping();
  } else if (http2_->open_streams() > 0 || pool_.ping_without_calls()) {
    http2_->ping(kPingOpaque);
    ++context_.stats.relay.pod_pings;
    ping_sent_ = true;
    ping_sent_at_ = context_.now;
    context_.touch(*this);
    context_.wheel.arm(ping_timer_, context_.now + pool_.ping_timeout());
  } else {
    context_.wheel.arm(ping_timer_, context_.now + interval);
  }
}

void PodConnection::give_back() {
  while (http2::Stream* s = http2_->stuck_stream()) exchange_of(*s).pod_not_sent();
}

void PodConnection::on_settings() {
  if (!ready_ && !retired_) {
    ready_ = open_ = true;
    connect_timer_.disarm();
    arm_ping();
    pool_.on_ready(*this);
  } else {
    pool_.on_room();
  }
}

void PodConnection::on_ping_ack(uint64_t opaque) {
  if (opaque != kPingOpaque || !ping_sent_) return;
  ping_sent_ = false;
  arm_ping();
}

// The connection goes, not the pod (RFC 9113, 6.8).
void PodConnection::on_goaway(uint32_t last_stream_id, http2::ErrorCode code,
                              std::string_view debug) {
  const bool first_error = goaway_ != Goaway::kError && code != http2::ErrorCode::kNoError;
  report_goaway(last_stream_id, code, debug);
  if (code == http2::ErrorCode::kEnhanceYourCalm && debug == "too_many_pings")
    pool_.on_too_many_pings();
  if (first_error && blames_resets(code, debug)) pool_.on_too_many_resets();
  why_ = "the pod said GOAWAY";
  routine_ = code == http2::ErrorCode::kNoError;
  retire();
  http2_->for_each_stream([&](http2::Stream& s) {
    if (s.id() == 0) {  // its HEADERS were never even framed
      exchange_of(s).pod_not_sent();
    } else if (s.id() > last_stream_id) {
      exchange_of(s).pod_unprocessed(code != http2::ErrorCode::kNoError);
    }
  });
}

void PodConnection::on_headers(http2::Stream& s, Section section, http2::FieldList& fields,
                               bool end) {
  exchange_of(s).pod_headers(section, fields, end);
}

void PodConnection::on_data(http2::Stream& s, buf::Slice data, bool end) {
  exchange_of(s).pod_data(std::move(data), end);
}

void PodConnection::on_sent(http2::Stream& s, uint32_t n) {
  exchange_of(s).pod_sent(n);
}

void PodConnection::on_reset(http2::Stream& s, http2::ErrorCode code, ResetBy by) {
  Exchange& e = exchange_of(s);
  if (by != ResetBy::kPeer && s.id() != 0) charge(e.client());
  e.pod_reset(code, by);
}

void PodConnection::on_closed(http2::Stream& s) {
  exchange_of(s).pod_closed();
}

}  // namespace sluice::relay
