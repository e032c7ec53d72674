#pragma once
// The records that were made and are not wholly acknowledged: translates positions of the records
// below into positions of the plain bytes above (transport::Stream::transmitted, acknowledged).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::tls {

class RecordLog {
 public:
  // A record, or several made together, was appended below at [begin, end), and carries all plain
  // bytes up to `plain_end`. acknowledged_below: the lower stream's position now. The records
  // before it leave the log here, since the user of a stream need not ever ask what is
  // acknowledged.
  void add(uint64_t plain_end, uint64_t begin, uint64_t end, uint64_t acknowledged_below) {
    acknowledged(acknowledged_below);
    if (head_ == records_.size()) {
      records_.clear();
      head_ = 0;
    }
    records_.push_back({plain_end, begin, end});
  }

  // Records that are kept.
  size_t size() const { return records_.size(); }

  // The positions below are those of the lower stream.
  uint64_t acknowledged(uint64_t below) {
    while (head_ < records_.size() && records_[head_].end <= below)
      acknowledged_ = records_[head_++].plain_end;
    if (head_ > kCompactAt && head_ * 2 > records_.size()) {
      records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    return acknowledged_;
  }
  uint64_t transmitted(uint64_t below) const {
    const auto first = records_.begin() + static_cast<std::ptrdiff_t>(head_);
    const auto it = std::lower_bound(first, records_.end(), below,
                                     [](const Record& r, uint64_t b) { return r.begin < b; });
    return it == first ? acknowledged_ : std::prev(it)->plain_end;
  }

 private:
  static constexpr size_t kCompactAt = 64;
  struct Record {
    uint64_t plain_end;
    uint64_t begin;
    uint64_t end;
  };
  std::vector<Record> records_;  // in order; those before head_ are acknowledged
  size_t head_ = 0;
  uint64_t acknowledged_ = 0;
};

}  // namespace sluice::tls
