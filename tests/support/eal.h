#pragma once
// A main() for test binaries whose rooms need packet buffers: starts DPDK's EAL once, without huge
// pages, devices or files, and runs the tests. A binary is linked against gtest, not gtest_main:
//
//   int main(int argc, char** argv) { return sluice::test::run_with_eal(argc, argv); }

#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>

#include <cstdio>
#include <functional>

namespace sluice::test {

// For programs beside the tests. mib: memory for packet pools.
inline int with_eal(const std::function<int()>& body, const char* mib = "256") {
  const char* options[] = {
      "test",     "--no-huge", "--no-pci",       "--no-shconf", "-m",    mib,
      "--lcores", "0",         "--no-telemetry", "--log-level", "error",
  };
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  char* args[std::size(options)];
  for (size_t i = 0; i < std::size(options); ++i) args[i] = const_cast<char*>(options[i]);
  if (rte_eal_init(static_cast<int>(std::size(options)), args) < 0) {
    std::fprintf(stderr, "EAL does not start: %s\n", rte_strerror(rte_errno));
    return 1;
  }
  // EAL pins the thread to core 0; tests that run side by side should spread over the machine.
  sched_setaffinity(0, sizeof allowed, &allowed);
  const int result = body();
  rte_eal_cleanup();
  return result;
}

inline int run_with_eal(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return with_eal([] { return RUN_ALL_TESTS(); });
}

}  // namespace sluice::test
