#include "worker/helper_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <span>
#include <string>

namespace sluice::worker {

std::vector<uint32_t> helper_cores(const config::Startup& startup, uint32_t present) {
  const config::DpdkConf& dpdk = startup.dpdk;
  if (!dpdk.handshake_cores.empty()) return dpdk.handshake_cores;
  const auto used = std::span(dpdk.worker_cores)
                        .first(std::min<size_t>(startup.workers, dpdk.worker_cores.size()));
  const auto of_worker = [&](uint32_t core) {
    return std::find(used.begin(), used.end(), core) != used.end();
  };
  std::vector<uint32_t> cores;
  if (!of_worker(dpdk.control_core)) return cores;
  for (uint32_t core = 0; core < present; ++core)
    if (!of_worker(core)) cores.push_back(core);
  return cores;
}

uint32_t present_cores() {
  // Not those of the calling thread's affinity, which is one core behind the start of the EAL.
  return static_cast<uint32_t>(std::max(::get_nprocs_conf(), 1));
}

void begin_helper(size_t helper, const std::vector<uint32_t>& cores) {
  ::pthread_setname_np(::pthread_self(), ("handshake-" + std::to_string(helper)).c_str());
  if (cores.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cores[helper % cores.size()], &set);
  ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

}  // namespace sluice::worker
