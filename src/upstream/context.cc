#include "upstream/context.h"

#include "upstream/pod_connection.h"

namespace sluice::upstream {

Context::Context(Time start, transport::Layer& streams, http::Codec& old_codec, http::Codec& codec,
                 TimerWheel& timers, std::span<stats::Worker* const> all, size_t own, uint64_t seed)
    : now(start),
      plain(streams),
      http1(old_codec),
      http2(codec),
      wheel(timers),
      workers(all),
      self(own),
      stats(*all[own]),
      other_loads(all, own, now),
      random(seed),
      connect_turns(timers) {}

Context::~Context() = default;

}  // namespace sluice::upstream
