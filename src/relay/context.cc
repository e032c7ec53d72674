#include "relay/context.h"

#include "base/hash.h"
#include "relay/call.h"
#include "relay/client_connection.h"
#include "relay/handshake.h"
#include "upstream/pod_connection.h"

namespace sluice::relay {

Context::Context(Time start, tcp::Stack& stack, transport::Layer& streams, http::Codec& old_codec,
                 http::Codec& codec, TimerWheel& timers, buf::Memory& packets,
                 std::span<stats::Worker* const> all, size_t own, uint64_t seed, Process* given,
                 const tls::TicketKeys* ticket_keys, tls::HandshakeQueue* handshakes)
    : upstream::Context(start, streams, old_codec, codec, timers, all, own, seed),
      tcp(stack),
      memory(packets),
      own_process(given == nullptr ? std::make_unique<Process>(1) : nullptr),
      process(given == nullptr ? *own_process : *given),
      tls(timers, packets, stats.tls, stats.events, ticket_keys, handshakes, own),
      addresses(now, guards, SipKey{mix64(seed), mix64(~seed)}),
      holders(now, limits, stats.relay, addresses, process) {}

Context::~Context() = default;

void Context::destroy_calls_over() {
  while (Call* call = over.pop_front()) calls.destroy(call);
}

}  // namespace sluice::relay
