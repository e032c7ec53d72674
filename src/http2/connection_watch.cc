// The guards of http2::Connection that measure time.

#include "http2/connection.h"

namespace sluice::http2 {

namespace {

// True when `looks`, one a period, have seen the same for `limit`; zero never comes.
bool over(uint16_t looks, Duration limit) {
  return limit > Duration::zero() && looks * Connection::kWatchPeriod >= limit;
}

}  // namespace

bool Connection::wants_watch() const {
  return settings_unacknowledged_ > 0 || have_ > 0 || state_ == State::kPayload || in_block_ ||
         data_waits_ || !output_.empty();
}

Connection::Watched Connection::watch(Time now) {
  if (failed_) return Watched::kFine;
  now_ = now;
  const config::Guards& g = guards();

  // Output leaves the queue when the peer has acknowledged it.
  const bool moved = output_.empty() || output_.begin() != watched_output_;
  watched_output_ = output_.begin();
  output_looks_ = moved ? 0 : output_looks_ + 1;
  if (over(output_looks_, g.stall_timeout)) {
    ++stats_.guard_slow_read;
    guard_ = "slow_read";
    detail_ = "took nothing of what waits";
    return Watched::kGone;
  }

  if (settings_unacknowledged_ > 0) ++settings_looks_;
  if (!settings_received_ && over(settings_looks_, g.preface_timeout)) {
    trip(stats_.guard_preface, "preface", "no preface and SETTINGS in time");
  } else if (settings_unacknowledged_ > 0 && over(settings_looks_, g.settings_timeout)) {
    ++stats_.guard_settings_ack;
    guard_ = "settings_ack";
    fail(ErrorCode::kSettingsTimeout, "SETTINGS not acknowledged in time");  // 6.5.3
  }

  const bool partial = have_ > 0 || state_ == State::kPayload || in_block_;
  partial_looks_ = partial ? partial_looks_ + 1 : 0;
  if (over(partial_looks_, g.headers_timeout))
    trip(stats_.guard_slow_headers, "slow_headers", "frame or field block not complete in time");

  if (data_waits_ && !failed_) watch_streams(g.stall_timeout);
  return failed_ ? Watched::kFailed : Watched::kFine;
}

// A stream with data for which the peer gives no window holds memory, and its pod.
void Connection::watch_streams(Duration limit) {
  data_waits_ = false;
  std::vector<uint32_t> stalled;
  for (uint32_t i = 0; i < table_.capacity(); ++i) {
    Stream* s = table_.cell(i);
    if (s == nullptr || s->data_.empty()) continue;
    data_waits_ = true;
    if (over(++s->stalled_looks_, limit)) stalled.push_back(s->id());
  }
  for (const uint32_t id : stalled) {
    Stream* s = table_.find(id);
    if (s == nullptr || failed_) continue;
    ++stats_.guard_stalled_stream;
    note(Note::kStalledStream);
    stream_error(*s, ErrorCode::kEnhanceYourCalm);
  }
}

}  // namespace sluice::http2
