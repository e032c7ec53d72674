#pragma once
// A pod: answers calls, each in the way that its dice say, and can be shaken in every way that pods
// are. It keeps the truth: a call that it has acted on is processed, whatever becomes of it then.

#include <charconv>
#include <map>
#include <memory>
#include <vector>

#include "base/random.h"
#include "peer.h"

namespace sluice::sim {

// Shares of what a pod does with a call; the rest is answered as it should be.
struct Moods {
  double refuses = 0;  // REFUSED_STREAM before it acts
  double resets = 0;   // after it has acted, with any code
  double silent = 0;   // acts and never answers
  double early = 0;    // answers before the request is whole, then RST_STREAM(NO_ERROR)
  double errors = 0;   // trailers-only with an error of its own
  double waits = 0.5;  // acts only after a while
};

class Pod;

// One connection of a pod.
class PodPeer final : public Peer {
 public:
  PodPeer(Stage& stage, Pod& pod, const http2::Config& config)
      : Peer(stage, http2::Role::kServer, config), pod_(pod) {}

  // The final GOAWAY: what was not begun is excluded, honestly.
  void goaway() {
    if (!alive() || gone_) return;
    gone_ = true;
    uint32_t last = 0;
    h2().for_each_stream([&](http::Stream& s) {
      if (job_of(s).acted) last = std::max(last, s.id());
    });
    last = std::max(last, highest_acted_);
    h2().goaway(last, http2::ErrorCode::kNoError);
    h2().refuse_new_streams();
    h2().for_each_stream([&](http::Stream& s) {
      if (s.id() > last) job_of(s).excluded = true;
    });
  }
  void announce() {
    if (alive() && !gone_) h2().goaway(http2::kMaxStreamId, http2::ErrorCode::kNoError);
  }

  void on_headers(http::Stream& s, Section section, http::FieldList& fields, bool end) override;
  void on_data(http::Stream& s, buf::Slice data, bool end) override;
  void on_sent(http::Stream&, uint32_t) override {}
  void on_reset(http::Stream& s, http::EndReason, http::EndedBy by) override {
    if (by != http::EndedBy::kPeer && !faulty())
      stage_.violation("the appliance broke the protocol toward a pod");
    finish(job_of(s));
  }
  void on_closed(http::Stream& s) override { finish(job_of(s)); }
  void on_goaway(const http::Goaway& g) override {
    if (g.reason != http::EndReason::kNoError && !faulty())
      stage_.violation(std::string("a pod was accused: ") + g.code);
  }

 private:
  enum class Way { kAnswer, kRefuse, kReset, kSilent, kEarly, kError };
  struct Job {
    Call* call = nullptr;
    http::Stream* stream = nullptr;  // nullptr: over
    Way way{};
    size_t got = 0;
    bool whole = false;
    bool acted = false;
    bool excluded = false;
    bool answering = false;
  };

  static Job& job_of(http::Stream& s) { return *static_cast<Job*>(s.owner()); }
  static void finish(Job& j) { j.stream = nullptr; }
  void on_lost(http::Stream& s) override { finish(job_of(s)); }
  void act(Job& j);
  void progress(Job& j);
  void answer(Job& j);

  Pod& pod_;
  bool gone_ = false;
  uint32_t highest_acted_ = 0;
  std::vector<std::unique_ptr<Job>> jobs_;
};

class Pod final : public tcp::Acceptor {
 public:
  Pod(Stage& stage, int number, const http2::Config& config, const Moods& moods, uint64_t seed,
      std::map<uint64_t, std::unique_ptr<Call>>& calls, bool errors_are_retried)
      : stage_(stage),
        number_(number),
        config_(config),
        moods(moods),
        random(seed),
        calls(calls),
        errors_are_retried(errors_are_retried) {
    up();
  }
  void up() { stage_.node().stack.listen(address(), this); }
  void down() { stage_.node().stack.unlisten(address()); }
  Endpoint address() const { return relay::pod_at(number_); }
  int number() const { return number_; }

  tcp::User* on_accept(tcp::Connection& c) override {
    peers.push_back(std::make_unique<PodPeer>(stage_, *this, config_));
    peers.back()->begin(c);
    return peers.back().get();
  }
  template <class Fn>
  void each(Fn&& fn) {
    for (size_t i = 0; i < peers.size(); ++i)
      if (peers[i]->alive()) fn(*peers[i]);
  }

 private:
  Stage& stage_;
  int number_;
  http2::Config config_;

