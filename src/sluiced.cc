// sluiced: the daemon. Reads the configuration, starts DPDK and the workers, and becomes the
// control thread until the last worker has ended.

#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "config/published.h"
#include "control/controller.h"
#include "control/load.h"
#include "nic/port_queue.h"
#include "nic/tsc.h"
#include "stats/worker.h"
#include "worker/clock.h"
#include "worker/hardware.h"
#include "worker/orders.h"
#include "worker/secret.h"
#include "worker/worker.h"

namespace {

using namespace sluice;

constexpr int kFailed = 1;    // it did not start
constexpr int kMistakes = 2;  // in the configuration

using ProductionWorker = worker::Worker<nic::PortQueue, worker::TscClock>;

// Returns after all workers have ended. Throws what starting throws.
void serve(const std::string& file, control::Loaded loaded) {
  const config::Startup startup = loaded.snapshot->startup;
  worker::Hardware hardware(startup);
  worker::TscClock clock(nic::tsc_hz());

  std::vector<std::unique_ptr<stats::Worker>> counters;
  std::vector<stats::Worker*> all;
  for (uint32_t i = 0; i < startup.workers; ++i)
    all.push_back(counters.emplace_back(std::make_unique<stats::Worker>()).get());

  boost::asio::io_context io;
  config::Published published;
  worker::Orders orders;
  control::Controller controller(io, file, std::move(loaded), published, all,
                                 {.on_drain = [&orders] { orders.give(worker::Order::kDrain); },
                                  .on_stop = [&orders] { orders.give(worker::Order::kEnd); }});

  std::vector<std::unique_ptr<ProductionWorker>> workers;
  for (uint32_t i = 0; i < startup.workers; ++i)
    workers.push_back(std::make_unique<ProductionWorker>(
        ProductionWorker::Setup{.ports = hardware.queues(i),
                                .clock = clock,
                                .rx = hardware.pools().rx(),
                                .hold = hardware.pools().hold(i),
                                .pin_above = hardware.pools().reserve(),
                                .published = published,
                                .orders = orders,
                                .workers = all,
                                .self = i,
                                .secret = worker::random_key()}));

  controller.start();
  uint32_t running = startup.workers;  // counted on the control thread only
  for (uint32_t i = 0; i < startup.workers; ++i)
    hardware.eal().launch(i, [&, i] {
      workers[i]->run();
      boost::asio::post(io, [&] {
        if (--running == 0) io.stop();
      });
    });
  spdlog::info("serving with {} worker(s)", startup.workers);
  io.run();
  for (uint32_t i = 0; i < startup.workers; ++i) hardware.eal().join(i);
  spdlog::info("ended");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Balances the streams of HTTP/2 connections over pods.", "sluiced");
  app.set_version_flag("--version", "sluiced " SLUICE_VERSION);
  std::string file;
  bool check = false;
  app.add_option("--config", file, "The configuration (docs/configuration.md)")->required();
  app.add_flag("--check", check, "Say what is wrong with the configuration, and end");
  CLI11_PARSE(app, argc, argv);

  spdlog::set_default_logger(spdlog::stderr_logger_mt("sluiced"));
  control::Loaded loaded = control::load(file);
  if (!loaded.snapshot) {
    for (const control::Mistake& m : loaded.mistakes) std::cerr << m.str() << "\n";
    return kMistakes;
  }
  if (check) {
    std::cout << file << ": ok\n";
    return 0;
  }
  try {
    serve(file, std::move(loaded));
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "sluiced: " << e.what() << "\n";
    return kFailed;
  }
}
