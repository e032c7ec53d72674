// Connections whose send window is used up by uploads that the pod does not read. Calls with a body
// go to a connection with a window; when there is none, a further connection brings one.

#include "upstream/pool.h"

namespace sluice::upstream {

using WindowFor = http::Connection::WindowFor;

PodConnection* Pool::with_window(uint64_t client, Hold& hold) {
  PodConnection* best = nullptr;      // of the connections with a window for the client
  PodConnection* roomiest = nullptr;  // of the others
  bool for_all = true;
  for (PodConnection& c : connections_) {
    if (!c.takes_stream()) continue;
    const WindowFor window = c.http().window_for(client);
    if (window == WindowFor::kEnough) {
      if (best == nullptr || c.streams() < best->streams()) best = &c;
    } else {
      for_all &= window == WindowFor::kNobody;
      if (roomiest == nullptr || c.http().send_window() > roomiest->http().send_window())
        roomiest = &c;
    }
  }
  if (best != nullptr) return best;
  if (!expects_window(for_all)) return roomiest;
  window_wanted_ = true;
  hold = Hold::kWindow;
  return nullptr;
}

// Calls arrive, or wait and look again, more often than kWindowSeen. So when two calls in a row
// that found no window are further apart, there was a window in between.
bool Pool::expects_window(bool for_all) {
  constexpr Duration kWindowSeen = 25ms;
  for (PodConnection& c : connections_)
    if (c.connecting()) return true;
  if (count_ >= (for_all ? kMaxConnections : kMaxForOneWindow)) return false;
  if (context_.now - window_short_seen_ > kWindowSeen) window_short_since_ = context_.now;
  window_short_seen_ = context_.now;
  if (context_.now - window_short_since_ < kWindowShort) return true;
  const uint32_t before = count_;
  grow();
  if (count_ == before) return false;
  ++context_.stats.relay.window_connections;
  return true;
}

void Pool::tell_of_windows() {
  window_wanted_ = false;
  owner_.on_window();
}

}  // namespace sluice::upstream
