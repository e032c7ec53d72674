#pragma once
// Least request by the power of two choices (Mitzenmacher, 2001): of two random pods, the one with
// fewer streams in flight for its weight.

#include "balance/picker.h"

namespace sluice::balance {

class LeastRequest final : public Picker {
 public:
  explicit LeastRequest(Random& random) : random_(random) {}

  void update(std::span<pods::Pod* const> candidates) override { candidates_ = candidates; }
  void change(std::span<pods::Pod* const> candidates, const pods::Pod*) override {
    candidates_ = candidates;
  }

  size_t pick() override {
    const size_t n = candidates_.size();
    if (n == 1) return 0;
    const size_t a = random_.below(n);
    size_t b = random_.below(n - 1);
    if (b >= a) ++b;
    // (in_flight + 1) / weight, compared without division.
    const uint64_t load_a = (candidates_[a]->in_flight() + 1) * candidates_[b]->weight();
    const uint64_t load_b = (candidates_[b]->in_flight() + 1) * candidates_[a]->weight();
    return load_a <= load_b ? a : b;
  }

 private:
  Random& random_;
  std::span<pods::Pod* const> candidates_;
};

}  // namespace sluice::balance
