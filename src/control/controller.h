#pragma once
// The control thread's work: reloads, signals, the admin socket.

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "admin/answer.h"
#include "admin/http_server.h"
#include "admin/ledger.h"
#include "admin/metrics_text.h"
#include "admin/server.h"
#include "config/published.h"
#include "control/access_log.h"
#include "control/certificate_watch.h"
#include "control/change_log.h"
#include "control/checksum_hint.h"
#include "control/discovery_lag.h"
#include "control/event_log.h"
#include "control/link_watch.h"
#include "control/load_sampler.h"
#include "control/port_watch.h"
#include "control/publisher.h"
#include "control/slot_assignment.h"
#include "control/sources.h"
#include "control/stall_watch.h"
#include "discovery/file_watcher.h"
#include "loader/load.h"
#include "stats/flow_page.h"
#include "stats/worker.h"

namespace sluice::control {

class Controller {
 public:
  struct Events {
    std::function<void()> on_drain;  // the first SIGTERM, SIGINT or SIGQUIT
    std::function<void()> on_stop;   // the second: end at once
    PortWatch::Probe port_health;    // may be empty, as those below
    LinkWatch::Probe link;
    LinkWatch::Announce on_link_up;
    admin::NicProbe nic;
    std::function<void()> on_publish;  // a snapshot has been published
    StallWatch::Probe whereabouts;
    std::function<Time()> clock;                       // of the workers
    std::vector<stats::FlowPage*> flow_pages{};        // one for each worker
    std::function<void(uint32_t slot)> on_flush = {};  // the L4 flows of this pod are to end
  };

  // Publishes the result of load(file), which has no mistakes: workers may begin. The workers'
  // counters and `published` outlive the controller; the workers stop before the controller is
  // destroyed. Throws std::system_error without inotify.
  Controller(boost::asio::io_context& io, std::filesystem::path file, loader::Loaded first,
             config::Published& published, std::vector<stats::Worker*> workers, Events events);
  ~Controller();
  Controller(const Controller&) = delete;

  // Begins to watch files and signals and to answer on the admin socket. Throws std::runtime_error.
  void start();

  // Reads the configuration again. Publishes it, or logs why not and keeps the old one. Each
  // outcome that an operator may wait for is a line in the log. `reason` is for the log. True when
  // a new snapshot was published.
  bool reload(std::string_view reason);

  // The workers have ended: writes the last lines of the access log, and waits a little for its
  // file.
  void finish();

  const config::Snapshot& current() const { return *publisher_.current(); }
  // The answer to a command of the admin socket.
  boost::json::object answer(std::string_view command, const boost::json::object& request = {});
  // The answer to GET of a path of the admin HTTP server.
  admin::HttpAnswer answer_http(std::string_view path);

 private:
  // The interval over which busy shares are measured.
  static constexpr std::chrono::seconds kSample{1};
  static constexpr std::chrono::milliseconds kOften{100};  // between two looks at links and notes

  // After a publication of endpoints, further ones are gathered for so many times the time that it
  // took, kMostRest at most: the control thread has other work, too.
  static constexpr int kRest = 1;
  static constexpr std::chrono::milliseconds kMostRest{20};

  // The files on disk that differ from the configuration in use.
  enum class Refused {
    kNothing,
    kEndpoints,      // the update of a source
    kConfiguration,  // a reading of the whole configuration
  };

  // Notes new endpoints of a service. What sources deliver in one turn of the loop becomes one
  // generation.
  void update_endpoints(size_t service, const discovery::Update& update);
  void publish_soon();
  // Uses the endpoints of updates_: nothing else is read again, and nothing else can change.
  void publish_endpoints();
  // Uses the newest learned routes, and the pods that they lead to.
  void publish_routes();
  void refuse_endpoints(std::string_view reason, const std::string& why);
  // A configuration was accepted, whether it differed or not.
  void follow(const loader::Loaded& loaded);
  bool publish(std::unique_ptr<config::Snapshot> snapshot);
  // Publishes a copy of the current snapshot in which these services have other pods.
  bool publish_pods(std::unique_ptr<config::Snapshot> next, std::span<const uint32_t> changed);
  static void log_unreachable(const config::Service& before, const config::Service& next);
  // The reason why a reload published nothing.
  void log_refusal(std::string_view reason, const std::string& why);
  void log_no_change(std::string_view reason, bool after_refusal);
  void log_published(std::string_view reason);
  admin::Identity identity();
  // Calls use(admin::View).
  template <class Use>
  auto with_view(Use&& use);
  // Makes or replaces the HTTP server, as [admin] has it. Throws std::runtime_error: the address
  // cannot be bound, and the server before stays.
  void serve_http();
  void use_http(const config::AdminHttp& settings);
  void wait_for_reload_signal();
  void wait_for_end_signal();
  void sample_every_second();
  void look_at_checksums();
  void log_access();
  void measure_lag();
  // Looks at the links and the workers' loops, and writes the workers' notes into the log.
  void look_often();

  std::filesystem::path file_;
  std::vector<stats::Worker*> workers_;
  Events events_;
  Publisher publisher_;
  SlotAssignment slots_;
  admin::Ledger ledger_;
  boost::asio::io_context& io_;
  discovery::FileWatcher watcher_;
  // The configuration's files. While a configuration is refused, the files of endpoints as well,
  // since a mistake in them may be the reason.
  discovery::FileWatcher::Watch watch_;
  Sources sources_;
  // New endpoints of this turn, which are not in use yet.
  struct Updates {
    std::set<std::string> services;  // their names
    std::vector<std::string> warnings;
  } updates_;
  bool routes_due_ = false;  // learned routes are not in use yet
  // The next try after one that was refused, which is logged.
  static constexpr std::chrono::seconds kRoutesRetry{1};
  std::chrono::steady_clock::time_point routes_after_{};
  std::set<std::string> behind_;            // services whose newest endpoints were refused
  boost::asio::steady_timer update_timer_;  // for the end of the turn, or of the rest
  std::chrono::steady_clock::time_point publish_after_{};
  boost::asio::signal_set reload_signal_;
  boost::asio::signal_set end_signals_;
  boost::asio::steady_timer sampler_;
  boost::asio::steady_timer often_timer_;
  boost::asio::steady_timer access_timer_;
  boost::asio::steady_timer lag_timer_;
  EventLog event_log_;
  ChangeLog change_log_;
  AccessLog access_log_;
  DiscoveryLag lag_;
  LoadSampler load_;
  CertificateWatch certificates_;
  StallWatch stall_watch_;
  ChecksumHint checksums_;
  std::unique_ptr<admin::Server> admin_;
  config::AdminHttp http_settings_;  // of the configuration
  config::AdminHttp http_used_;      // of the server
  std::unique_ptr<admin::HttpServer> http_;
  admin::MetricsText metrics_text_;
  bool listed_ = false;  // each source has had its first list, once
  PortWatch port_watch_;
  LinkWatch link_watch_;
  bool draining_ = false;
  Refused refused_ = Refused::kNothing;
  // Once, so that a step of the clock does not look like another start.
  const std::chrono::system_clock::time_point start_time_ = std::chrono::system_clock::now();
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

// The differences of the start-up part, in words for the operator; empty when there is none.
std::string startup_difference(const config::Startup& a, const config::Startup& b);

}  // namespace sluice::control
