// RST_STREAM toward a pod: a connection has one budget for them, and each is charged to the client
// that caused it.

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>

#include "upstream/pod_connection.h"
#include "upstream/pool.h"

namespace sluice::upstream {

bool PodConnection::takes_isolated_stream() const {
  const ResetRate rate = pool_.reset_rate();
  return takes_stream() && (rate.burst == 0 || streams() < rate.burst / 2 + 1) && resets_left(rate);
}

bool PodConnection::spent_since(Duration begin) const {
  return context_.now >= since_ + begin && !resets_left(pool_.reset_rate());
}

bool PodConnection::may_reset() {
  return http2_->resets.take(pool_.reset_rate(), context_.now);
}

void PodConnection::cancel(http::Stream& s, http::EndReason code, ClientSide* client) {
  const bool known = s.id() != 0;  // to the pod
  http_->reset(s, code);
  context_.touch(*this);
  if (known) charge(client);
}

void PodConnection::charge(ClientSide* client) {
  if (client == nullptr || client->take_pod_reset()) return;
  // On a connection for isolated clients, the isolation is extended.
  const bool shared = owner_ == kEverybody || owner_ == kSuspects;
  if (!shared || http_->resets_waiting() > 0) pool_.isolate(*client);
}

void PodConnection::settle_resets() {
  if (http_->resets_waiting() > 0) {
    http_->release_resets();
    if (http_->resets_waiting() > 0) {
      if (!std::exchange(http2_->over_budget, true)) ++context_.stats.relay.pod_reset_budgets;
      worn_ |= owner_ == Pool::kEverybody;
      context_.wheel.arm(http2_->reset_timer, http2_->resets.next(pool_.reset_rate()));
    }
  }
  // Resets that wait count in the pod's limit of streams.
  if (http_->resets_waiting() < http2_->resets_waiting) pool_.on_room();
  http2_->resets_waiting = http_->resets_waiting();
}

// No error code alone says that there were too many RST_STREAM. Netty, Jetty and others add a text;
// nghttp2 sends INTERNAL_ERROR without a text.
bool PodConnection::blames_resets(const http::Goaway& goaway) const {
  const ResetRate rate = pool_.reset_rate();
  const int64_t spent = rate.burst == 0 ? 0 : http2_->resets.spent(rate, context_.now);
  if (goaway.reason == http::EndReason::kNoError || spent == 0) return false;
  std::string words(goaway.debug);
  std::transform(words.begin(), words.end(), words.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (words.find("rst") != std::string::npos || words.find("reset") != std::string::npos)
    return true;
  // Without a text the code decides. Pods that have a code of their own for resets are among those
  // of kInternalError: RFC 9113, section 7 lets unknown codes be treated as INTERNAL_ERROR.
  return goaway.debug.empty() && spent >= rate.burst / 4 &&
         (goaway.reason == http::EndReason::kOverload ||
          goaway.reason == http::EndReason::kInternalError);
}

}  // namespace sluice::upstream
