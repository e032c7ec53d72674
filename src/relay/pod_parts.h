#pragma once
// A difference between two snapshots, cut into parts of a few pods each, so that a worker does not
// stand still for thousands at once.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "config/snapshot.h"

namespace sluice::relay {

struct PodPart {
  enum class What : uint8_t {
    kAll,    // the whole change
    kCome,   // `count` pods, `first` of the new list and those behind it
    kLeave,  // `count` pods, `first` of the old list and those behind it
  };
  What what = What::kAll;
  const config::PodChange* change = nullptr;
  uint32_t first = 0;
  uint32_t count = 0;
  // In the list of a worker that has adopted the parts before: where pods come, or leave.
  size_t place = 0;
};

// Of each change, pods come first and then leave: at no moment are there fewer than before or
// after.
class PodParts {
 public:
  static constexpr uint32_t kPods = 4;   // of a part
  static constexpr uint32_t kWhole = 8;  // a change of so many pods or fewer is one part

  // snapshot.difference lives until next() has returned nullopt.
  void begin(const config::Snapshot& snapshot);
  // may_cut(change): whether the change may be cut into parts. nullopt: nothing is left.
  template <class MayCut>
  std::optional<PodPart> next(MayCut&& may_cut) {
    while (changes_ != nullptr && change_ < changes_->size()) {
      const config::PodChange& c = (*changes_)[change_];
      if (step_ == Step::kBegin && (is_small(c) || !may_cut(c))) {
        ++change_;
        return PodPart{.change = &c};
      }
      if (auto part = next_of(c)) return part;
    }
    changes_ = nullptr;
    return std::nullopt;
  }

 private:
  enum class Step : uint8_t { kBegin, kComing, kLeaving };

  static bool is_small(const config::PodChange& c);
  // nullopt: nothing is left of the change, and the next one's turn has come.
  std::optional<PodPart> next_of(const config::PodChange& c);
  void begin_step(Step step);

  const std::vector<config::PodChange>* changes_ = nullptr;
  size_t change_ = 0;
  Step step_ = Step::kBegin;
  size_t edit_ = 0;
  uint32_t done_ = 0;                 // pods of the edit
  uint32_t added_ = 0, removed_ = 0;  // by the edits before
};

}  // namespace sluice::relay
