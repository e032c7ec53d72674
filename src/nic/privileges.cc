#include "nic/privileges.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace sluice::nic {

namespace {

// The effective capabilities of this process, one bit for each (capabilities(7)).
uint64_t capabilities() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("CapEff:")) return std::stoull(line.substr(7), nullptr, 16);
  return 0;
}

bool has(uint64_t capabilities, unsigned capability) {
  return (capabilities >> capability & 1) != 0;
}

bool may_use(const char* path) {
  return ::access(path, R_OK | W_OK) == 0;
}

bool any_vdev(const EalOptions& options, std::string_view driver) {
  return std::any_of(options.vdevs.begin(), options.vdevs.end(),
                     [&](const std::string& v) { return v.starts_with(driver); });
}

bool may_lock(uint64_t bytes) {
  rlimit limit{};
  return ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
         (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= bytes);
}

}  // namespace

std::vector<std::string> missing_privileges(const EalOptions& options, bool tun) {
  const uint64_t mine = capabilities();
  const bool af_xdp = any_vdev(options, "net_af_xdp");
  const bool tap = any_vdev(options, "net_tap");
  const bool pci = !options.pci.empty();
  std::vector<std::string> missing;
  const auto need = [&](bool needed, bool there, const char* phrase) {
    if (needed && !there) missing.emplace_back(phrase);
  };
  need(af_xdp || tap, has(mine, CAP_NET_ADMIN),
       "CAP_NET_ADMIN, to set up the interfaces of AF_XDP and TAP ports");
  need(af_xdp, has(mine, CAP_NET_RAW), "CAP_NET_RAW, to open AF_XDP sockets");
  // CAP_BPF and CAP_PERFMON load the program. Only CAP_SYS_ADMIN finds a program that is attached
  // already (bpf(2), BPF_PROG_GET_FD_BY_ID), and libxdp looks for one at each start.
  need(
      af_xdp, has(mine, CAP_SYS_ADMIN),
      "CAP_SYS_ADMIN, to load the XDP program of AF_XDP ports and to find one that a process left");
  need(af_xdp || pci, has(mine, CAP_IPC_LOCK) || may_lock(uint64_t{options.memory_mib} << 20),
       "CAP_IPC_LOCK, or a limit of locked memory (ulimit -l) as large as memory_mib, since the "
       "NIC writes into packet buffers");
  need(tap || tun, may_use("/dev/net/tun"),
       "read and write access to /dev/net/tun, to make TAP ports");
  need(pci, may_use("/dev/vfio/vfio"),
       "read and write access to /dev/vfio/vfio and the groups beside it, to drive PCI devices "
       "(modprobe vfio-pci)");
  return missing;
}

}  // namespace sluice::nic