 public:
  Moods moods;
  Random random;
  std::map<uint64_t, std::unique_ptr<Call>>& calls;
  const bool errors_are_retried;
  std::vector<std::unique_ptr<PodPeer>> peers;
};

inline void PodPeer::on_headers(http::Stream& s, Section section, http::FieldList& fields,
                                bool end) {
  if (section != Section::kRequest) return;
  const auto number = [](std::string_view text) {
    uint64_t n = 0;
    std::from_chars(text.data(), text.data() + text.size(), n);
    return n;
  };
  const auto path = fields.find(http::Name::kPath).value_or("");
  const auto known =
      path.starts_with("/call/") ? pod_.calls.find(number(path.substr(6))) : pod_.calls.end();
  if (known == pod_.calls.end()) {
    stage_.violation("a pod got a call that nobody made");
    return;
  }
  jobs_.push_back(std::make_unique<Job>());
  Job& j = *jobs_.back();
  j.call = known->second.get();
  j.call->last_on = this;
  j.stream = &s;
  j.whole = end;
  if (end && j.call->size > 0) stage_.violation("a request lost its body");
  s.set_owner(&j);
  double dice = pod_.random.uniform();
  const auto falls = [&](double share) { return (dice -= share) < 0; };
  const Moods& m = pod_.moods;
  j.way = falls(m.refuses)  ? Way::kRefuse
          : falls(m.resets) ? Way::kReset
          : falls(m.silent) ? Way::kSilent
          : falls(m.early)  ? Way::kEarly
          : falls(m.errors) ? Way::kError
                            : Way::kAnswer;
  if (!pod_.random.chance(m.waits)) {
    act(j);
    return;
  }
  stage_.at(stage_.now() + Duration(static_cast<int64_t>(pod_.random.below(40'000'000))),
            [this, &j] {
              if (alive()) act(j);
            });
}

inline void PodPeer::on_data(http::Stream& s, buf::Slice data, bool end) {
  Job& j = job_of(s);
  for (const uint8_t b : data.view())
    if (static_cast<char>(b) != request_byte(j.call->id, j.got++))
      stage_.violation("a request's body changed on the way");
  if (end && j.got != j.call->size) stage_.violation("a request's body was cut short");
  j.whole |= end;
  if (data.size() > 0) h2().consumed(s, data.size());
  if (j.stream != nullptr) progress(j);
}

inline void PodPeer::act(Job& j) {
  if (j.stream == nullptr || j.excluded) return;
  if (j.way == Way::kRefuse) {
    http::Stream& s = *j.stream;
    finish(j);
    h2().reset(s, http2::ErrorCode::kRefusedStream);
    return;
  }
  j.acted = true;
  highest_acted_ = std::max(highest_acted_, j.stream->id());
  if (++j.call->processed > j.call->errors + 1) stage_.violation("a call was processed twice");
  j.call->answered_on = nullptr;
  j.call->answer_is_error = false;
  if (j.way == Way::kSilent) j.call->silent = true;
  progress(j);
}

inline void PodPeer::progress(Job& j) {
  if (!j.acted || j.answering) return;
  if (j.way == Way::kSilent || (!j.whole && j.way != Way::kEarly)) return;
  j.answering = true;
  if (j.way == Way::kReset) {
    http::Stream& s = *j.stream;
    j.call->reset_by_pod = true;
    // Anything but REFUSED_STREAM, which would be a lie now.
    j.call->pod_code = static_cast<http2::ErrorCode>(8 + pod_.random.below(2) * 3);
    const auto code = j.call->pod_code;
    if (pod_.random.chance(0.5)) {
      http::FieldList f = http2::response();
      h2().send_headers(s, f, false);
    }
    finish(j);
    h2().reset(s, code);
    return;
  }
  answer(j);
}

inline void PodPeer::answer(Job& j) {
  Call& c = *j.call;
  http::Stream& s = *j.stream;
  http::FieldList f = http2::response();
  f.add(http::Name::kContentType, "application/grpc");
  if (j.way == Way::kError) {
    c.answer_is_error = true;
    if (pod_.errors_are_retried) ++c.errors;
    f.add(http::Name::kGrpcStatus, "13");
    h2().send_headers(s, f, true);
  } else {
    h2().send_headers(s, f, false);
    if (c.answer > 0)
      send_bytes(s, 0, c.answer, false, [&](size_t at) { return response_byte(c.id, at); });
    if (j.stream != nullptr) h2().send_headers(s, http2::trailers(), true);
  }
  c.answered_on = this;
  if (j.way == Way::kEarly && j.stream != nullptr) {
    finish(j);
    h2().reset_after_output(s, http2::ErrorCode::kNoError);
  }
}

}  // namespace sluice::sim
