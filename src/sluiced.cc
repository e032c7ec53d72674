// sluiced: the daemon. Reads the configuration, and starts DPDK and the workers. Its main thread is
// then the control thread, until the last worker has ended.

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include "admin/server.h"
#include "base/populator.h"
#include "base/version.h"
#include "config/published.h"
#include "control/controller.h"
#include "control/service_manager.h"
#include "control/ticket_rotation.h"
#include "loader/load.h"
#include "nic/port_queue.h"
#include "nic/tsc.h"
#include "start_log.h"
#include "stats/flow_page.h"
#include "stats/worker.h"
#include "steer/exchange.h"
#include "steer/owner.h"
#include "tls/handshake_pool.h"
#include "tls/key_log.h"
#include "tls/ticket_keys.h"
#include "worker/clock.h"
#include "worker/hardware.h"
#include "worker/helper_thread.h"
#include "worker/orders.h"
#include "worker/process.h"
#include "worker/secret.h"
#include "worker/settings.h"
#include "worker/sleeper.h"
#include "worker/whereabouts.h"
#include "worker/worker.h"

namespace {

using namespace sluice;

// Exit codes: docs/operations.md has the table.
constexpr int kFailed = 1;    // it did not start
constexpr int kMistakes = 2;  // in the command line or the configuration

using ProductionWorker = worker::Worker<nic::PortQueue, worker::TscClock>;

// Signals that sluiced does not use, and whose default action would end it without a drain.
void ignore_other_signals() {
  for (const int signal : {SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR})
    std::signal(signal, SIG_IGN);
  // Ignored until the controller listens: the configuration is read then anyhow.
  std::signal(SIGHUP, SIG_IGN);
}

// All obstacles to a start, found before a device is opened. Empty when there are none.
std::string obstacles(const config::Startup& startup) {
  std::string text;
  const std::vector<std::string> missing = worker::missing_privileges(startup);
  if (!missing.empty()) {
    text += "it lacks what this configuration needs:\n";
    for (const std::string& phrase : missing) text += "  " + phrase + "\n";
    text +=
        "Run it as root, or by the systemd unit, which grants all of it (docs/operations.md).\n";
  }
  if (const std::string why = admin::Server::obstacle(startup.admin_socket); !why.empty())
    text += "admin_socket " + startup.admin_socket + ": " + why + "\n";
  if (!text.empty()) text.pop_back();
  return text;
}

control::PortWatch::Health health_of(const worker::Hardware& hardware, size_t port) {
  const nic::NetworkPort::DeviceCounters c = hardware.device_counters(port);
  return {.deaf = hardware.deaf(port),
          .hash_fault = hardware.hash_fault(port),
          .rx_missed = c.rx_missed,
          .rx_no_buffer = c.rx_no_buffer};
}

// By worker; nullptr for one that polls.
std::vector<std::unique_ptr<worker::Sleeper>> make_sleepers(const config::Startup& startup,
                                                            worker::Hardware& hardware) {
  std::vector<std::unique_ptr<worker::Sleeper>> all(startup.workers);
  for (uint32_t i = 0; i < startup.workers; ++i) {
    std::vector<int> descriptors;
    for (const nic::PortQueue* queue : hardware.queues(i))
      descriptors.push_back(queue->descriptor());
    const bool told = std::find(descriptors.begin(), descriptors.end(), -1) == descriptors.end();
    if (startup.idle == config::Idle::kSleep || (startup.idle == config::Idle::kAuto && told))
      all[i] = std::make_unique<worker::Sleeper>(descriptors);
  }
  return all;
}

// nullptr: the workers make their handshakes themselves.
std::unique_ptr<tls::HandshakePool> make_helpers(const config::Startup& startup,
                                                 std::function<void(size_t worker)> wake) {
  if (startup.handshake_threads == 0) return nullptr;
  return std::make_unique<tls::HandshakePool>(tls::HandshakePool::Options{
      .helpers = startup.handshake_threads,
      .workers = startup.workers,
      .begin_thread = [cores = worker::helper_cores(startup, worker::present_cores())](
                          size_t helper) { worker::begin_helper(helper, cores); },
      .wake = std::move(wake)});
}

// Says what runs, and what of the hardware costs speed. unsteered: the ports whose queues follow no
// flow.
void log_start(const config::Startup& startup, worker::Hardware& hardware,
               const std::vector<std::string>& unsteered) {
  for (size_t p = 0; p < startup.ports.size(); ++p)
    for (const std::string& note : hardware.notes(p)) spdlog::warn("{}", note);
  for (const std::string& far : hardware.far_ports(startup)) spdlog::warn("{}", far);
  for (const std::string& note : unsteered) spdlog::warn("{}", note);
  spdlog::info("sluiced {} serving with {} worker(s), {} port(s)", kVersion, startup.workers,
               startup.ports.size());
}

// Throws when the file cannot be opened.
void begin_key_log(const config::Startup& startup) {
  if (startup.tls_key_log.empty()) return;
  if (const std::string why = tls::open_key_log(startup.tls_key_log); !why.empty())
    throw std::runtime_error(fmt::format("key_log {}: {}", startup.tls_key_log, why));
  spdlog::warn(
      "key_log: the secrets of all TLS connections are written to {}; whoever reads that file can "
      "read the connections",
      startup.tls_key_log);
}

// An object for each worker.
template <class T>
struct OneEach {
  explicit OneEach(uint32_t workers) {
    for (uint32_t i = 0; i < workers; ++i)
      all.push_back(objects.emplace_back(std::make_unique<T>()).get());
  }
  std::vector<std::unique_ptr<T>> objects;
  std::vector<T*> all;
};

// Returns after all workers have ended. Throws the errors of starting.
void serve(const std::string& file, loader::Loaded loaded) {
  const config::Startup startup = loaded.snapshot->startup;
  if (const std::string why = obstacles(startup); !why.empty()) throw std::runtime_error(why);
  begin_key_log(startup);
  boost::asio::io_context io;
  // Keeps the signals from their default action, which would end the process in the middle of its
  // cleaning up, after the controller has gone.
  boost::asio::signal_set late_signals(io);
  worker::Hardware hardware(startup);
  worker::TscClock clock(nic::tsc_hz());

  const OneEach<stats::Worker> counters(startup.workers);
  const OneEach<stats::FlowPage> flow_pages(startup.workers);
  const std::vector<stats::Worker*>& all = counters.all;

  config::Published published;
  worker::Orders orders;
  tls::TicketKeys ticket_keys;
  control::TicketRotation ticket_rotation(io, ticket_keys);
  // Orders and snapshots reach workers that sleep.
  std::function<void()> wake_all = [] {};
  control::Controller controller(
      io, file, std::move(loaded), published, all,
      {.on_drain =
           [&] {
             control::notify_stopping();
             orders.give(worker::Order::kDrain);
             wake_all();
           },
       .on_stop =
           [&] {
             orders.give(worker::Order::kEnd);
             wake_all();
           },
       .port_health = [&](size_t port) { return health_of(hardware, port); },
       .link = [&](size_t port) { return hardware.link(port); },
       .on_link_up =
           [&](size_t port) {
             orders.announce(port);
             wake_all();
           },
       .nic = [&](size_t port) { return hardware.state(port); },
       .on_publish =
           [&] {
             ticket_rotation.follow(published.get()->ticket_keys);
             wake_all();
           },
       .whereabouts = [&](size_t w) { return worker::whereabouts(all[w]->stages.thread); },
       .clock = [&clock] { return clock.at(clock.cycles()); },
       .flow_pages = flow_pages.all,
       .on_flush =
           [&](uint32_t pod) {
             orders.flush(pod);
             wake_all();
           }});

  const SipKey secret = worker::random_key();
  const steer::Owner owner(startup.workers, secret, hardware.owner_ports(startup),
                           worker::ephemeral_ports(worker::tcp_config(*published.get())));
  const std::vector<std::string> unsteered = hardware.steer(startup, owner);
  // A worker alone has its limits to itself, and nobody to hand packets to.
  const bool several = startup.workers > 1;
  std::unique_ptr<worker::Process> process;
  if (several) process = std::make_unique<worker::Process>(*published.get(), worker::random_key());
  std::vector<std::unique_ptr<worker::Sleeper>> sleepers = make_sleepers(startup, hardware);
  const auto wake = [&sleepers](size_t worker) {
    if (sleepers[worker] != nullptr) sleepers[worker]->wake();
  };
  wake_all = [&sleepers, wake] {
    for (size_t i = 0; i < sleepers.size(); ++i) wake(i);
  };
  steer::Exchange exchange(startup.workers, wake);
  const std::unique_ptr<tls::HandshakePool> helpers = make_helpers(startup, wake);
  Populator populator(startup.workers);
  worker::prepare_whereabouts();
  std::vector<std::unique_ptr<ProductionWorker>> workers;
  for (uint32_t i = 0; i < startup.workers; ++i)
    workers.push_back(std::make_unique<ProductionWorker>(
        ProductionWorker::Setup{.ports = hardware.queues(i),
                                .clock = clock,
                                .rx = hardware.pools().rx(i),
                                .hold = hardware.pools().hold(i),
                                .rx_of_others = hardware.pools().rx_of_others(i),
                                .pin_above = hardware.pools().reserve(),
                                .published = published,
                                .orders = orders,
                                .workers = all,
                                .self = i,
                                .secret = secret,
                                .sleeper = sleepers[i].get(),
                                .process = process.get(),
                                .owner = several ? &owner : nullptr,
                                .exchange = several ? &exchange : nullptr,
                                .flow_page = flow_pages.all[i],
                                .ticket_keys = &ticket_keys,
                                .handshakes = helpers ? &helpers->queue(i) : nullptr,
                                .populator = &populator}));

  controller.start();
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) late_signals.add(signal);
  uint32_t running = startup.workers;  // counted on the control thread only
  for (uint32_t i = 0; i < startup.workers; ++i)
    hardware.eal().launch(i, [&, i] {
      all[i]->stages.thread = static_cast<int>(::syscall(SYS_gettid));
      if (sleepers[i] != nullptr) worker::Sleeper::begin_thread();
      workers[i]->run();
      boost::asio::post(io, [&] {
        if (--running == 0) io.stop();
      });
    });
  StartLog::succeeded();
  log_start(startup, hardware, unsteered);
  control::notify_serving();
  io.run();
  for (uint32_t i = 0; i < startup.workers; ++i) hardware.eal().join(i);
  controller.finish();
  spdlog::info("ended");
}

}  // namespace

