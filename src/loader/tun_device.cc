#include "loader/tun_device.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "config/startup.h"

namespace sluice::loader {
namespace {

constexpr size_t kMaxName = 15;  // IFNAMSIZ, with its zero byte

bool is_tun(const std::string& device) {
  return device.starts_with(config::kTunPrefix);
}

// As the kernel has it (dev_valid_name), and '%', which it replaces by a number.
bool valid_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxName || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return c > ' ' && c != '/' && c != ':' && c != '%'; });
}

}  // namespace

bool check_tun_device(Table& port, const std::string& device) {
  if (!is_tun(device)) return false;
  const std::string_view name = std::string_view(device).substr(config::kTunPrefix.size());
  if (!valid_name(name))
    port.mistake("device",
                 fmt::format("device {}: the name of a TAP interface has 1 to {} bytes, and no "
                             "space, slash, colon or percent sign; it must be like \"tun:north\"",
                             device, kMaxName));
  return true;
}

void check_single_tun(Table& port, const std::vector<std::string>& devices) {
  if (devices.size() > 1 && std::any_of(devices.begin(), devices.end(), is_tun))
    port.mistake("device",
                 "a TAP interface has a queue for each worker, so it must be the port's only "
                 "device");
}

}  // namespace sluice::loader
