// The guards of http2::Connection: guards that count, and guards that measure time.

#include "http2/connection.h"

namespace sluice::http2 {

namespace {

struct Guard {
  stats::Counter stats::Http2::*counter;
  const char* name;
  const char* detail;
};
using stats::Http2;
constexpr Guard kGuards[Allowance::kKinds] = {
    {&Http2::guard_rapid_reset, "rapid_reset", "streams reset too often"},
    {&Http2::guard_provoked_reset, "provoked_reset", "too many streams that had to be reset"},
    {&Http2::guard_settings, "settings", "too many SETTINGS"},
    {&Http2::guard_ping, "ping", "too many PING"},
    {&Http2::guard_priority, "priority", "too many PRIORITY"},
    {&Http2::guard_window_update, "window_update", "too many WINDOW_UPDATE"},
    {&Http2::guard_unknown_frame, "unknown_frame", "too many frames of unknown types"},
    {&Http2::guard_empty_data, "empty_data", "too many empty DATA frames"},
    {&Http2::guard_tiny_data, "tiny_data", "too many DATA frames of a few bytes"},
    {&Http2::guard_padding, "padding", "too much padding"},
    {&Http2::guard_dribble, "dribble", "windows of a few bytes"},
    {&Http2::guard_table_size, "table_size", "HPACK's table changed too often"},
    {&Http2::guard_empty_name, "empty_name", "too many fields without a name"},
};

}  // namespace

bool Connection::trip(stats::Counter& counter, const char* guard, const char* detail) {
  if (failed_) return false;
  ++counter;
  guard_ = guard;
  return fail(ErrorCode::kEnhanceYourCalm, detail);
}

bool Connection::spend_at_origin(Allowance::Kind kind) {
  const config::Guards& g = guards();
  const bool was_through = loan_.through_door();
  const bool ok = kind == Allowance::kResets
                      ? loan_.take(Origin::kResets, g.resets, allowance_.completed_streams(), now_)
                      : loan_.take(Origin::kProvokedResets, g.provoked_resets,
                                   allowance_.completed_streams(), now_);
  if (loan_.through_door() != was_through) ++stats_.address_allowances;
  return ok;
}

void Connection::begin_stream_limit() {
  if (config_.origin == nullptr) return;
  const config::Guards& g = guards();
  if (!config_.origin->spent(Origin::kResets, g.resets, now_) &&
      !config_.origin->spent(Origin::kProvokedResets, g.provoked_resets, now_))
    return;
  early_ends_.begin_with(2 * EarlyEnds::kBorne);
  set_stream_limit();
}

// An operator who allows far more resets than are remembered here turns this limit off.
void Connection::set_stream_limit() {
  const uint32_t resets = guards().resets.burst;
  if (resets == 0 || resets > 8 * EarlyEnds::kRemembered) {
    stream_limit_ = config_.max_concurrent_streams;
    return;
  }
  stream_limit_ = early_ends_.limit(config_.max_concurrent_streams, allowance_.completed_streams());
}

bool Connection::spend(Allowance::Kind kind) {
  if (allowance_.take(kind, guards(), now_) &&
      ((kind != Allowance::kResets && kind != Allowance::kProvokedResets) || spend_at_origin(kind)))
    return true;
  const Guard& g = kGuards[kind];
  return trip(stats_.*g.counter, g.name, g.detail);
}

bool Connection::spend_on(Stream* s, Allowance::Kind kind) {
  if (role_ == Role::kServer) return spend(kind);
  if (s == nullptr) return true;  // on_late_frame() knows which frames may have crossed a reset
  if (s->allowance_ == nullptr) s->allowance_ = std::make_unique<Allowance>();
  if (s->allowance_->take(kind, guards(), now_)) return true;
  ++(stats_.*kGuards[kind].counter);
  note(kind == Allowance::kEmptyData  ? Note::kEmptyData
       : kind == Allowance::kTinyData ? Note::kTinyData
                                      : Note::kPadding);
  stream_error(*s, ErrorCode::kEnhanceYourCalm, EndedBy::kGuard);
  return !failed_;
}

bool Connection::bear_block(Note n, uint64_t size, uint64_t limit) {
  const bool frames = n == Note::kContinuation;
  stats::Counter& counter = frames ? stats_.guard_continuation : stats_.guard_field_block;
  if (role_ == Role::kServer || size > (limit + 1) * kReadAnyway)
    return frames ? trip(counter, "continuation", "too many CONTINUATION frames")
                  : trip(counter, "field_block", "field block too large to be read");
  Stream* s = table_.find(block_.stream());
  if (s == nullptr) return true;  // already reset
  ++counter;
  note(n);
  stream_error(*s, ErrorCode::kEnhanceYourCalm, EndedBy::kTooLarge);
  return !failed_;
}

void Connection::note(Note n, const char* what) {
  if (const GuardNotes::Line* line = notes_.first(n))
    handler_.on_guard(line->guard, what != nullptr ? what : line->what);
}

bool Connection::count_empty_names(const FieldList& fields) {
  for (const Field f : fields) {
    if (!f.name.empty()) continue;
    // A pod sends them to one client of many: they do not count against the pod's connection.
    if (role_ == Role::kServer && !spend(Allowance::kEmptyNames)) return false;
    ++stats_.guard_empty_name;
    note(Note::kEmptyName);
    break;
  }
  return true;
}

// A frame that makes us reset a stream is as cheap for a client as RST_STREAM itself
// (CVE-2025-8671). A pod is exempt from both guards: it answers what clients sent, and many clients
// share its connection.
bool Connection::provoked() {
  return role_ == Role::kClient || spend(Allowance::kProvokedResets);
}

bool Connection::wants_watch() const {
  return (settings_unacknowledged_ > 0 && !refusing_) || reader_.before_first_frame() ||
         unfinished_input() || data_waits_ || stream_.acknowledged() < output_.end();
}

Connection::Watched Connection::watch(Time now) {
  if (failed_) return Watched::kFine;
  now_ = now;
  const config::Guards& g = guards();

  if (stalls_.output_stalled(stream_.acknowledged(), output_.end(), g.stall_timeout)) {
    ++stats_.guard_slow_read;
    guard_ = "slow_read";
    detail_ = "took nothing of what waits";
    return Watched::kGone;
  }

  bool late = false;
  if (settings_unacknowledged_ > 0 || reader_.before_first_frame()) stalls_.settings_missing();
  if (!peer_.received && stalls_.settings_late(g.preface_timeout)) {
    trip(stats_.guard_preface, "preface", "no preface and SETTINGS in time");
  } else if (settings_unacknowledged_ > 0 && !refusing_ &&
             stalls_.settings_late(g.settings_timeout)) {
    ++stats_.guard_settings_ack;
    guard_ = "settings_ack";
    detail_ = "SETTINGS not acknowledged in time";
    late = role_ == Role::kServer && open_ > 0;
    if (late) {  // 5.4.1 and 6.8: GOAWAY says which streams go on
      goaway(last_peer_id_, ErrorCode::kSettingsTimeout, detail_);
      refuse_new_streams();
    } else {
      fail(ErrorCode::kSettingsTimeout, detail_);  // 6.5.3
    }
  }

  if (stalls_.unfinished_stalled(unfinished_input(), g.headers_timeout))
    trip(stats_.guard_slow_headers, "slow_headers", "frame or field block not complete in time");

  if (data_waits_ && !failed_) watch_streams(g.stall_timeout);
  if (failed_) return Watched::kFailed;
  return late ? Watched::kLate : Watched::kFine;
}

// A stream with data and without a window from the peer keeps memory and its pod busy.
void Connection::watch_streams(Duration limit) {
  data_waits_ = false;
  std::vector<uint32_t> stalled;
  for (uint32_t i = 0; i < table_.capacity(); ++i) {
    Stream* s = table_.cell(i);
    if (s == nullptr || s->data_.empty()) continue;
    data_waits_ = true;
    // With windows, the stream waits behind others for room. output_stalled() watches that.
    if (s->send_window_ > 0 && send_window_.left() > 0) continue;
    if (StallWatch::over(++s->stalled_looks_, limit)) stalled.push_back(s->id());
  }
  for (const uint32_t id : stalled) {
    Stream* s = table_.find(id);
    if (s == nullptr || failed_) continue;
    ++stats_.guard_stalled_stream;
    note(Note::kStalledStream);
    stream_error(*s, ErrorCode::kEnhanceYourCalm, EndedBy::kGuard);
  }
}

}  // namespace sluice::http2
