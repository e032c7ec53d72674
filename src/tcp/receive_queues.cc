#include "tcp/receive_queues.h"

#include <algorithm>

#include "tcp/receive_queue.h"

namespace sluice::tcp {

// False: nothing more may be kept.
bool ReceiveQueues::make_room() {
  if (!memory_.roomy()) return false;
  // A segment that spans many islands needs a record for each gap between them.
  const size_t spare = config_.max_out_of_order_ranges + 1;
  while (held_.live() != 0 &&
         (islands_.live() + spare > kMaxIslands || pieces_.live() + spare > kMaxPieces))
    shed_worst();
  return true;
}

void ReceiveQueues::shed_all() {
  while (held_.live() != 0 && !memory_.roomy()) {
    shed_worst();
    memory_.refresh();
  }
}

void ReceiveQueues::shed_worst() {
  const auto worst = std::find_if(classes_.rbegin(), classes_.rend(),
                                  [](const List<Held>& c) { return !c.empty(); });
  ++counters_.out_of_order_shed;
  worst->front().queue.clear();
}

Held* ReceiveQueues::open(ReceiveQueue& queue, Time now) {
  Held* held =
      held_.create(*this, queue, [](void* h, Time at) { static_cast<Held*>(h)->queue.expire(at); });
  classes_[0].push_back(*held);
  wheel_.arm(held->age_timer, now + config_.out_of_order_age);
  return held;
}

void ReceiveQueues::close(Held& held) {
  held_.destroy(&held);
}

void ReceiveQueues::measure(Held& held) {
  const auto size_class =
      static_cast<uint8_t>(std::min<size_t>(std::bit_width(held.cost()), classes_.size() - 1));
  if (size_class == held.size_class) return;
  held.size_class = size_class;
  held.unlink();
  classes_[size_class].push_back(held);
}

}  // namespace sluice::tcp
