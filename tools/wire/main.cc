// wire: a bad link between two ports, for machines whose kernel has no netem. What it does to
// frames is said on the command line (impairment.h); what it did is printed at the end.

#include <csignal>
#include <exception>
#include <iostream>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "loader/load.h"
#include "nic/tsc.h"
#include "wire.h"
#include "worker/hardware.h"

namespace {

using namespace sluice;

void print(const char* name, const wire::Direction::Counters& c) {
  std::cout << name << ": frames " << c.frames << " lost " << c.lost << " queue_full "
            << c.queue_full << " reordered " << c.reordered << " duplicated " << c.duplicated
            << " corrupted " << c.corrupted << "\n";
}

void serve(const config::Startup& startup, const wire::Spec& spec) {
  worker::Hardware hardware(startup);
  const worker::TscClock clock(nic::tsc_hz());
  const auto queues = hardware.queues(0);
  wire::Wire wire(*queues[0], *queues[1], hardware.pools().hold(0), spec, clock);
  boost::asio::io_context io;
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code, int) { wire.stop(); });
  hardware.eal().launch(0, [&] { wire.run(); });
  std::cout << "ready" << std::endl;
  io.run();
  hardware.eal().join(0);
  print("up", wire.up());
  print("down", wire.down());
  std::cout << "no_memory " << wire.no_memory() << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Stands between two ports as a bad link.", "wire");
  std::string file;
  std::string text;
  bool check = false;
  app.add_option("--config", file,
                 "A configuration of Sluice with two ports; nothing but the ports is used");
  app.add_flag("--check", check, "Say what is wrong with --impair, and end");
  app.add_option("--impair", text, "loss=1%,delay=10ms,... (docs/operations.md)");
  CLI11_PARSE(app, argc, argv);
  try {
    const wire::Spec spec = wire::parse_spec(text);
    if (check) return 0;
    if (file.empty()) {
      std::cerr << "wire: --config is needed\n";
      return 2;
    }
    const loader::Loaded loaded = loader::load(file);
    for (const loader::Mistake& m : loaded.mistakes) std::cerr << m.str() << "\n";
    if (!loaded.snapshot) return 2;
    if (loaded.snapshot->startup.ports.size() != 2) {
      std::cerr << "wire: " << file << ": two ports were expected\n";
      return 2;
    }
    serve(loaded.snapshot->startup, spec);
    return 0;
  } catch (const wire::SpecError& e) {
    std::cerr << "wire: --impair " << e.what() << "\n";
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "wire: " << e.what() << "\n";
    return 1;
  }
}
