#pragma once
// Starts DPDK's environment (EAL) the way Sluice uses it: lcore 0 is the control thread, lcore
// i + 1 is worker i, each pinned to the core that the configuration names. Several lcores may share
// a core: slow, but it runs on a one-core machine and under sanitizers.

#include <atomic>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "nic/device_lock.h"

namespace sluice::nic {

// The reason of a failure, and what the operator can do about it: one or more lines, without a
// newline at the end.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct EalOptions {
  std::vector<unsigned> worker_cores;  // one worker each, in order
  unsigned control_core = 0;
  uint32_t memory_mib = 512;
  bool hugepages = true;              // false: ordinary pages, only for virtual devices
  bool in_memory = true;              // no files under /var/run/dpdk and no mount of hugetlbfs
  std::vector<std::string> vdevs;     // as DPDK spells them: "net_tap0,iface=north"
  std::vector<std::string> pci;       // addresses to take over; none: the PCI bus is not scanned
  std::vector<std::string> extra;     // further EAL arguments, passed on unchanged
  std::string log_level = "warning";  // which of DPDK's own lines exist (nic/driver_log.h)
};

// The command line for the EAL, program name first. Apart from Eal so that tests can read it.
std::vector<std::string> eal_arguments(const EalOptions& options);

// One a process: EAL cannot be started twice. Construct it on the thread that becomes the control
// thread; that thread is pinned to control_core and stays so.
class Eal {
 public:
  // Takes the locks of the devices first, so that a device of another process is not touched.
  // Throws Error.
  explicit Eal(const EalOptions& options);
  ~Eal();
  Eal(Eal&&) = delete;

  unsigned workers() const { return workers_; }
  // The NUMA node of the worker's core; -1: unknown.
  int node(unsigned worker) const;

  // Runs `loop` on worker's core, once at a time. The callable lives until join(worker).
  void launch(unsigned worker, std::function<void()> loop);
  // Sleeps until the worker's loop has returned, if it was launched. An exception that leaves a
  // loop ends the process.
  void join(unsigned worker);

 private:
  struct Loop {
    std::function<void()> run;
    std::atomic<bool> over = true;
  };
  unsigned workers_;
  DeviceLocks locks_;
  std::vector<Loop> loops_;
};

}  // namespace sluice::nic
