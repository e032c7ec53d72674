#pragma once
// The course of a run: warm up until nothing fails, a closed loop, then open loops at shares of
// what the closed one reached. Behind each that was counted the load goes on as it is until a byte
// comes on standard input, or its end: whoever reads has looked at the other side's counters then.

#include <poll.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/chrono.h"
#include "report.h"

namespace sluice::load {

inline constexpr Duration kWarm = 300ms;    // without an error
inline constexpr Duration kGiveUp = 15s;    // of warming up
inline constexpr Duration kSettle = 100ms;  // at a new rate, before counting
inline constexpr Duration kLook = 1ms;      // between looks at standard input

// What a turn of the loop cost, and whether it did something.
class Busy {
 public:
  void turn(uint64_t cycles, bool worked) { (worked ? busy_ : idle_) += cycles; }
  double share() const {
    const double all = static_cast<double>(busy_) + static_cast<double>(idle_);
    return all > 0 ? static_cast<double>(busy_) / all : 0;
  }
  void clear() { *this = {}; }

 private:
  uint64_t busy_ = 0;
  uint64_t idle_ = 0;
};

// LoadT has ready(), outcome() since clear(), clear(), latencies(), errors(), pace(rate, now).
template <class LoadT>
class Phases {
 public:
  Phases(LoadT& load, Duration length, std::vector<double> shares, Time now)
      : load_(load),
        length_(length),
        shares_(std::move(shares)),
        began_(now),
        until_(now + kWarm) {}

  // False: all is done.
  bool turn(Time now) {
    if (state_ == State::kWarm && (load_.errors() > 0 || !load_.ready())) {
      load_.clear();
      until_ = now + kWarm;
      if (now - began_ > kGiveUp) {
        std::fprintf(stderr, "sluice-load: calls or connections fail for %ld s\n",
                     kGiveUp.count() / 1'000'000'000);
        failed_ = true;
        return false;
      }
    }
    if (now < until_) return true;
    switch (state_) {
      case State::kWarm:
      case State::kSettle:
        state_ = State::kCount;
        counting_since_ = now;
        until_ = now + length_;
        say_begin(name().c_str());
        load_.clear();
        return true;
      case State::kCount: {
        Outcome o = load_.outcome();
        o.seconds = std::chrono::duration<double>(now - counting_since_).count();
        say_end(name().c_str(), o, load_.latencies());
        if (step_ == 0) peak_ = static_cast<double>(o.calls) / o.seconds;
        state_ = State::kRead;
        return true;
      }
      case State::kRead:
        until_ = now + kLook;
        if (!told_to_go_on()) return true;
        if (step_ == shares_.size()) return false;
        load_.pace(peak_ * shares_[step_++], now);
        state_ = State::kSettle;
        until_ = now + kSettle;
        return true;
    }
    return true;
  }
  bool failed() const { return failed_; }

 private:
  // A byte on standard input, or its end.
  static bool told_to_go_on() {
    pollfd in{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    char byte;
    return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) >= 0;
  }

  enum class State { kWarm, kSettle, kCount, kRead };
  std::string name() const {
    return step_ == 0 ? "peak" : std::to_string(static_cast<int>(shares_[step_ - 1] * 100 + 0.5));
  }

  LoadT& load_;
  const Duration length_;
  const std::vector<double> shares_;
  const Time began_;
  State state_ = State::kWarm;
  Time until_;
  Time counting_since_{};
  size_t step_ = 0;
  double peak_ = 0;
  bool failed_ = false;
};

}  // namespace sluice::load
