#pragma once
// Small pools of packet buffers, so that tests can exhaust them.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "buf/pool.h"
#include "buf/slice.h"

namespace sluice::buf {

// A pool that checks, when it goes, that every buffer has come back.
class TestPool {
 public:
  explicit TestPool(const std::string& name, uint32_t count = 15, uint16_t data_room = 2176)
      // Without a cache, so that exactly `count` buffers can be had.
      : mempool_(rte_pktmbuf_pool_create(name.c_str(), count, 0, 0, data_room, SOCKET_ID_ANY)),
        pool_(mempool_) {}
  ~TestPool() {
    EXPECT_EQ(pool_.available(), pool_.size()) << "buffers leaked";
    free_pool(mempool_);
  }
  TestPool(TestPool&&) = delete;

  operator Pool&() { return pool_; }
  Pool* operator->() { return &pool_; }

  Slice filled(const std::string& bytes) {
    Slice s = pool_.alloc();
    std::memcpy(s.mutable_data(), bytes.data(), bytes.size());
    s.grow_back(static_cast<uint32_t>(bytes.size()));
    return s;
  }

 private:
  rte_mempool* mempool_;
  Pool pool_;
};

inline View bytes_of(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}
inline std::string text_of(View v) {
  return {reinterpret_cast<const char*>(v.data()), v.size()};
}

}  // namespace sluice::buf
