#include "steer/exchange.h"

#include <utility>

namespace sluice::steer {

Exchange::Exchange(unsigned workers, Wake wake) : workers_(workers), wake_(std::move(wake)) {
  for (unsigned from = 0; from < workers; ++from)
    for (unsigned to = 0; to < workers; ++to)
      ways_.push_back(from == to ? nullptr : std::make_unique<Way>());
}

void Exchange::publish(unsigned from, unsigned to) {
  const bool packets = way(from, to).packets.publish();
  const bool news = way(from, to).news.publish();
  if ((packets || news) && wake_) wake_(to);
}

void Exchange::report_drained() {
  if (drained_.fetch_add(1, std::memory_order_relaxed) + 1 != workers_ || !wake_) return;
  for (unsigned worker = 0; worker < workers_; ++worker) wake_(worker);
}

}  // namespace sluice::steer
