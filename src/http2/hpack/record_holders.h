#pragma once
// The connections that made records of the shared table of fields, and how many records each may
// make. A connection may take a part of what is left. So however much many idle connections hold,
// the next one finds room for the fields that it repeats. When little is left, connections that
// have been idle give their records back.

#include <algorithm>
#include <cstdint>

#include "base/list.h"
#include "http2/hpack/field_table.h"
#include "stats/http2.h"

namespace sluice::http2::hpack {

// A connection's table, as a holder of records.
class RecordHolder : public ListHook<RecordHolder> {
 public:
  // The table's connection decodes a block now.
  void touch() { used_ = true; }

 protected:
  ~RecordHolder() = default;

 private:
  friend class RecordHolders;
  // Replaces all its records by private copies.
  virtual void give_back() = 0;

  uint32_t made_ = 0;   // units of records that it made and keeps, or more: others may keep one
  uint32_t holds_ = 0;  // units of all records that it keeps
  bool used_ = false;   // since reclaim() last looked at it
};

class RecordHolders {
 public:
  // A connection may have 1/kPart of what is left. At first that is all that a table of 4 KiB can
  // hold; with a thousand connections it is half as much.
  static constexpr uint32_t kPart = 512;
  // When less than 1/kShort of the whole is left, idle connections give back.
  static constexpr uint32_t kShort = 16;
  static constexpr int kLooks = 4;  // at connections, for each record that is then made

  RecordHolders(FieldTable& fields, stats::Http2& stats) : fields_(fields), stats_(stats) {}

  // Call before looking for a record.
  bool may_make(const RecordHolder& h) {
    if (fields_.free_units() < fields_.units() / kShort) [[unlikely]]
      reclaim();
    return uint64_t{h.made_} * kPart < fields_.free_units();
  }
  // `h` got a reference to the record, which may be new.
  void has(RecordHolder& h, uint32_t handle) {
    h.holds_ += fields_.units_of(handle);
    if (fields_[handle].references > 1) return;
    h.made_ += fields_.units_of(handle);
    if (!h.linked()) holders_.push_back(h);
  }
  // Gives up the reference of `h`.
  void drop(RecordHolder& h, uint32_t handle) {
    const uint32_t units = fields_.units_of(handle);
    h.holds_ -= units;
    if (fields_.release(handle)) h.made_ -= std::min(h.made_, units);
    h.made_ = std::min(h.made_, h.holds_);
  }

 private:
  void reclaim() {
    for (int i = 0; i < kLooks && !holders_.empty(); ++i) {
      RecordHolder& h = *holders_.pop_front();
      if (h.used_) {
        h.used_ = false;
        holders_.push_back(h);
        continue;
      }
      h.give_back();
      ++stats_.hpack_given_back;
      return;
    }
  }

  FieldTable& fields_;
  stats::Http2& stats_;
  List<RecordHolder, RecordHolder> holders_;
};

}  // namespace sluice::http2::hpack