// An unexpected exception ends the daemon with its text.
int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape)
  CLI::App app("Balances the streams of HTTP/2 connections over pods.", "sluiced");
  app.set_version_flag("--version", std::string("sluiced ") + kVersion);
  std::string file;
  bool check = false;
  app.add_option("--config", file, "The configuration (docs/configuration.md)")->required();
  app.add_flag("--check", check, "Say what is wrong with the configuration, and end");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kMistakes;  // --help and --version end here, too
  }

  loader::Loaded loaded = loader::load(file);
  for (const loader::Mistake& m : loaded.mistakes) std::cerr << m.str() << "\n";
  if (!loaded.snapshot) return kMistakes;
  for (const loader::Mistake& m : loaded.warnings)
    std::cerr << m.file << ":" << m.line << ": warning: " << m.text << "\n";
  if (check) {
    std::cout << file << ": ok" << std::endl;
    if (std::cout) return 0;
    std::cerr << "sluiced: standard output cannot be written\n";
    return kFailed;
  }
  spdlog::set_default_logger(spdlog::stderr_logger_mt("sluiced"));
  spdlog::set_level(spdlog::level::from_str(loaded.snapshot->log_level));
  ignore_other_signals();
  StartLog::begin();
  try {
    serve(file, std::move(loaded));
    return 0;
  } catch (const std::exception& e) {
    StartLog::failed();
    std::cerr << "sluiced: " << e.what() << "\n";
    return kFailed;
  }
}
