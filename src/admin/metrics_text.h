#pragma once
// The text of /metrics, which the control thread makes.

#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace sluice::admin {

// A text is used for nine times as long as it took to make. So a client that asks on and on takes
// at most a tenth of the control thread, however many pods there are, and what the control thread
// has to do for pods is not late.
class MetricsText {
 public:
  using Clock = std::chrono::steady_clock;

  // make() gives a new text. now() is Clock::now, but for tests.
  template <class Make, class Now>
  std::shared_ptr<const std::string> get(Make&& make, Now&& now) {
    const Clock::time_point begin = now();
    if (begin < fresh_until_) return text_;
    text_ = std::make_shared<const std::string>(std::forward<Make>(make)());
    const Clock::time_point end = now();
    fresh_until_ = end + kRest * (end - begin);
    return text_;
  }
  template <class Make>
  std::shared_ptr<const std::string> get(Make&& make) {
    return get(std::forward<Make>(make), Clock::now);
  }

 private:
  static constexpr int kRest = 9;

  std::shared_ptr<const std::string> text_;  // answers that are under way have it as well
  Clock::time_point fresh_until_{};
};

}  // namespace sluice::admin
