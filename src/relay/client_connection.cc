#include "relay/client_connection.h"

#include <cstring>

#include "base/stage_meter.h"
#include "http/answers.h"
#include "http/validation.h"
#include "relay/address_key.h"
#include "relay/admission.h"
#include "relay/call.h"
#include "relay/listener.h"
#include "relay/trailers.h"
#include "tls/server_contexts.h"

namespace sluice::relay {

namespace {
Call& call_of(http::Stream& s) {
  return *static_cast<Call*>(s.owner());
}

// Behind TLS, ALPN has chosen (RFC 7301). On cleartext, a listener of both versions begins with
// HTTP/1.1 until the client's first bytes say otherwise.
http::Codec& first_codec(Context& context, const Listener& listener,
                         const transport::Stream& stream) {
  const std::string_view chosen = stream.alpn();
  const bool http1 = listener.takes_http1() || chosen == tls::kHttp11 || chosen == tls::kHttp10;
  return http1 ? context.http1 : context.http2;
}

}  // namespace

ClientConnection::ClientConnection(Context& context, Listener& listener,
                                   transport::StreamPtr stream)
    : context_(context),
      listener_(listener),
      stream_(std::move(stream)),
      holder_(&context.holders.open(address_key(peer().address), *this)),
      life_timer_([](void* self, Time) { static_cast<ClientConnection*>(self)->on_life_timer(); },
                  this),
      idle_since_(context.now),
      watch_timer_([](void* self, Time) { static_cast<ClientConnection*>(self)->watch(); }, this),
      id_(++context.clients_ever),
      forwarding_(listener.forwarding(*stream_)),
      http_(first_codec(context, listener, *stream_)
                .server(*this, *stream_, listener.http_options(holder_->address().origin))) {
  if (listener.takes_http1()) first_bytes_.emplace();
  stream_->set_user(*this);
  ++listener_.stats().connections;
  ++listener_.stats().active_connections;
  ++context_.stats.relay.client_connections;
  http_->set_account(holder_.get());
  http_->start();
  begin_life();
  context_.touch(*this);
}

ClientConnection::~ClientConnection() {
  if (leaving_ != nullptr) context_.leaving.destroy(leaving_);
  holder_->forget_client();
  --listener_.stats().active_connections;
  --context_.stats.relay.client_connections;
}

void ClientConnection::on_established(transport::Stream&) {}

void ClientConnection::on_data(transport::Stream& stream, buf::Slice data) {
  context_.touch(*this);
  if (first_bytes_ && !closing_ && !choose_version(data)) return;
  const uint32_t n = data.size();
  if (http_->credits()) {
    if (closing_) {
      linger_on(n);
    } else if (!http_->receive(std::move(data), context_.now)) {
      abandon_streams(why_failed());
    }
    return;
  }
  if (closing_) leaving().discarded += n;
  if (!closing_ && !http_->receive(std::move(data), context_.now)) abandon_streams(why_failed());
  stream.consumed(n);
}

bool ClientConnection::choose_version(buf::Slice& data) {
  const std::string_view seen = first_bytes_->seen();
  const FirstBytes::Version version = first_bytes_->look(data.view());
  if (version == FirstBytes::Version::kUnknown) return false;
  first_bytes_.reset();
  if (version == FirstBytes::Version::kHttp2) {
    http_ =
        context_.http2.server(*this, *stream_, listener_.http_options(holder_->address().origin));
    http_->set_account(holder_.get());
    http_->start();
    if (drain_ == Drain::kAnnounced) http_->announce_drain(kDrainOpaque);
    stream_->consumed(static_cast<uint32_t>(seen.size()));
  }
  if (seen.empty()) return true;
  buf::Slice first = context_.memory.hold().alloc();
  if (!first) {
    stream_->abort();
    closing_ = true;
    return false;
  }
  std::memcpy(first.mutable_data(), seen.data(), seen.size());
  first.grow_back(static_cast<uint32_t>(seen.size()));
  return http_->receive(std::move(first), context_.now);
}

// There is nothing to read yet, but more memory is kept for the client.
void ClientConnection::on_gap(transport::Stream&) {
  context_.touch(*this);
}

// HTTP/2 has no half-closed connections. A client that sends no more can neither open windows nor
// cancel, and a kernel sends this FIN for a client that was killed. So the client's calls are over,
// as with other servers.
//
// A client of HTTP/1.1 may end its side behind a whole request and still read the answer. If the
// client was killed, the first bytes of the answer bring a reset.
//
// An end that somebody else may have made, behind TLS, ends no request and no tunnel in order.
void ClientConnection::on_end_of_data(transport::Stream&, transport::End end) {
  if (!closing_ && end == transport::End::kClean && http_->end_of_input()) {
    context_.touch(*this);
    return;
  }
  peer_ended_ = true;
  abandon_streams("the client closed the connection");
  context_.touch(*this);
}

void ClientConnection::on_writable(transport::Stream&) {
  context_.touch(*this);
}

void ClientConnection::on_closed(transport::Stream&, transport::CloseReason reason) {
  if (reason == transport::CloseReason::kNotTaken) {
    ++context_.stats.relay.guard_closing;
    on_guard("closing", "took nothing of its connection's end");
  }
  abandon_streams("the client's connection was lost");
  context_.clients.destroy(this);
}

const char* ClientConnection::why_failed() const {
  return http_->guard() == nullptr ? "the client broke the protocol"
                                   : "a guard ended the client's connection";
}

void ClientConnection::abandon_streams(const char* why) {
  http_->for_each_stream([why](http::Stream& s) {
    Call& call = call_of(s);
    s.set_owner(nullptr);
    call.client_reset(http::EndReason::kCancelled, why);
  });
}

void ClientConnection::evict(const char* why) {
  if (evicted_) return;
  closing_ = evicted_ = true;
  abandon_streams(why);
  holder_->forget_client();
  http_->stop();
  stream_->abort();
}

void ClientConnection::flush() {
  if (leaving_ != nullptr && leaving_->discarded > context_.guards.discarded) {
    if (!evicted_) {
      ++context_.stats.relay.guard_discarded;
      on_guard("discarded", "sent on and on behind GOAWAY and FIN");
    }
    evict("a guard ended the client's connection");
    return;
  }
  if (!closing_ && !http_->failed()) http_->flush(stream_->room());
  if (!closing_) {
    const bool idle = http_->open_streams() == 0;
    if (http_->failed() && http_->ending() == http::Connection::Ending::kAbort) {
      report();
      evict(why_failed());
      return;
    }
    if (http_->failed()) {
      abandon_streams(why_failed());
      closing_ = true;
      report();
    } else if (idle && !idle_) {
      on_idle();
    }
    if (!closing_ && http_->ending() == http::Connection::Ending::kAbort) {
      evict("the answer ended with the connection");
      return;
    }
    if (!closing_ && (peer_ended_ || http_->ending() != http::Connection::Ending::kNo ||
                      (idle && drain_ >= Drain::kFinal))) {
      closing_ = true;
    }
    if (closing_) {
      http_->stop();
      stream_->close();
      if (http_->credits()) begin_linger();
    }
  }
  stream_->push();
  look();
  if (!watch_timer_.armed() && (holder_->in_tcp() > 0 || (!closing_ && http_->wants_watch())))
    context_.wheel.arm(watch_timer_, context_.now + http::Connection::kWatchPeriod);
}

void ClientConnection::on_heap_refusal() {
  ++context_.stats.http2.guard_heap;
  if (!std::exchange(heap_noted_, true)) on_guard("heap", "more is kept for its calls than may be");
}

void ClientConnection::watch() {
  context_.touch(*this);  // flush() looks at the output in TCP
  if (closing_) return;
  switch (http_->watch(context_.now)) {
    case http::Connection::Watched::kFine:
    case http::Connection::Watched::kFailed:  // flush() reports it
      return;
    case http::Connection::Watched::kLate:
      report();
      let_calls_end();
      return;
    case http::Connection::Watched::kGone:
      report();
      evict(why_failed());
      return;
  }
}

// The final GOAWAY has been sent.
void ClientConnection::let_calls_end() {
  drain_ = Drain::kFinal;
  arm_drain(context_.timeouts.drain);
}

ClientLeaving& ClientConnection::leaving() {
  if (leaving_ == nullptr)
    leaving_ = context_.leaving.create(
        [](void* self, Time) { static_cast<ClientConnection*>(self)->on_drain_timer(); }, this);
  return *leaving_;
}

void ClientConnection::arm_drain(Duration wait) {
  context_.wheel.arm(leaving().timer, context_.now + wait);
}

void ClientConnection::report() {
  on_guard(http_->guard(), http_->detail());
}

void ClientConnection::on_guard(const char* guard, const char* what) {
  context_.stats.events.push({guard, what, stream_->peer()});
}

void ClientConnection::drain() {
  if (drain_ != Drain::kNo || closing_) return;
  drain_ = Drain::kAnnounced;
  http_->announce_drain(kDrainOpaque);
  arm_drain(kDrainPing);
  context_.touch(*this);
}

void ClientConnection::say_final_goaway() {
  if (drain_ != Drain::kAnnounced || closing_) return;  // nothing follows our FIN
  drain_ = Drain::kFinal;
  if (leaving_ != nullptr) leaving_->timer.disarm();
  http_->drain();
  context_.touch(*this);
}

void ClientConnection::on_drain_timer() {
  switch (drain_) {
    case Drain::kNo:
    case Drain::kAnnounced:
      if (http_->announces_later()) {
        arm_drain(kDrainPing);
      } else {
        say_final_goaway();
      }
      return;
    case Drain::kFinal:  // see let_calls_end()
      end();
      return;
    case Drain::kEnding:
      evict("the load balancer ends");
      return;
    case Drain::kLingering:
      on_linger_timer();
      return;
  }
}

// Ends all calls. A client that reads gets the end of each call behind the output before it. A
// client that does not read is not waited for.
void ClientConnection::end() {
  end("the load balancer ends");
}

void ClientConnection::end(const char* why) {
  if (drain_ < Drain::kFinal) {
    drain_ = Drain::kAnnounced;
    say_final_goaway();
  }
  drain_ = Drain::kEnding;
  http_->for_each_stream([why](http::Stream& s) { call_of(s).end(why); });
  arm_drain(kLastWords);
  context_.touch(*this);
}

bool ClientConnection::answer_misdirected(http::Stream& s, const http::FieldList& request,
                                          bool end) {
  using Authority = transport::Stream::Authority;
  std::string_view host = request.find(http::Name::kAuthority).value_or("");
  if (host.empty()) host = request.find(http::Name::kHost).value_or("");
  host = http::host_of(host);
  if (host.empty()) return false;  // the host that the connection is for (RFC 9112, 3.3)
  const Authority authority = stream_->authority_for(host);
  if (authority == Authority::kThis) return false;
  count_stream();
  ++listener_.stats().streams;
  ++context_.stats.tls.misdirected;
  http::FieldList answer;
  if (authority == Authority::kAnother) {
    http::answer_misdirected(answer);
  } else {
    http::answer_unknown_host(answer);
  }
  answer_alone(s, answer, end);
  return true;
}

void ClientConnection::answer_alone(http::Stream& s, const http::FieldList& answer, bool end) {
  http_->send_headers(s, answer, true);
  // The answer to a whole request ends the stream, and destroys it.
  if (!end) http_->reset_after_output(s, http::EndReason::kNoError);
}

void ClientConnection::on_headers(http::Stream& s, Section section, http::FieldList& fields,
                                  bool end) {
  if (section == Section::kTrailers) {
    context_.stats.relay.trailers_dropped.add(drop_early_fields(fields));
    if (fields.empty()) {
      call_of(s).client_data({}, true);
    } else {
      call_of(s).client_trailers(fields);
    }
    return;
  }
  in_stage(Stage::kRelay, [&] { admit(context_, listener_, *this, s, fields, end); });
}

void ClientConnection::on_data(http::Stream& s, buf::Slice data, bool end) {
  in_stage(Stage::kRelay, [&] { call_of(s).client_data(std::move(data), end); });
}

void ClientConnection::on_sent(http::Stream& s, uint32_t n) {
  call_of(s).client_sent(n);
}

void ClientConnection::on_reset(http::Stream& s, http::EndReason code, http::EndedBy by) {
  using http::EndReason;
  const bool http1 = http_->credits();
  Call& call = call_of(s);
  s.set_owner(nullptr);
  // HTTP/1.1 answers a bad request if it can; HTTP/2 resets the stream.
  const auto refused = [&](uint16_t status, const char* why) {
    call.client_refused(code, why, http1 ? status : uint16_t{0});
  };
  switch (by) {
    case http::EndedBy::kPeer:
      call.client_reset(code,
                        http1 ? "the client closed the connection" : "the client reset the stream");
      return;
    case http::EndedBy::kHalfClosed:
      call.client_reset(code, "the client had ended its side, and the answer did not come");
      return;
    case http::EndedBy::kProtocol:
      if (code == EndReason::kTimeout) {
        refused(408, "the rest of the request did not come in time");
      } else if (http1 && code == EndReason::kInternalError) {
        refused(0, "the answer is not as long as its content-length");
      } else {
        refused(400, "the client broke the protocol");
      }
      return;
    case http::EndedBy::kTooLarge:
      refused(431, "the request's trailers are too large");
      return;
    case http::EndedBy::kGuard:
      refused(0, "a guard ended the stream");
      return;
    case http::EndedBy::kMemory:
      refused(0, "out of packet memory");
      return;
  }
}

void ClientConnection::on_closed(http::Stream& s) {
  in_stage(Stage::kRelay, [&] { call_of(s).client_closed(); });
}

// A client that sends GOAWAY opens no more streams, and closes when its last one has ended.
void ClientConnection::on_goaway(const http::Goaway&) {}

void ClientConnection::on_ping_ack(uint64_t opaque) {
  if (opaque == kDrainOpaque) say_final_goaway();
}

}  // namespace sluice::relay
