#pragma once
// The tables of src/stats as metrics: one family for each line of a table, so that no name can be
// missing in /metrics.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "admin/exposition.h"
#include "stats/counter.h"

namespace sluice::admin {

// The sums of a table's lines over the workers, for each of the table's objects: ports, listeners.
class TableSums {
 public:
  template <class Group>
  void add(size_t object, const Group& group) {
    if (values_.size() <= object) values_.resize(object + 1);
    const bool first = columns_.empty();
    std::vector<uint64_t>& sums = values_[object];
    size_t at = 0;
    group.for_each([&](std::string_view name, const auto& value, std::string_view meaning) {
      if (first) columns_.push_back({name, meaning, is_counter(value)});
      if (sums.size() == at) sums.push_back(0);
      sums[at++] += value.get();
    });
  }

  // write(object, value) writes the sample of one object.
  template <class Write>
  void write(Exposition& out, std::string_view prefix, Write&& write) const {
    for (size_t c = 0; c < columns_.size(); ++c) {
      const Column& column = columns_[c];
      std::string name = std::string(prefix) + std::string(column.name);
      if (column.counter) name += "_total";
      out.family(name, column.counter ? Exposition::Type::kCounter : Exposition::Type::kGauge,
                 column.meaning);
      for (size_t object = 0; object < values_.size(); ++object) write(object, values_[object][c]);
    }
  }

 private:
  static bool is_counter(const stats::Counter&) { return true; }
  static bool is_counter(const stats::Gauge&) { return false; }

  struct Column {
    std::string_view name;
    std::string_view meaning;
    bool counter;
  };
  std::vector<Column> columns_;
  std::vector<std::vector<uint64_t>> values_;  // by object, then column
};

}  // namespace sluice::admin
