#include "worker/helper_thread.h"

#include <pthread.h>
#include <sched.h>

#include <string>

namespace sluice::worker {

void begin_helper(size_t helper, const std::vector<uint32_t>& cores) {
  ::pthread_setname_np(::pthread_self(), ("handshake-" + std::to_string(helper)).c_str());
  if (cores.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cores[helper % cores.size()], &set);
  ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

}  // namespace sluice::worker
