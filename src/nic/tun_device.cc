#include "nic/tun_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "config/startup.h"
#include "nic/eal.h"
#include "nic/interface_request.h"
#include "nic/virtio_header.h"

namespace sluice::nic {

namespace {

// Frames that wait for one queue; a pointer each. A worker that is not scheduled for 10 ms would
// lose frames with the kernel's 500: each of 1,000 connections may have an initial window of ten
// (RFC 6928) under way.
constexpr int kQueueLength = 10'000;

constexpr unsigned long kOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

[[noreturn]] void fail(const std::string& interface, const std::string& why) {
  throw Error("the TAP interface '" + interface + "' cannot be used: " + why);
}

// Why TUNSETIFF refuses.
std::string attach_reason(int error, unsigned queues) {
  switch (error) {
    case EPERM:
    case EACCES:
      return "it lacks permission. Run it as root or with CAP_NET_ADMIN, or let the owner of the "
             "interface be this user (ip tuntap add ... user NAME).";
    case EBUSY:
      return "another process has its queue open. One process uses an interface at a time: stop "
             "that process, or name another interface.";
    case E2BIG:
      return "it has no free queue; other processes have its queues open.";
    case EINVAL:
      return queues > 1 ? "an interface of this name exists, and is not a TAP device with several "
                          "queues (ip tuntap add NAME mode tap multi_queue vnet_hdr)."
                        : "an interface of this name exists, and is not a TAP device.";
    default:
      return std::string("the kernel says ") + std::strerror(error) + ".";
  }
}

// A socket, for requests about interfaces of the thread's network namespace.
class Control {
 public:
  Control() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~Control() {
    if (socket_ >= 0) ::close(socket_);
  }
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  bool ask(unsigned long what, ifreq& request) const {
    return ::ioctl(socket_, what, &request) == 0;
  }

 private:
  int socket_;
};

}  // namespace

std::string tun_interface(const std::string& device) {
  return device.starts_with(config::kTunPrefix) ? device.substr(config::kTunPrefix.size())
                                                : std::string();
}

DeviceIdentity tun_identity(const std::string& device) {
  return {.device = device,
          .driver = "tun",
          .bus = "kernel",
          .interface = tun_interface(device),
          .kernel_driver = "tun"};
}

TunDevice::TunDevice(const TunOptions& options) : interface_(options.interface) {
  if (interface_.empty() || interface_.size() >= IFNAMSIZ)
    fail(interface_,
         "the name of an interface has 1 to " + std::to_string(IFNAMSIZ - 1) + " bytes.");
  const bool made = ::if_nametoindex(interface_.c_str()) == 0;
  try {
    for (unsigned q = 0; q < options.queues; ++q) open_queue(made || options.queues > 1);
    set_up(made, options.mtu);
  } catch (...) {
    close_queues();
    throw;
  }
}

TunDevice::~TunDevice() {
  close_queues();
}

void TunDevice::close_queues() {
  for (const int fd : queues_) ::close(fd);
  queues_.clear();
}

// An interface that the operator made with one queue is opened without IFF_MULTI_QUEUE: the kernel
// wants the flag as it was when the interface was made.
void TunDevice::open_queue(bool multi_queue) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 && (errno == EACCES || errno == EPERM))
    fail(interface_, "it lacks permission for /dev/net/tun.");
  if (fd < 0)
    fail(interface_, std::string("/dev/net/tun does not open: ") + std::strerror(errno) +
                         ". Load the kernel's driver (modprobe tun), or let the container have "
                         "the device.");
  queues_.push_back(fd);
  constexpr short kFlags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  ifreq request = request_for(interface_);
  request.ifr_flags = kFlags | IFF_MULTI_QUEUE;
  if (::ioctl(fd, TUNSETIFF, &request) != 0) {
    const int error = errno;
    request.ifr_flags = kFlags;
    if (multi_queue || error != EINVAL || ::ioctl(fd, TUNSETIFF, &request) != 0)
      fail(interface_,
           attach_reason(multi_queue || error != EINVAL ? error : errno, multi_queue ? 2 : 1));
  }
  const auto check = [&](int result, const char* name) {
    if (result != 0) fail(interface_, std::string(name) + " fails: " + std::strerror(errno) + ".");
  };
  const int header = sizeof(VirtioHeader);
  const int little_endian = 1;
  check(::ioctl(fd, TUNSETVNETHDRSZ, &header), "TUNSETVNETHDRSZ");
  check(::ioctl(fd, TUNSETVNETLE, &little_endian), "TUNSETVNETLE");
  check(::ioctl(fd, TUNSETOFFLOAD, kOffloads), "TUNSETOFFLOAD");
}

void TunDevice::set_up(bool made, uint16_t mtu) {
  ifreq request = request_for(interface_);
  if (::ioctl(queues_[0], SIOCGIFHWADDR, &request) != 0)
    fail(interface_, std::string("its address is not known: ") + std::strerror(errno) + ".");
  std::copy_n(reinterpret_cast<const uint8_t*>(request.ifr_hwaddr.sa_data), mac_.size(),
              mac_.begin());
  constexpr uint8_t kLocal = 0x02;  // locally administered
  constexpr uint8_t kOurs = 0x40;
  mac_[0] = static_cast<uint8_t>((mac_[0] | kLocal) ^ kOurs);

  const Control control;
  if (made) {
    request = request_for(interface_);
    request.ifr_mtu = mtu;
    if (!control.ask(SIOCSIFMTU, request))
      fail(interface_,
           "it does not take an MTU of " + std::to_string(mtu) + ": " + std::strerror(errno) + ".");
    request = request_for(interface_);
    request.ifr_qlen = kQueueLength;
    if (!control.ask(SIOCSIFTXQLEN, request))
      fail(interface_,
           std::string("its queue length cannot be set: ") + std::strerror(errno) + ".");
  }
  if (up()) return;
  request = request_for(interface_);
  control.ask(SIOCGIFFLAGS, request);
  request.ifr_flags |= IFF_UP;
  if (!control.ask(SIOCSIFFLAGS, request))
    fail(interface_, std::string("it cannot be set up (ip link set ") + interface_ +
                         " up): " + std::strerror(errno) + ".");
}

// The driver calls a queue writable while the interface is up (tun_sock_writeable), and reports an
// error for one that has been removed.
bool TunDevice::up() const {
  pollfd queue{.fd = queues_[0], .events = POLLOUT};
  return ::poll(&queue, 1, 0) == 1 && (queue.revents & POLLERR) == 0 &&
         (queue.revents & POLLOUT) != 0;
}

uint32_t TunDevice::queue_length() const {
  ifreq request = request_for(interface_);
  return Control().ask(SIOCGIFTXQLEN, request) ? static_cast<uint32_t>(request.ifr_qlen) : 0;
}

// By proc(5) rather than sysfs: a mount of sysfs shows the namespace in which it was mounted.
TunDevice::Counters TunDevice::counters() const {
  std::ifstream file("/proc/thread-self/net/dev");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    const size_t begin = line.find_first_not_of(' ');
    if (colon == std::string::npos || line.substr(begin, colon - begin) != interface_) continue;
    std::istringstream numbers(line.substr(colon + 1));
    // Received: bytes, packets, errors, drops and four more; then the same for transmitted.
    std::array<uint64_t, 12> values{};
    for (uint64_t& v : values) numbers >> v;
    return {.unread = values[11], .refused = values[3]};
  }
  return {};
}

}  // namespace sluice::nic
