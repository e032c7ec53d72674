// The beginning of a splice: the server name, the choice of a pod, the connect.

#include <algorithm>
#include <array>

#include "splice/listener.h"
#include "splice/proxy_header.h"
#include "splice/service.h"
#include "splice/splice.h"

namespace sluice::splice {

namespace {

// RFC 8446, 6.2.
constexpr uint8_t kDecodeError = 50;
constexpr uint8_t kUnrecognizedName = 112;

// As routes have names: in lower case, without the dot of the root.
std::string normal(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

}  // namespace

void Splice::read_hello() {
  hello_ = std::make_unique<tls::HelloReader>(context_.guards.handshake_size);
  if (const Duration limit = context_.guards.handshake_timeout; limit > Duration::zero())
    context_.wheel.arm(step_timer_, context_.now + limit);
}

// hello_ has read all bytes so far.
void Splice::on_hello() {
  using State = tls::HelloReader::State;
  const State state = hello_->state();
  if (state == State::kMore) return;
  step_timer_.disarm();
  const std::unique_ptr<tls::HelloReader> hello = std::move(hello_);
  switch (state) {
    case State::kMore:
      break;
    case State::kWhole:
      choose(hello->server_name());
      break;
    case State::kNotTls:
      end(End::kNoHello);
      break;
    case State::kBroken:
      refuse(kDecodeError, End::kNoHello);
      break;
    case State::kTooLong:
      context_.stats.events.push({"hello_size", "sent a ClientHello that is too long", peer_});
      end(End::kHelloSize);
      break;
  }
}

void Splice::choose(std::string_view server_name) {
  server_name_ = server_name;
  tls_ = client_.stream->security();
  service_ = listener_.routes().find(server_name);
  if (service_ == nullptr) {
    refuse(kUnrecognizedName, End::kUnknownName);
    return;
  }
  service_slot_ = service_->slot();
  state_ = State::kConnecting;
  if (!service_->has_pods()) {
    end(End::kNoPod);
  } else if (!try_next_pod()) {
    end(End::kUnreachable);
  }
}

// A fatal alert in a record of cleartext, as before a handshake; then FIN.
void Splice::refuse(uint8_t alert, End why) {
  const std::array<uint8_t, 7> record{21, 3, 3, 0, 2, 2, alert};
  const bool cleartext = *client_.stream->security() == 0;
  if (!cleartext || !client_.stream->output().append_copy(record, context_.memory.hold())) {
    end(why);
    return;
  }
  note_end(why);
  state_ = State::kRefused;
  client_.stream->consumed(static_cast<uint32_t>(client_.waiting.size()));
  client_.waiting.clear();
  client_.stream->push();
  client_.stream->close();
  context_.wheel.arm(step_timer_, context_.now + kLastWords);
}

// False: there is no pod that has not been tried, or there were enough.
bool Splice::try_next_pod() {
  const size_t most = std::min<size_t>(context_.limits.transparent_retries + size_t{1}, kMostTries);
  while (tries_ < most) {
    Backend* backend = service_->pick(std::span(tried_).first(tries_));
    if (backend == nullptr) return false;
    if (tries_ > 0) ++context_.stats.splice.connect_retries;
    tried_.at(tries_++) = pod_slot_ = backend->pod().slot();
    backend->begin();
    pod_.stream = context_.plain.connect(backend->pod().address(), pod_, context_.now);
    if (pod_.stream != nullptr) {
      backend_ = backend;
      context_.wheel.arm(step_timer_, context_.now + service_->config().connect_timeout);
      return true;
    }
    // No route, source port or place for a connection: not the pod's fault.
    ++backend->pod().stats().connect_failures;
    service_->give_back(*backend);
  }
  return false;
}

// No byte of the client has gone to the pod.
void Splice::on_connect_failed(const char* why) {
  step_timer_.disarm();
  service_->on_connect_failed(*backend_, why);
  leave_backend();
  if (!try_next_pod()) end(End::kUnreachable);
}

void Splice::leave_backend() {
  if (backend_ == nullptr) return;
  service_->give_back(*backend_);
  backend_ = nullptr;
}

void Splice::on_established(Side& side) {
  if (is_client(side)) {  // the handshake of TLS is done
    if (state_ == State::kNew) choose(normal(side.stream->server_name()));
    return;
  }
  if (state_ != State::kConnecting) return;
  step_timer_.disarm();
  backend_->on_connected();
  state_ = State::kOpen;
  connected_at_ = moved_at_ = context_.now;
  client_.stream->set_patient();
  pod_.stream->set_patient();
  if (!say_who_it_is()) {
    end(End::kMemory);
    return;
  }
  touch();
}

// The pod sees an address of Sluice's own as the peer. The header comes before the first byte.
// False: there is no memory.
bool Splice::say_who_it_is() {
  if (service_->config().proxy_protocol == config::ProxyProtocol::kNone) return true;
  const ProxyHeader header(peer_, listener_.address());
  if (!pod_.stream->output().append_copy(header.view(), context_.memory.hold())) return false;
  pod_.stream->push();
  return true;
}

}  // namespace sluice::splice
