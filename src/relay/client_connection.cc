#include "relay/client_connection.h"

#include "relay/address_key.h"
#include "relay/exchange.h"
#include "relay/listener.h"
#include "relay/trailers.h"

namespace sluice::relay {

namespace {
Exchange& exchange_of(http2::Stream& s) {
  return *static_cast<Exchange*>(s.owner());
}
}  // namespace

ClientConnection::ClientConnection(Context& context, Listener& listener, tcp::Connection& tcp)
    : context_(context),
      listener_(listener),
      tcp_(tcp),
      holder_(context.holders.open(tcp.remote().address, *this)),
      drain_timer_([](void* self, Time) { static_cast<ClientConnection*>(self)->on_drain_timer(); },
                   this),
      life_timer_([](void* self, Time) { static_cast<ClientConnection*>(self)->on_life_timer(); },
                  this),
      idle_since_(context.now),
      watch_timer_([](void* self, Time) { static_cast<ClientConnection*>(self)->watch(); }, this),
      id_(++context.clients_ever),
      address_(address_key(tcp.remote().address)),
      forwarding_(listener.forwarding(tcp.remote().address)),
      leave_(&holder_),
      at_address_(&context.addresses.enter(address_), {&context.addresses}),
      http2_(http2::Role::kServer, listener.http2_config(at_address_->origin), *this,
             tcp.send_queue(), context.memory, context.stats.http2, context.streams,
             context.hpack) {
  ++listener_.stats().connections;
  ++listener_.stats().active_connections;
  ++context_.stats.relay.client_connections;
  http2_.set_account(&holder_);
  http2_.start();
  begin_life();
  context_.touch(*this);
}

ClientConnection::~ClientConnection() {
  holder_.forget_client();
  --listener_.stats().active_connections;
  --context_.stats.relay.client_connections;
}

void ClientConnection::on_established(tcp::Connection&) {}

void ClientConnection::on_data(tcp::Connection& c, buf::Slice data) {
  const uint32_t n = data.size();
  context_.touch(*this);
  if (closing_) discarded_ += n;
  if (!closing_ && !http2_.receive(std::move(data), context_.now)) abandon_streams();
  c.consumed(n);
}

// HTTP/2 knows no half-closed connection: who says nothing more can neither open windows nor
// cancel, and its kernel sends this FIN when it was killed. So its calls are over, as with other
// servers.
void ClientConnection::on_end_of_data(tcp::Connection&) {
  peer_ended_ = true;
  abandon_streams();
  context_.touch(*this);
}

void ClientConnection::on_writable(tcp::Connection&) {
  context_.touch(*this);
}

void ClientConnection::on_closed(tcp::Connection&, tcp::CloseReason) {
  abandon_streams();
  context_.clients.destroy(this);
}

void ClientConnection::abandon_streams() {
  http2_.for_each_stream([](http2::Stream& s) {
    Exchange& e = exchange_of(s);
    s.set_owner(nullptr);
    e.client_reset(http2::ErrorCode::kCancel);
  });
}

void ClientConnection::evict() {
  if (evicted_) return;
  closing_ = evicted_ = true;
  abandon_streams();
  holder_.forget_client();
  tcp_.abort();
}

void ClientConnection::flush() {
  if (discarded_ > context_.guards.discarded) {
    if (!evicted_) {
      ++context_.stats.relay.guard_discarded;
      on_guard("discarded", "sent on and on behind GOAWAY and FIN");
    }
    evict();
    return;
  }
  if (!closing_ && !http2_.failed()) http2_.flush(tcp_.send_space());
  if (!closing_) {
    const bool idle = http2_.open_streams() == 0;
    if (http2_.failed()) {
      abandon_streams();
      closing_ = true;
      report();
    } else if (idle && !idle_) {
      on_idle();
    }
    if (!closing_ && (peer_ended_ || (idle && drain_ >= Drain::kFinal))) {
      closing_ = true;
    }
    if (closing_) {
      closing_taken_ = tcp_.acknowledged();
      tcp_.close();
    }
  }
  tcp_.push();
  look();
  if (!watch_timer_.armed() && (closing_ || http2_.wants_watch()))
    context_.wheel.arm(watch_timer_, context_.now + http2::Connection::kWatchPeriod);
}

void ClientConnection::on_heap_refusal() {
  ++context_.stats.http2.guard_heap;
  if (!std::exchange(heap_noted_, true)) on_guard("heap", "more is kept for its calls than may be");
}

void ClientConnection::watch() {
  look();
  if (closing_) {
    watch_closing();
    return;
  }
  context_.touch(*this);
  switch (http2_.watch(context_.now)) {
    case http2::Connection::Watched::kFine:
    case http2::Connection::Watched::kFailed:  // flush() reports it
      return;
    case http2::Connection::Watched::kLate:
      report();
      let_calls_end();
      return;
    case http2::Connection::Watched::kGone:
      report();
      evict();
      return;
  }
}

// The GOAWAY has been said.
void ClientConnection::let_calls_end() {
  drain_ = Drain::kFinal;
  context_.wheel.arm(drain_timer_, context_.now + context_.timeouts.drain);
}

// GOAWAY and FIN wait for a window that the client may never open, while it answers TCP's probes.
// Once the FIN is acknowledged TCP measures the silence itself.
void ClientConnection::watch_closing() {
  const Duration limit = context_.guards.closing_timeout;
  if (evicted_ || limit <= Duration::zero() || tcp_.state() == tcp::State::kFinWait2) return;
  const uint64_t taken = tcp_.acknowledged();
  ++closing_looks_;
  if (taken - closing_taken_ >= kClosingProgress) {
    closing_taken_ = taken;
    closing_looks_ = 0;
  } else if (closing_looks_ * http2::Connection::kWatchPeriod >= limit) {
    ++context_.stats.relay.guard_closing;
    on_guard("closing", "took nothing of its connection's end");
    evict();
    return;
  }
  context_.wheel.arm(watch_timer_, context_.now + http2::Connection::kWatchPeriod);
}

void ClientConnection::report() {
  on_guard(http2_.guard(), http2_.detail());
}

void ClientConnection::on_guard(const char* guard, const char* what) {
  context_.stats.events.push({guard, what, tcp_.remote()});
}

void ClientConnection::drain() {
  if (drain_ != Drain::kNo || closing_) return;
  drain_ = Drain::kAnnounced;
  http2_.goaway(http2::kMaxStreamId, http2::ErrorCode::kNoError);
  http2_.ping(kDrainOpaque);
  context_.wheel.arm(drain_timer_, context_.now + kDrainPing);
  context_.touch(*this);
}

void ClientConnection::say_final_goaway() {
  if (drain_ != Drain::kAnnounced || closing_) return;  // nothing follows our FIN
  drain_ = Drain::kFinal;
  drain_timer_.disarm();
  http2_.goaway(http2_.last_peer_stream_id(), http2::ErrorCode::kNoError);
  http2_.refuse_new_streams();
  context_.touch(*this);
}

void ClientConnection::on_drain_timer() {
  switch (drain_) {
    case Drain::kNo:
    case Drain::kAnnounced:
      say_final_goaway();
      return;
    case Drain::kFinal:  // see let_calls_end()
      end();
      return;
    case Drain::kEnding:
      evict();
      return;
  }
}

// A client that reads hears of each call's end behind what it still has to read; one that does not
// is not waited for.
void ClientConnection::end() {
  if (drain_ < Drain::kFinal) {
    drain_ = Drain::kAnnounced;
    say_final_goaway();
  }
  drain_ = Drain::kEnding;
  http2_.for_each_stream([](http2::Stream& s) { exchange_of(s).end("the load balancer ends"); });
  context_.wheel.arm(drain_timer_, context_.now + kLastWords);
  context_.touch(*this);
}

void ClientConnection::on_headers(http2::Stream& s, Section section, http2::FieldList& fields,
                                  bool end) {
  if (section == Section::kTrailers) {
    context_.stats.relay.trailers_dropped.add(drop_early_fields(fields));
    if (fields.empty()) {
      exchange_of(s).client_data({}, true);
    } else {
      exchange_of(s).client_trailers(fields);
    }
    return;
  }
  if (forwarding_ != nullptr) forwarding_->add_to(fields);
  count_stream();
  listener_.begin(*this, s, fields, end);
}

void ClientConnection::on_data(http2::Stream& s, buf::Slice data, bool end) {
  exchange_of(s).client_data(std::move(data), end);
}

void ClientConnection::on_sent(http2::Stream& s, uint32_t n) {
  exchange_of(s).client_sent(n);
}

void ClientConnection::on_reset(http2::Stream& s, http2::ErrorCode code, ResetBy) {
  Exchange& e = exchange_of(s);
  s.set_owner(nullptr);
  e.client_reset(code);
}

void ClientConnection::on_closed(http2::Stream& s) {
  exchange_of(s).client_closed();
}

// A client that says GOAWAY opens no more streams; it closes when its last one has ended.
void ClientConnection::on_goaway(uint32_t, http2::ErrorCode, std::string_view) {}

void ClientConnection::on_ping_ack(uint64_t opaque) {
  if (opaque == kDrainOpaque) say_final_goaway();
}

}  // namespace sluice::relay
