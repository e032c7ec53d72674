#include "nic/device_lock.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <thread>

#include "nic/eal.h"

namespace sluice::nic {

namespace {

struct Name {
  sockaddr_un address{};
  socklen_t size = 0;
};

// A leading zero byte makes the name abstract. Interface names and PCI addresses are far shorter
// than a socket's name.
Name name_of(const std::string& device) {
  const std::string text = "sluice/device/" + device;
  Name n;
  n.address.sun_family = AF_UNIX;
  const size_t room = sizeof n.address.sun_path - 1;
  const size_t size = std::min(text.size(), room);
  std::memcpy(n.address.sun_path + 1, text.data(), size);
  n.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size);
  return n;
}

// The process that listens on the name; 0 when it is unknown.
pid_t holder(const Name& name) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return 0;
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&name.address), name.size) == 0 &&
      ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  ::close(fd);
  return known ? peer.pid : 0;
}

// Whether the process has been killed and the kernel is still ending it: its first thread is a
// zombie (proc(5)) while other threads run to their end.
bool ending(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(file, stat);
  const auto name_end = stat.rfind(") ");
  return name_end == std::string::npos || stat[name_end + 2] == 'Z' || stat[name_end + 2] == 'X';
}

}  // namespace

std::string shared_device(const std::string& vdev) {
  constexpr std::string_view kKey = ",iface=";
  const auto at = vdev.find(kKey);
  if (at == std::string::npos) return {};
  const auto begin = at + kKey.size();
  return vdev.substr(begin, vdev.find(',', begin) - begin);
}

DeviceLocks::DeviceLocks(const std::vector<std::string>& devices) {
  std::vector<std::string> once = devices;  // two queues of one interface are two vdevs
  std::sort(once.begin(), once.end());
  once.erase(std::unique(once.begin(), once.end()), once.end());
  try {
    for (const std::string& device : once) take(device);
  } catch (...) {
    release();
    throw;
  }
}

DeviceLocks::~DeviceLocks() {
  release();
}

void DeviceLocks::take(const std::string& device) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    throw Error("no lock for the device '" + device + "' can be made: " + std::strerror(errno));
  sockets_.push_back(fd);
  const Name name = name_of(device);
  // For a process that has the lock and is ending.
  constexpr auto kPatience = std::chrono::seconds(5);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&name.address), name.size) == 0 &&
        ::listen(fd, 1) == 0)
      return;
    if (errno != EADDRINUSE)
      throw Error("no lock for the device '" + device + "' can be taken: " + std::strerror(errno));
    const pid_t pid = holder(name);
    if ((pid != 0 && !ending(pid)) || std::chrono::steady_clock::now() >= until)
      throw Error("the device '" + device + "' is in use by " +
                  (pid != 0 ? "process " + std::to_string(pid) : std::string("another process")) +
                  ". One process opens a device at a time, and the other goes on undisturbed: stop "
                  "it first, or give this one other devices.");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void DeviceLocks::release() {
  for (const int fd : sockets_) ::close(fd);
  sockets_.clear();
}

}  // namespace sluice::nic
