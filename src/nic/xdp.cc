#include "nic/xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <unistd.h>

#include "nic/device_lock.h"
#include "nic/eal.h"

namespace sluice::nic {

bool XdpProgram::for_sockets() const {
  // xsk_def_prog, and xdp_dispatcher around it; the kernel keeps 15 characters of a name.
  return name.empty() || name.starts_with("xsk_def_") || name.starts_with("xdp_dispatcher");
}

std::string xdp_interface(const std::string& vdev) {
  return vdev.starts_with("net_af_xdp") ? shared_device(vdev) : std::string();
}

std::optional<XdpProgram> attached_program(const std::string& interface) {
  const unsigned index = if_nametoindex(interface.c_str());
  XdpProgram program;
  if (index == 0 || bpf_xdp_query_id(static_cast<int>(index), 0, &program.id) != 0 ||
      program.id == 0)
    return std::nullopt;
  const int fd = bpf_prog_get_fd_by_id(program.id);
  if (fd < 0) return program;
  bpf_prog_info info{};
  uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0) program.name = info.name;
  ::close(fd);
  return program;
}

void refuse_foreign_program(const std::string& interface) {
  const auto program = attached_program(interface);
  if (!program || program->for_sockets()) return;
  throw Error("the interface '" + interface + "' has an XDP program, '" + program->name + "' (id " +
              std::to_string(program->id) +
              "), that another program attached. Sluice would take its place. Stop that program, "
              "or detach it: ip link set dev " +
              interface + " xdp off");
}

}  // namespace sluice::nic
