#pragma once
// Groups of numbers as tables, so that each number is named once: the field, its kind (Counter or
// Gauge) and its meaning. sluicectl and /metrics enumerate the same lines with for_each.

#include <string_view>

#include "stats/counter.h"

// Declares the fields of `list` and a for_each(fn) that calls fn(name, value, meaning) on each.
#define SLUICE_STATS_FIELD(kind, name, text) ::sluice::stats::kind name;
#define SLUICE_STATS_VISIT(kind, name, text) \
  fn(std::string_view(#name), name, std::string_view(text));
#define SLUICE_STATS_TABLE(list)               \
  list(SLUICE_STATS_FIELD) template <class Fn> \
  void for_each(Fn&& fn) const {               \
    list(SLUICE_STATS_VISIT)                   \
  }
