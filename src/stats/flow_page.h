#pragma once
// A page of one worker's L4 flows: control asks, and the worker answers in the turns that follow.
// One question at a time.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/address.h"

namespace sluice::stats {

struct FlowRow {
  Endpoint client, vip, pod;
  Endpoint source;         // of NAT: the address and port of Sluice's own that the pod sees
  std::string_view state;  // these are literals
  std::string_view mode;
  uint32_t listener = 0;  // slots
  uint32_t pod_slot = 0;
  uint32_t silent_ms = 0;  // since the last packet of either side
  uint8_t protocol = 0;    // 6 is TCP, 17 is UDP
};

class FlowPage {
 public:
  static constexpr size_t kRows = 512;  // of one page, at most
  static constexpr uint32_t kAny = UINT32_MAX;
  static constexpr uint64_t kEnd = UINT64_MAX;

  struct Question {
    uint64_t from = 0;  // 0, or `next` of the answer before
    uint32_t listener = kAny;
    uint32_t pod = kAny;
    bool operator==(const Question&) const = default;
  };
  struct Answer {
    std::vector<FlowRow> rows;
    uint64_t next = 0;  // kEnd: there are no more
  };

  // An answer that nobody fetches is kept for so long.
  static constexpr std::chrono::milliseconds kKept{100};

  // Of control. Takes the answer to this question if it is there. Otherwise asks, unless an earlier
  // question is still to be answered.
  bool take(const Question& question, Answer& answer) {
    const State state = state_.load(std::memory_order_acquire);
    if (state == State::kAsked) return false;
    const auto now = std::chrono::steady_clock::now();
    if (state == State::kAnswered) {
      if (question_ == question) {
        answer = std::move(answer_);
        state_.store(State::kIdle, std::memory_order_relaxed);
        return true;
      }
      if (now - asked_at_ < kKept) return false;  // another reader comes for it
    }
    asked_at_ = now;
    question_ = question;
    answer_ = {{}, question.from};
    state_.store(State::kAsked, std::memory_order_release);
    return false;
  }

  // Of the worker. Whether a question waits; then the question, and the answer as far as it is.
  bool asked() const { return state_.load(std::memory_order_acquire) == State::kAsked; }
  const Question& question() const { return question_; }
  Answer& answer() { return answer_; }
  // The answer is whole, and control's from now on.
  void publish() { state_.store(State::kAnswered, std::memory_order_release); }

 private:
  enum class State : uint8_t { kIdle, kAsked, kAnswered };
  std::atomic<State> state_{State::kIdle};
  // Control's, but for the time of kAsked.
  Question question_;
  Answer answer_;
  std::chrono::steady_clock::time_point asked_at_{};
};

}  // namespace sluice::stats
