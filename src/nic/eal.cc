#include "nic/eal.h"

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "nic/bond.h"
#include "nic/xdp.h"

namespace sluice::nic {

namespace {

constexpr unsigned kFirstWorkerLcore = 1;  // lcore 0 is the control thread

// what: "free_hugepages" or "nr_hugepages".
uint64_t huge_bytes(const char* what) {
  uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& size :
       std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", ignored)) {
    const std::string name = size.path().filename();  // hugepages-2048kB
    const auto dash = name.find('-');
    uint64_t pages = 0;
    std::ifstream(size.path() / what) >> pages;
    if (dash != std::string::npos) bytes += pages * std::stoull(name.substr(dash + 1)) * 1024;
  }
  return bytes;
}

void check_memory(const EalOptions& options) {
  if (!options.hugepages) return;
  // The kernel takes back the memory of an AF_XDP socket some time after its process has ended: a
  // restart may come before that.
  constexpr auto kPatience = std::chrono::seconds(5);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  const bool may_come = huge_bytes("nr_hugepages") >> 20 >= options.memory_mib;
  uint64_t free = 0;
  for (;;) {
    free = huge_bytes("free_hugepages") >> 20;
    if (free >= options.memory_mib) return;
    if (!may_come || std::chrono::steady_clock::now() >= until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  throw Error("DPDK is to have " + std::to_string(options.memory_mib) + " MiB of huge pages, and " +
              std::to_string(free) +
              " MiB are free. Reserve more, for example\n"
              "  echo " +
              std::to_string(options.memory_mib / 2 + 64) +
              " > /proc/sys/vm/nr_hugepages\n"
              "or lower the memory that the DPDK configuration asks for.");
}

void check_cores(const EalOptions& options) {
  const unsigned present = std::thread::hardware_concurrency();
  auto check = [present](unsigned core, const char* whose) {
    if (present != 0 && core >= present)
      throw Error(std::string("core ") + std::to_string(core) + " of " + whose +
                  " does not exist: this machine has cores 0 to " + std::to_string(present - 1));
  };
  for (const unsigned core : options.worker_cores) check(core, "a worker");
  check(options.control_core, "the control thread");
}

std::string reason_for(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return "it lacks permission; run as root, or see Privileges in docs/operations.md";
    case ENOMEM:
      return "it gets no memory. Check that enough huge pages are free: grep Huge /proc/meminfo";
    case EALREADY:
      return "it has been started before in this process";
    case EINVAL:
      return "it does not accept its arguments; see the lines of the EAL and the extra arguments "
             "in "
             "the DPDK configuration";
    case ENODEV:
      return "no bus can be scanned for devices";
    default:
      return rte_strerror(error);
  }
}

void create_device(const std::string& spec) {
  const auto comma = spec.find(',');
  const std::string name = spec.substr(0, comma);
  const std::string args = comma == std::string::npos ? "" : spec.substr(comma + 1);
  const int result = rte_eal_hotplug_add("vdev", name.c_str(), args.c_str());
  uint16_t device = 0;
  if (result == 0 && rte_eth_dev_get_port_by_name(name.c_str(), &device) == 0) join_members(device);
  if (result == 0) return;
  throw Error("the virtual device '" + name + "' with '" + args +
              "' does not start: " + rte_strerror(-result) +
              ". Check that the network interface it names exists (ip link), and that no other "
              "process uses it; the driver's own lines say more.");
}

std::vector<std::string> shared_devices(const EalOptions& options) {
  std::vector<std::string> devices = options.pci;
  for (const std::string& spec : options.vdevs)
    if (std::string device = shared_device(spec); !device.empty())
      devices.push_back(std::move(device));
  return devices;
}

}  // namespace

std::vector<std::string> eal_arguments(const EalOptions& options) {
  std::string lcores = "0@" + std::to_string(options.control_core);
  for (size_t i = 0; i < options.worker_cores.size(); ++i)
    lcores +=
        "," + std::to_string(i + kFirstWorkerLcore) + "@" + std::to_string(options.worker_cores[i]);
  std::vector<std::string> args{"sluiced",
                                "--lcores",
                                lcores,
                                "--main-lcore",
                                "0",
                                "-m",
                                std::to_string(options.memory_mib),
                                "--no-telemetry",
                                "--log-level=" + options.log_level};
  if (!options.hugepages) {
    args.insert(args.end(), {"--no-huge", "--no-shconf"});
  } else if (options.in_memory) {
    args.emplace_back("--in-memory");
  }
  if (options.pci.empty()) args.emplace_back("--no-pci");
  for (const std::string& address : options.pci) args.insert(args.end(), {"-a", address});
  args.insert(args.end(), options.extra.begin(), options.extra.end());
  return args;
}

Eal::Eal(const EalOptions& options)
    : workers_(static_cast<unsigned>(options.worker_cores.size())),
      locks_(shared_devices(options)),
      loops_(workers_) {
  for (const std::string& spec : options.vdevs)
    if (const std::string interface = xdp_interface(spec); !interface.empty())
      refuse_foreign_program(interface);
  check_cores(options);
  check_memory(options);
  std::vector<std::string> args = eal_arguments(options);
  std::vector<char*> argv;
  argv.reserve(args.size());
  for (std::string& a : args) argv.push_back(a.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
    throw Error("DPDK does not start: " + reason_for(rte_errno));
  try {
    for (const std::string& spec : options.vdevs) create_device(spec);
  } catch (...) {
    rte_eal_cleanup();
    throw;
  }
}

Eal::~Eal() {
  for (unsigned i = 0; i < workers_; ++i) join(i);
  rte_eal_cleanup();
}

int Eal::node(unsigned worker) const {
  return static_cast<int>(rte_lcore_to_socket_id(worker + kFirstWorkerLcore));
}

void Eal::launch(unsigned worker, std::function<void()> loop) {
  Loop& l = loops_[worker];
  l.run = std::move(loop);
  l.over.store(false, std::memory_order_relaxed);
  const auto run = [](void* arg) noexcept {
    auto& self = *static_cast<Loop*>(arg);
    self.run();
    self.over.store(true, std::memory_order_release);
    self.over.notify_all();
    return 0;
  };
  const int result = rte_eal_remote_launch(run, &l, worker + kFirstWorkerLcore);
  if (result == 0) return;
  l.over.store(true, std::memory_order_relaxed);
  throw Error("worker " + std::to_string(worker) + " does not start: " + rte_strerror(-result));
}

// The EAL waits for a worker by polling, which takes the core from a worker that shares it.
void Eal::join(unsigned worker) {
  loops_[worker].over.wait(false, std::memory_order_acquire);
  rte_eal_wait_lcore(worker + kFirstWorkerLcore);
}

}  // namespace sluice::nic
