#include "relay/pod_parts.h"

#include <algorithm>

namespace sluice::relay {

void PodParts::begin(const config::Snapshot& snapshot) {
  changes_ = &snapshot.difference->changes;
  change_ = 0;
  begin_step(Step::kBegin);
}

void PodParts::begin_step(Step step) {
  step_ = step;
  edit_ = 0;
  done_ = added_ = removed_ = 0;
}

bool PodParts::is_small(const config::PodChange& c) {
  size_t pods = 0;
  for (const config::PodEdit& e : c.edits) pods += size_t{e.removed} + e.added;
  return pods <= kWhole;
}

std::optional<PodPart> PodParts::next_of(const config::PodChange& c) {
  if (step_ == Step::kBegin) begin_step(Step::kComing);
  while (step_ != Step::kBegin) {
    if (edit_ == c.edits.size()) {
      if (step_ == Step::kLeaving) ++change_;
      begin_step(step_ == Step::kComing ? Step::kLeaving : Step::kBegin);
      continue;
    }
    const config::PodEdit& e = c.edits[edit_];
    const bool coming = step_ == Step::kComing;
    const uint32_t all = coming ? e.added : e.removed;
    if (done_ == all) {
      added_ += e.added;
      removed_ += e.removed;
      ++edit_;
      done_ = 0;
      continue;
    }
    PodPart part{.change = &c, .count = std::min(kPods, all - done_)};
    if (coming) {
      part.what = PodPart::What::kCome;
      part.first = e.at + done_;
      part.place = size_t{part.first} + removed_;  // those have not left yet
    } else {
      part.what = PodPart::What::kLeave;
      part.first = e.at - added_ + removed_ + done_;
      part.place = size_t{e.at} + e.added;
    }
    done_ += part.count;
    return part;
  }
  return std::nullopt;
}

}  // namespace sluice::relay
