#pragma once
// The difference between two lists of pods that are in the order of their slots.

#include <vector>

#include "config/snapshot.h"

namespace sluice::test {

inline std::vector<config::PodEdit> pod_edits(const config::SharedList<config::Pod>& before,
                                              const config::SharedList<config::Pod>& next) {
  std::vector<config::PodEdit> edits;
  size_t i = 0, j = 0;
  while (i < before.size() || j < next.size()) {
    if (i < before.size() && j < next.size() && before[i].slot == next[j].slot) {
      ++i;
      ++j;
      continue;
    }
    config::PodEdit e{.at = static_cast<uint32_t>(j)};
    for (; i < before.size() && (j == next.size() || before[i].slot < next[j].slot); ++i)
      ++e.removed;
    for (; j < next.size() && (i == before.size() || next[j].slot < before[i].slot); ++j) ++e.added;
    edits.push_back(e);
  }
  return edits;
}

}  // namespace sluice::test
