#pragma once
// Round robin; with weights 2 and 1 the order is a b a, a b a, ...

#include <algorithm>
#include <vector>

#include "balance/picker.h"

namespace sluice::balance {

// Stride scheduling (Waldspurger and Weihl, 1995): every pod has a pass, which grows by 1/weight
// when the pod is picked. The smallest pass goes next. With equal weights that is a plain rotation,
// and is done as one. A new pod starts at the pass of the others: it neither catches up nor waits.
class RoundRobin final : public Picker {
 public:
  RoundRobin(Random& random, const Spread& spread) : random_(random), spread_(spread) {}

  void update(std::span<pods::Pod* const> candidates) override {
    candidates_ = candidates;
    equal_ = std::all_of(candidates.begin(), candidates.end(), [&](const pods::Pod* p) {
      return p->weight() == candidates.front()->weight();
    });
    if (!candidates.empty()) next_ = start(candidates.size());
    // Each pass begins somewhere in its first turn. A pass that began further on would have to wait
    // while another pod catches up, for as many calls in a row as that pod's weight.
    pass_.resize(candidates.size());
    for (size_t i = 0; i < pass_.size(); ++i) pass_[i] = random_.below(stride(i));
  }

  void change(std::span<pods::Pod* const> candidates, const pods::Pod* added) override {
    const bool still_equal = equal_ && !candidates.empty() &&
                             (added == nullptr || added->weight() == candidates.front()->weight());
    if (!still_equal) {
      update(candidates);
      return;
    }
    candidates_ = candidates;
    if (next_ >= candidates_.size()) next_ = 0;
  }

  size_t pick() override {
    if (equal_) {
      if (++next_ >= candidates_.size()) next_ = 0;
      return next_;
    }
    const auto smallest = std::min_element(pass_.begin(), pass_.end());
    const auto i = static_cast<size_t>(smallest - pass_.begin());
    *smallest += stride(i);
    return i;
  }

 private:
  static constexpr uint64_t kStride = 1 << 20;

  // Workers that all begin with the same pod would herd, and so would processes. A worker alone
  // draws its first pod. Several workers of a process divide the pods, and each moves on by one pod
  // with each change.
  size_t start(size_t pods) {
    if (spread_.workers == 1) return random_.below(pods);
    const uint64_t own = uint64_t{spread_.self} * pods / spread_.workers;
    return (spread_.seed % pods + own + changes_++) % pods;
  }

  uint64_t stride(size_t i) const { return kStride / std::max(candidates_[i]->weight(), 1u); }

  Random& random_;
  const Spread spread_;
  uint64_t changes_ = 0;
  std::span<pods::Pod* const> candidates_;
  std::vector<uint64_t> pass_;
  size_t next_ = 0;
  bool equal_ = true;
};

}  // namespace sluice::balance
