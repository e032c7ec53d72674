// The cores of the threads that make TLS handshakes.

#include "worker/helper_thread.h"

#include <gtest/gtest.h>

namespace sluice::test {
namespace {

using Cores = std::vector<uint32_t>;

config::Startup with(Cores workers, uint32_t control, Cores handshakes = {}) {
  config::Startup s;
  s.workers = static_cast<uint32_t>(workers.size());
  s.dpdk.worker_cores = std::move(workers);
  s.dpdk.control_core = control;
  s.dpdk.handshake_cores = std::move(handshakes);
  return s;
}

TEST(HelperCores, are_those_of_the_configuration) {
  EXPECT_EQ(worker::helper_cores(with({0}, 0, {0, 3}), 4), (Cores{0, 3}));
}

TEST(HelperCores, are_the_control_threads_where_no_worker_has_it) {
  EXPECT_EQ(worker::helper_cores(with({0, 1}, 2), 4), Cores{});
}

TEST(HelperCores, are_no_workers_while_there_are_others) {
  EXPECT_EQ(worker::helper_cores(with({0, 2}, 0), 4), (Cores{1, 3}));
  config::Startup one = with({0, 2}, 2);
  one.workers = 1;
  EXPECT_EQ(worker::helper_cores(one, 4), Cores{}) << "the second worker's core is free";
}

TEST(HelperCores, stay_with_the_control_thread_where_all_cores_are_workers) {
  EXPECT_EQ(worker::helper_cores(with({0, 1}, 0), 2), Cores{});
}

}  // namespace
}  // namespace sluice::test
