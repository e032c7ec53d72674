#pragma once
// Packet buffers of a test.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>

#include "buf/memory.h"

namespace sluice {

// Buffers for a whole test; checks in the end that all came back.
class Buffers {
 public:
  explicit Buffers(uint32_t count = 8191, const std::string& name = "test")
      : rx_(buf::make_pool(name + "-rx", count, 2176, SOCKET_ID_ANY)),
        hold_(buf::make_pool(name + "-hold", count, 2176, SOCKET_ID_ANY)),
        rx(rx_),
        hold(hold_),
        memory(rx, hold, count / 8, count / 8) {}
  ~Buffers() {
    EXPECT_EQ(rte_mempool_in_use_count(rx_), 0u) << "receive buffers leaked";
    EXPECT_EQ(rte_mempool_in_use_count(hold_), 0u) << "hold buffers leaked";
    buf::free_pool(rx_);
    buf::free_pool(hold_);
  }
  Buffers(const Buffers&) = delete;

  buf::Slice slice(std::string_view bytes) {
    buf::Slice s = rx.alloc();
    std::memcpy(s.mutable_data(), bytes.data(), bytes.size());
    s.grow_back(static_cast<uint32_t>(bytes.size()));
    return s;
  }

 private:
  rte_mempool* rx_;
  rte_mempool* hold_;

 public:
  buf::Pool rx;
  buf::Pool hold;
  buf::Memory memory;
};

}  // namespace sluice
