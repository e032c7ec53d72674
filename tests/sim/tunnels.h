#pragma once
// All tunnels of a world: what is drawn for each, and whether the stories of both ends fit.

#include <map>
#include <memory>
#include <string>

#include "tunnel.h"

namespace sluice::sim {

// What a seed has in store for tunnels.
struct TunnelPlan {
  int number = 0;
  double connects = 0;    // share of CONNECT; the rest are WebSockets
  bool passed = false;    // the listeners' key: connect = "pass"
  bool pods_take = true;  // pods of HTTP/2 announce extended CONNECT
  double wrong = 0;       // share of pods' answers that do not open
  double resets = 0;      // share of ends that reset
  double early = 0;       // share of clients that talk before they have an answer
  Duration idle{};        // stream_idle_timeout; 0: none
  Duration stall{};       // stall_timeout
  Duration drain{};       // drain_timeout
  bool calm = false;
  bool lossy = false;  // a reset may get lost

  void draw(uint64_t seed, bool is_calm) {
    Random r(seed ^ 0x70e1);
    calm = is_calm;
    number = r.chance(0.3) ? 0 : static_cast<int>(1 + r.below(12));
    passed = r.chance(0.8);
    pods_take = r.chance(0.8);
    connects = r.chance(0.5) ? 0.5 * r.uniform() : 0;
    early = r.chance(0.5) ? 0.5 * r.uniform() : 0;
    if (r.chance(0.2)) idle = 1s * static_cast<int64_t>(4 + r.below(6));
    stall = r.chance(0.3) ? 1s * static_cast<int64_t>(5 + r.below(6)) : Duration(300s);
    drain = 1s * static_cast<int64_t>(2 + r.below(4));
    if (calm) return;
    wrong = r.chance(0.6) ? 0.5 * r.uniform() : 0;
    resets = r.chance(0.6) ? 0.4 * r.uniform() : 0;
  }
};

class Tunnels {
 public:
  Tunnels(Stage& stage, const TunnelPlan& plan, uint64_t seed)
      : stage_(stage), plan_(plan), random_(seed ^ 0x7e7) {}

  Tunnel& make() {
    const uint64_t number = all_.size() + 1;
    Tunnel& t = *all_.emplace(number, std::make_unique<Tunnel>(stage_, number, draw_talk(random_),
                                                               random_.next()))
                     .first->second;
    t.websocket = !random_.chance(plan_.connects);
    t.early = random_.chance(plan_.early);
    // As a request, if a pod that refuses the tunnel should read it.
    if (t.early && random_.chance(0.5))
      t.client.front = "GET /call/0 HTTP/1.1\r\nHost: echo\r\n\r\n";
    return t;
  }
  // No client took it.
  void drop(const Tunnel& t) { all_.erase(t.number); }
  Tunnel* find(uint64_t number) const {
    const auto found = all_.find(number);
    return found == all_.end() ? nullptr : found->second.get();
  }

  // A pod acts on the request.
  void ask(Tunnel& t, Peer& pod, Random& random) {
    if (++t.asked > 1 && !t.websocket) stage_.violation("a CONNECT reached two pods");
    t.asked_on = &pod;
    if (!random.chance(plan_.wrong)) {
      t.answer = random.chance(0.1) ? TunnelAnswer::kOpensLate : TunnelAnswer::kOpens;
    } else {
      constexpr TunnelAnswer kWrong[] = {TunnelAnswer::kRefuses, TunnelAnswer::kIgnores,
                                         TunnelAnswer::kBreaks, TunnelAnswer::kSilent,
                                         TunnelAnswer::kDrops};
      t.answer = kWrong[random.below(std::size(kWrong))];
    }
  }
  TunnelEnd& open(Tunnel& t, Random& random) {
    TunnelEnd& end = t.pods.emplace_back(stage_, t.number, false, draw_talk(random), random.next());
    end.meet(t.client);
    t.client.meet(end);
    return end;
  }

