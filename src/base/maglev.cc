#include "base/maglev.h"

#include <algorithm>
#include <numeric>

#include "base/hash.h"

namespace sluice {

namespace {

struct Turn {
  uint16_t index = 0;  // of the backend
  uint32_t at = 0;     // the next entry that it wants
  // To the one after. Every skip visits all entries, since their number is prime.
  uint32_t skip = 0;
  uint64_t credit = 0;  // weight that has not become an entry yet
  uint64_t weight = 0;
};

}  // namespace

// In each round a backend of the largest weight takes one entry, the next of its permutation that
// is free. The others take one as soon as their weights have added up to the largest.
Maglev::Maglev(std::span<const Backend> backends) {
  uint64_t heaviest = 0;
  for (const Backend& b : backends) heaviest = std::max<uint64_t>(heaviest, b.weight);
  if (heaviest == 0) return;

  std::vector<uint16_t> order(backends.size());
  std::iota(order.begin(), order.end(), uint16_t{0});
  std::sort(order.begin(), order.end(),
            [&](uint16_t a, uint16_t b) { return backends[a].identity < backends[b].identity; });
  std::vector<Turn> turns;
  for (const uint16_t i : order) {
    const Backend& b = backends[i];
    if (b.weight == 0) continue;
    turns.push_back({.index = i,
                     .at = static_cast<uint32_t>(mix64(b.identity + 1) % kEntries),
                     .skip = static_cast<uint32_t>(mix64(b.identity + 2) % (kEntries - 1)) + 1,
                     .weight = b.weight});
  }

  entries_.assign(kEntries, kNone);
  for (uint32_t filled = 0;;) {
    for (Turn& t : turns) {
      t.credit += t.weight;
      if (t.credit < heaviest) continue;
      t.credit -= heaviest;
      while (entries_[t.at] != kNone) t.at = (t.at + t.skip) % kEntries;
      entries_[t.at] = t.index;
      if (++filled == kEntries) return;
    }
  }
}

}  // namespace sluice
