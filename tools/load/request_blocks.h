#pragma once
// The field blocks of one client connection's requests, as a real client encoded them.

#include <cstdint>
#include <string>
#include <vector>

#include "buf/slice.h"

namespace sluice::load {

inline constexpr uint32_t kMaxFieldBytes = 16'384;  // of a decoded field section

// Read once from a file of tests/http2/patterns: blocks in hexadecimal, one a line.
struct Recording {
  // Throws std::runtime_error.
  explicit Recording(const std::string& file, uint32_t body_bytes);

  // One field of the first block: an entry of the static table, or a literal that enters the
  // dynamic one.
  struct Field {
    std::vector<uint8_t> bytes;
    uint32_t table_size = 0;  // of its entry (RFC 7541, 4.1); 0: it makes none
  };
  const std::vector<uint8_t>& first() const { return blocks.front(); }

  std::vector<std::vector<uint8_t>> blocks;  // in order; the last one stands for all later ones
  // As in grpc-go, which says a deadline in microseconds in each call: blocks are made from
  // `fields`, of which the last one is grpc-timeout.
  bool fresh_deadlines = false;
  std::vector<Field> fields;
};

class RequestBlocks {
 public:
  explicit RequestBlocks(const Recording& recording) : recording_(recording) {}

  // Of the next request; valid until the next call.
  buf::View next() {
    if (recording_.fresh_deadlines) return next_with_deadline();
    const auto& blocks = recording_.blocks;
    return said_ < blocks.size() ? blocks[said_++] : blocks.back();
  }

 private:
  // As grpc-go's encoder does it: whatever is not in the table enters it, so the deadlines push
  // each other, and in the end all else, out of 4,096 bytes.
  buf::View next_with_deadline();
  void enter(uint32_t table_size);

  static constexpr uint32_t kTableBytes = 4096;
  static constexpr uint32_t kFirstTimeout = 4'999'990;  // microseconds: a deadline of 5 s
  static constexpr uint32_t kLastTimeout = 4'900'000;

  const Recording& recording_;
  size_t said_ = 0;  // of the recorded blocks
  std::vector<uint8_t> block_;
  std::vector<uint64_t> entered_;  // of each field: number of its entry, 0: none
  std::vector<uint32_t> sizes_;    // of entries, a ring
  uint64_t newest_ = 0;            // entries are numbered from 1
  uint64_t oldest_ = 1;
  uint32_t table_bytes_ = 0;
  uint32_t timeout_ = kFirstTimeout;
};

}  // namespace sluice::load