  // Both ends of each tunnel that lives say something: an end that has not heard of a reset does so
  // now.
  void say_more() {
    for (auto& [number, t] : all_) {
      if (!t->opened) continue;
      t->client.say_more();
      if (t->pod() != nullptr) t->pod()->say_more();
    }
  }
  void reset_unopened() {
    for (auto& [number, t] : all_)
      if (!t->opened) t->client.reset();
  }
  void reset_all() {
    for (auto& [number, t] : all_) {
      t->client.reset();
      if (t->pod() != nullptr) t->pod()->reset();
    }
  }
  void drain_begins() { drain_at_ = stage_.now(); }

  // Tunnels that both ends believe in.
  size_t live() const {
    return count([](const Tunnel& t) { return is_live(t); });
  }
  template <class Is>
  size_t count(Is&& is) const {
    size_t n = 0;
    for (const auto& [number, t] : all_) n += is(*t);
    return n;
  }
  static bool is_live(const Tunnel& t) {
    return t.opened && t.client.attached() && !t.pods.empty() && t.pods.back().attached();
  }

  // While nothing is on the way: ends that live must have lost nothing, and no end lives alone.
  void judge_live() const {
    for (const auto& [number, t] : all_) {
      if (t->pods.empty() || garbled(*t)) continue;
      const TunnelEnd& client = t->client;
      const TunnelEnd& pod = t->pods.back();
      if (is_live(*t)) {
        if (client.got != pod.sent) wrong(*t, "the client of a live tunnel lacks bytes");
        if (pod.got != client.sent) wrong(*t, "the pod of a live tunnel lacks bytes");
        judge_limits(*t);
      } else if (t->opened && client.open() && !pod.attached() && !client.heard_end) {
        wrong(*t, "the client lives alone");
      } else if (pod.open() && !client.attached() && !pod.heard_end) {
        wrong(*t, "the pod lives alone");
      }
    }
  }
  // The whole story.
  void judge() const {
    for (const auto& [number, t] : all_) {
      if (garbled(*t)) continue;
      judge_handshake(*t);
      if (t->pods.empty()) continue;
      judge_end(*t, t->client, t->pods.back());
      for (const TunnelEnd& pod : t->pods) judge_end(*t, pod, t->client);
    }
  }

