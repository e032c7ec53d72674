#include "splice/context.h"

#include "splice/splice.h"

namespace sluice::splice {

Context::Context(Time start, tcp::Stack& stack, transport::Layer& streams, tls::Context& secure,
                 TimerWheel& timers, buf::Memory& packets, std::span<stats::Worker* const> all,
                 size_t own_index, uint64_t own_seed)
    : now(start),
      tcp(stack),
      plain(streams),
      tls(secure),
      wheel(timers),
      memory(packets),
      workers(all),
      self(own_index),
      seed(own_seed),
      stats(*all[own_index]),
      other_loads(all, own_index, now),
      random(own_seed) {}

Context::~Context() = default;

}  // namespace sluice::splice
