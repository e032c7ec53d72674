#include "options.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>

namespace sluice::load {

namespace {

[[noreturn]] void usage(const std::string& what) {
  std::fprintf(
      stderr,
      "sluice-load: %s\n"
      "usage: sluice-load --mode calls|connections|echo|reflect --north SOCKET --south SOCKET\n"
      "  [--nic memif|virtio] [--mtu BYTES] [--core N] [--seconds S] [--shares 0.1,0.5,...]\n"
      "  calls, connections: --blocks FILE [--connections N] [--streams N] [--answer BYTES] "
      "[--pods N] [--in-flight N]\n"
      "  echo: [--window FRAMES] [--frame BYTES]\n",
      what.c_str());
  std::exit(2);
}

}  // namespace

Options read_options(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  if (argc % 2 == 0) usage("every option has a value");
  const auto take = [&given](const char* name, const std::string& fallback) {
    const auto found = given.find(name);
    if (found == given.end()) return fallback;
    const std::string value = found->second;
    given.erase(found);
    return value;
  };
  Options o;
  const std::string mode = take("--mode", "calls");
  if (mode == "echo")
    o.mode = Options::Mode::kEcho;
  else if (mode == "reflect")
    o.mode = Options::Mode::kReflect;
  else if (mode == "connections")
    o.plan.one_call_each = true;
  else if (mode != "calls")
    usage("no mode " + mode);
  const std::string nic = take("--nic", "memif");
  if (nic == "virtio")
    o.nic = Options::Nic::kVirtio;
  else if (nic != "memif")
    usage("no NIC " + nic);
  try {
    o.north = take("--north", "");
    o.south = take("--south", "");
    o.blocks = take("--blocks", "");
    const auto number = [&take](const char* name, unsigned fallback) {
      return static_cast<unsigned>(std::stoul(take(name, std::to_string(fallback))));
    };
    o.core = number("--core", o.core);
    o.mtu = number("--mtu", o.mtu);
    o.plan.connections = number("--connections", o.plan.connections);
    o.plan.streams = number("--streams", o.plan.streams);
    o.plan.answer_bytes = number("--answer", o.plan.answer_bytes);
    o.plan.in_flight = number("--in-flight", o.plan.in_flight);
    o.pods = number("--pods", o.pods);
    o.window = number("--window", o.window);
    o.frame_bytes = number("--frame", o.frame_bytes);
    o.seconds = std::stod(take("--seconds", "1"));
    std::istringstream shares(take("--shares", ""));
    for (std::string one; std::getline(shares, one, ',');) o.shares.push_back(std::stod(one));
  } catch (const std::exception&) {
    usage("not a number");
  }
  if (o.mtu < 1280 || o.mtu > kMaxMtu) usage("--mtu is 1280 to " + std::to_string(kMaxMtu));
  if (o.pods < 1 || o.pods > kMaxPods) usage("--pods is 1 to " + std::to_string(kMaxPods));
  if (!given.empty()) usage("no option " + given.begin()->first);
  if (o.north.empty() || o.south.empty()) usage("--north and --south are needed");
  if (o.mode == Options::Mode::kCalls && o.blocks.empty()) usage("--blocks is needed");
  return o;
}

}  // namespace sluice::load