 private:
  TunnelEnd::Talk draw_talk(Random& random) const {
    TunnelEnd::Talk talk;
    talk.pieces = static_cast<uint32_t>(random.below(12));
    talk.largest = random.chance(0.2) ? 60'000 : random.chance(0.5) ? 3'000 : 50;
    talk.longest_pause = Duration(static_cast<int64_t>(1 + random.below(300'000'000)));
    using Finish = TunnelEnd::Talk::Finish;
    talk.finish = random.chance(plan_.resets) ? Finish::kResets
                  : random.chance(0.5)        ? Finish::kEnds
                                              : Finish::kStays;
    talk.answers_end = random.chance(0.8);
    return talk;
  }
  static bool garbled(const Tunnel& t) {
    if (t.client.garbled() || (t.asked_on != nullptr && t.asked_on->garbled())) return true;
    for (const TunnelEnd& pod : t.pods)
      if (pod.garbled()) return true;
    return false;
  }
  void wrong(const Tunnel& t, const std::string& what) const {
    const auto told = [](const TunnelEnd& e) {
      std::string s = "sent " + std::to_string(e.sent) + " got " + std::to_string(e.got);
      if (e.said_end) s += ", said end";
      if (e.did_reset) s += ", reset it";
      if (e.heard_end) s += ", heard end at " + us(e.heard_end_at);
      if (e.heard_reset) s += ", heard reset at " + us(e.heard_reset_at);
      if (e.left) s += ", left";
      if (e.blamed()) s += ", blamed";
      if (e.attached()) s += ", attached";
      return s;
    };
    std::string text = "tunnel " + std::to_string(t.number) + (t.websocket ? "" : " (CONNECT)") +
                       (t.by_http1 ? " of HTTP/1.1" : " of HTTP/2") + ": " + what + " (asked " +
                       std::to_string(t.asked) + ", answer " +
                       std::to_string(static_cast<int>(t.answer)) + ", status " + t.status +
                       "; client: " + told(t.client);
    for (const TunnelEnd& pod : t.pods) text += "; pod: " + told(pod);
    stage_.violation(text + ")");
  }
  static std::string us(Time t) {
    return std::to_string(t.time_since_epoch().count() / 1000) + " us";
  }
  // The last bytes or end that either side has said.
  static Time said_at(const Tunnel& t) {
    return std::max(t.client.said_at, t.pods.empty() ? Time{} : t.pods.back().said_at);
  }
  static bool half_closed(const Tunnel& t) {
    return !t.pods.empty() && t.client.said_end != t.pods.back().said_end;
  }
  void judge_limits(const Tunnel& t) const {
    const Duration quiet = stage_.now() - said_at(t);
    if (plan_.idle > Duration::zero() && quiet > plan_.idle + 3s)
      wrong(t, "outlives stream_idle_timeout");
    if (half_closed(t) && quiet > plan_.stall + 4s) wrong(t, "outlives stall_timeout");
  }
  // The appliance's own limits: none of them ends a tunnel before its time.
  bool limited(const Tunnel& t, Time at) const {
    const Duration quiet = at - said_at(t);
    return (plan_.idle > Duration::zero() && quiet >= plan_.idle) ||
           (half_closed(t) && quiet >= plan_.stall - 1100ms) ||
           (drain_at_ != kNever && at >= drain_at_ + plan_.drain);
  }
  // What `end` has heard must be what `other` has done.
  void judge_end(const Tunnel& t, const TunnelEnd& end, const TunnelEnd& other) const {
    if (end.wrong) wrong(t, end.name() + " got bytes that the other end did not say");
    if (end.heard_end && !end.end_was_told && !end.did_reset && !end.blamed())
      wrong(t, end.name() + " heard an end in order of what was cut");
    if (&end != &t.client && &end != &t.pods.back()) {
      if (end.got > 0) wrong(t, "a pod that is in no tunnel got bytes");
      return;
    }
    const bool excused = end.blamed() || other.blamed() || end.did_reset || other.did_reset;
    if (excused) return;
    if (end.heard_reset && !limited(t, end.heard_reset_at))
      wrong(t, end.name() + " heard of a reset that nobody made");
    if (!end.heard_reset && !end.left && t.opened && other.said_end && !end.heard_end)
      wrong(t, end.name() + " did not hear of the end");
  }
  void judge_handshake(const Tunnel& t) const {
    if (t.opened && t.pods.empty()) return wrong(t, "opened, and by no pod");
    const bool client_gone = t.client.blamed() || t.client.did_reset || t.client.said_end;
    const bool pod_gone = (t.asked_on != nullptr && t.asked_on->faulty()) ||
                          (!t.pods.empty() && (t.pods.back().did_reset));
    if (client_gone || t.mistakable) return;
    if (!t.pods.empty() && !t.opened && !pod_gone)
      wrong(t, "a pod opened it, and the client did not");
    if (!t.answered) {
      if (t.answer == TunnelAnswer::kSilent || t.may_be_dropped) return;
      // As the pod has reset it.
      if (t.dropped_by_pod && !t.by_http1 && t.client.heard_reset) return;
      return wrong(t, "no answer");
    }
    if (t.opened) return;
    if (t.status == "403" && t.refused_by_pod) return;
    if (t.refused_by_pod && t.asked == 1 && !pod_gone) wrong(t, "a refusal got lost");
    // Of the listener, or of a pod of HTTP/2 that takes no CONNECT.
    if (t.status == "501" && !(plan_.passed && plan_.pods_take)) return;
    if (t.status == "504" && t.answer == TunnelAnswer::kSilent && plan_.idle > Duration::zero())
      return;
    const bool bad_answer = t.asked > 0 && (pod_gone || t.dropped_by_pod);
    if (t.status == "502" && bad_answer) return;
    if (t.status != "503" || (plan_.calm && plan_.pods_take))
      wrong(t, "an answer that nobody gave");
  }

  Stage& stage_;
  const TunnelPlan& plan_;
  Random random_;
  std::map<uint64_t, std::unique_ptr<Tunnel>> all_;
  Time drain_at_ = kNever;
};

}  // namespace sluice::sim
