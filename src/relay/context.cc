#include "relay/context.h"

#include "base/hash.h"
#include "relay/client_connection.h"
#include "relay/exchange.h"
#include "relay/pod_connection.h"

namespace sluice::relay {

Context::Context(Time start, tcp::Stack& stack, TimerWheel& timers, buf::Memory& packets,
                 std::span<stats::Worker* const> all, size_t own, uint64_t seed,
                 size_t field_table_bytes)
    : now(start),
      tcp(stack),
      wheel(timers),
      memory(packets),
      workers(all),
      self(own),
      stats(*all[own]),
      random(seed),
      holders(now, limits, stats.relay, SipKey{mix64(seed), mix64(~seed)}),
      hpack(stats.http2, SipKey{random.next(), random.next()}, field_table_bytes) {}

Context::~Context() = default;

}  // namespace sluice::relay
