#pragma once
// The control thread's work: reloads, signals, the admin socket.

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/published.h"
#include "control/admin.h"
#include "control/change_log.h"
#include "control/checksum_hint.h"
#include "control/ledger.h"
#include "control/load.h"
#include "control/port_watch.h"
#include "control/publisher.h"
#include "control/report.h"
#include "control/report_guards.h"
#include "discovery/file_watcher.h"
#include "stats/worker.h"

namespace sluice::control {

class Controller {
 public:
  struct Events {
    std::function<void()> on_drain;  // the first SIGTERM, SIGINT or SIGQUIT
    std::function<void()> on_stop;   // the second: end at once
    PortWatch::Probe port_health;    // may be empty
  };

  // Publishes what load(file) has read, without mistakes: workers may begin. The workers' counters
  // and `published` outlive the controller; the workers stop before it goes.
  Controller(boost::asio::io_context& io, std::filesystem::path file, Loaded first,
             config::Published& published, std::vector<stats::Worker*> workers, Events events);
  ~Controller();
  Controller(const Controller&) = delete;

  // Begins to watch files and signals and to answer on the admin socket. Throws
  // std::runtime_error.
  void start();

  // Reads the configuration again. Publishes it, or logs why not and keeps the old one. Each
  // outcome that an operator may wait for is a line in the log. `reason` is for the log. True when
  // a new snapshot was published.
  bool reload(std::string_view reason);

  const config::Snapshot& current() const { return *publisher_.current(); }
  // The answer to a command of the admin socket.
  boost::json::object answer(std::string_view command);

 private:
  static constexpr std::chrono::seconds kSample{1};  // the while over which busy shares are taken
  static constexpr std::chrono::milliseconds kEvents{100};  // between two looks at workers' notes
  static constexpr unsigned kEventsInALook = 8;             // under attack the log stays readable

  bool publish(std::unique_ptr<config::Snapshot> snapshot);
  // Why a reload that published nothing did so.
  void log_refusal(std::string_view reason, const std::string& why);
  void log_no_change(std::string_view reason);
  Identity identity() const;
  void wait_for_reload_signal();
  void wait_for_end_signal();
  void sample_every_second();
  void look_at_checksums();
  // Writes into the log what workers have left for it.
  void log_events();

  std::filesystem::path file_;
  std::vector<stats::Worker*> workers_;
  Events events_;
  Publisher publisher_;
  Ledger ledger_;
  std::vector<std::filesystem::path> files_;  // those of the current configuration
  boost::asio::io_context& io_;
  boost::asio::signal_set reload_signal_;
  boost::asio::signal_set end_signals_;
  boost::asio::steady_timer sampler_;
  boost::asio::steady_timer event_timer_;
  uint64_t events_unlogged_ = 0;
  ChangeLog changes_;
  ChecksumHint checksums_;
  std::unique_ptr<discovery::FileWatcher> watcher_;
  std::unique_ptr<Admin> admin_;
  PortWatch port_watch_;
  bool draining_ = false;
  bool refused_ = false;  // the files on disk are not what is in use
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();

  struct Cycles {
    uint64_t all = 0, busy = 0, io = 0;
  };
  std::vector<Cycles> sampled_;
  std::vector<Load> loads_;
};

// What of the start-up part differs, in words for the operator; empty when nothing does.
std::string startup_difference(const config::Startup& a, const config::Startup& b);

}  // namespace sluice::control
