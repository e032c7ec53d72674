#include "control/controller.h"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <utility>

#include <boost/asio/post.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "admin/flow_commands.h"
#include "admin/http_answer.h"
#include "control/maglev_tables.h"
#include "discovery/reachability.h"

namespace sluice::control {
namespace {

// A copy without generation and slots, which a snapshot gets only when it is published.
config::Snapshot content_of(config::Snapshot s) {
  s.generation = 0;
  s.difference.reset();
  for (config::Listener& l : s.listeners) l.slot = 0;
  for (config::Service& service : s.services) service.slot = 0;
  return s;
}

size_t count_pods(const config::Snapshot& snapshot) {
  size_t pods = 0;
  for (const config::Service& s : snapshot.services) pods += s.pods.size();
  return pods;
}

std::string too_many_pods(size_t pods) {
  return fmt::format("{} pods in all; at most {} are allowed", pods, stats::kMaxPods);
}

constexpr std::string_view kAsked = "SIGHUP";

}  // namespace

std::string startup_difference(const config::Startup& a, const config::Startup& b) {
  std::vector<std::string_view> parts;
  if (a.workers != b.workers) parts.push_back("workers");
  if (a.idle != b.idle) parts.push_back("idle");
  if (a.admin_socket != b.admin_socket) parts.push_back("admin_socket");
  if (a.memory != b.memory) parts.push_back("[memory]");
  if (a.dpdk != b.dpdk) parts.push_back("the dpdk file");
  if (a.ports != b.ports || a.nic_profiles != b.nic_profiles)
    parts.push_back("ports (devices, profiles, addresses or routes)");
  if (a.handshake_threads != b.handshake_threads) parts.push_back("handshake_threads");
  if (a.tls_key_log != b.tls_key_log) parts.push_back("[tls] key_log");
  if (parts.empty() && a != b) parts.push_back("a key that is read at the start");
  return fmt::format("{}", fmt::join(parts, ", "));
}

Controller::Controller(boost::asio::io_context& io, std::filesystem::path file,
                       loader::Loaded first, config::Published& published,
                       std::vector<stats::Worker*> workers, Events events)
    : file_(std::move(file)),
      workers_(std::move(workers)),
      events_(std::move(events)),
      publisher_(published, workers_),
      slots_(workers_),
      ledger_(workers_),
      io_(io),
      watcher_(io),
      watch_(watcher_, [this] { reload("a file changed"); }),
      sources_(io, watcher_, [this] { routes_due_ = true; }),
      update_timer_(io),
      reload_signal_(io),
      end_signals_(io),
      sampler_(io),
      often_timer_(io),
      access_timer_(io),
      lag_timer_(io),
      access_log_(events_.clock),
      load_(workers_.size()),
      stall_watch_(workers_.size(), events_.whereabouts),
      port_watch_(events_.port_health),
      link_watch_(events_.link, events_.on_link_up) {
  sources_.fill(first);
  // Nothing drains yet, and load() has checked the numbers: there are enough slots.
  publish(std::move(first.snapshot));
  watch_.set(first.files);
  follow(first);
}

Controller::~Controller() = default;

void Controller::start() {
  reload_signal_.add(SIGHUP);
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) end_signals_.add(signal);
  wait_for_reload_signal();
  wait_for_end_signal();
  sample_every_second();
  look_often();
  admin_ = std::make_unique<admin::Server>(
      io_, current().startup.admin_socket,
      [this](std::string_view command, const boost::json::object& request) {
        return answer(command, request);
      });
  serve_http();
  access_log_.adopt(current().access_log);
  log_access();
  // The files may have changed since they were first read.
  reload("start");
}

bool Controller::reload(std::string_view reason) {
  loader::Loaded loaded = loader::load(file_);
  // Files that were not watched while they were read are read again, since a change in between
  // would go unnoticed. Every round needs new links, so the number of rounds is bounded in
  // practice. The constant bounds the loop if somebody swaps links again and again.
  for (int round = 0; watch_.set(loaded.files) && round < 3; ++round) loaded = loader::load(file_);
  if (!loaded.snapshot) {
    for (const loader::Mistake& m : loaded.mistakes) spdlog::error("{}", m.str());
    refused_ = Refused::kConfiguration;
    log_refusal(reason, fmt::format("{} mistake(s)", loaded.mistakes.size()));
    return false;
  }
  const std::string restart = startup_difference(current().startup, loaded.snapshot->startup);
  if (!restart.empty()) {
    refused_ = Refused::kConfiguration;
    log_refusal(reason, fmt::format("needs a restart, since these changed: {}", restart));
    return false;
  }
  sources_.fill(loaded);
  if (const size_t pods = count_pods(*loaded.snapshot); pods > stats::kMaxPods) {
    refused_ = Refused::kConfiguration;
    log_refusal(reason, too_many_pods(pods));
    return false;
  }
  if (const std::string why = outdated_news(current(), *loaded.snapshot, std::time(nullptr));
      !why.empty()) {
    refused_ = Refused::kConfiguration;
    log_refusal(reason, why);
    return false;
  }
  if (content_of(current()) == *loaded.snapshot) {
    log_no_change(reason, refused_ != Refused::kNothing);
    follow(loaded);
    return false;
  }
  if (!publish(std::move(loaded.snapshot))) {
    refused_ = Refused::kConfiguration;
    return false;
  }
  for (const loader::Mistake& m : loaded.warnings) spdlog::warn("{}", m.str());
  log_published(reason);
  follow(loaded);
  return true;
}

void Controller::follow(const loader::Loaded& loaded) {
  refused_ = Refused::kNothing;
  sources_.replace(loaded, current().startup,
                   [this](size_t service, const discovery::Update& update) {
                     update_endpoints(service, update);
                   });
  watch_.set(loaded.configuration_files());
  http_settings_ = loaded.admin_http;
  if (!admin_) return;  // start() makes the first server
  try {
    serve_http();
  } catch (const std::exception& e) {
    spdlog::error("{}; the server as it was stays", e.what());
  }
  try {
    access_log_.adopt(current().access_log);
  } catch (const std::exception& e) {
    spdlog::error("{}; {}", e.what(),
                  access_log_.open() ? "the file as it was stays" : "it is tried each second");
  }
}

void Controller::finish() {
  access_log_.finish(current(), ledger_);
}

void Controller::serve_http() {
  if (http_settings_ == http_used_) return;
  const config::AdminHttp before = http_used_;
  // Two servers at one port exclude each other, where one of them listens at all addresses.
  if (!http_settings_.address ||
      (before.address && http_settings_.address->port == before.address->port)) {
    http_.reset();
    http_used_ = {};
  }
  try {
    use_http(http_settings_);
  } catch (...) {
    if (!http_) use_http(before);
    throw;
  }
}

void Controller::use_http(const config::AdminHttp& settings) {
  if (settings.address)
    http_ = std::make_unique<admin::HttpServer>(
        io_, settings, [this](std::string_view path) { return answer_http(path); });
  http_used_ = settings;
}

void Controller::update_endpoints(size_t service, const discovery::Update& update) {
  const std::string& name = current().services[service].name;
  if (!update.endpoints) {
    for (const std::string& e : update.errors) spdlog::error("{}", e);
    refuse_endpoints(fmt::format("endpoints of {}", name),
                     fmt::format("{} mistake(s)", update.errors.size()));
    return;
  }
  lag_.arrived(name, update.read.value_or(DiscoveryLag::Clock::now()), update.triggers);
  auto& [services, warnings] = updates_;
  warnings.insert(warnings.end(), update.warnings.begin(), update.warnings.end());
  services.insert(name);
  publish_soon();
}

void Controller::publish_soon() {
  update_timer_.expires_at(std::max(publish_after_, std::chrono::steady_clock::now()));
  update_timer_.async_wait([this](const boost::system::error_code& e) {
    if (e) return;
    const auto began = std::chrono::steady_clock::now();
    publish_endpoints();
    const auto ended = std::chrono::steady_clock::now();
    publish_after_ =
        ended + std::min<std::chrono::steady_clock::duration>(kRest * (ended - began), kMostRest);
  });
}

// A refused configuration stays refused, whatever the endpoints are.
void Controller::refuse_endpoints(std::string_view reason, const std::string& why) {
  if (refused_ == Refused::kNothing) refused_ = Refused::kEndpoints;
  log_refusal(reason, why);
}

void Controller::publish_endpoints() {
  auto [names, warnings] = std::exchange(updates_, {});
  if (names.empty()) return;
  names.merge(std::exchange(behind_, {}));
  const std::string reason = fmt::format("endpoints of {}", fmt::join(names, ", "));
  sources_.changed();
  auto next = std::make_unique<config::Snapshot>(current());
  const std::vector<uint32_t> changed = sources_.merge(*next, names);
  if (const size_t pods = count_pods(*next); pods > stats::kMaxPods) {
    for (const std::string& n : names) lag_.dropped(n);
    behind_.merge(names);
    refuse_endpoints(reason, too_many_pods(pods));
    return;
  }
  const bool published = !changed.empty() && publish_pods(std::move(next), changed);
  for (const std::string& n : names) lag_.dropped(n);
  measure_lag();
  if (!changed.empty() && !published) {
    behind_.merge(names);
    if (refused_ == Refused::kNothing) refused_ = Refused::kEndpoints;
    return;
  }
  const bool accepted_again = refused_ == Refused::kEndpoints && !sources_.any_refused();
  if (accepted_again) refused_ = Refused::kNothing;
  if (changed.empty()) {
    log_no_change(reason, accepted_again);
    return;
  }
  for (const std::string& w : warnings) spdlog::warn("{}", w);
  log_published(reason);
}

void Controller::publish_routes() {
  routes_due_ = false;
  if (sources_.learned_routes().shares_with(current().learned_routes)) return;
  auto next = std::make_unique<config::Snapshot>(current());
  next->difference.reset();
  sources_.merge_routes(*next);
  if (const size_t pods = count_pods(*next); pods > stats::kMaxPods) {
    refuse_endpoints("routes", too_many_pods(pods));
    return;
  }
  const std::vector<config::Service> before = current().services;
  routes_due_ = !publish(std::move(next));
  if (routes_due_) {
    routes_after_ = std::chrono::steady_clock::now() + kRoutesRetry;
    return;
  }
  for (size_t i = 0; i < before.size(); ++i) log_unreachable(before[i], current().services[i]);
  log_published("routes");
}

bool Controller::publish_pods(std::unique_ptr<config::Snapshot> next,
                              std::span<const uint32_t> changed) {
  publisher_.reclaim();
  next->generation = publisher_.next_generation();
  std::string why;
  auto news = slots_.assign_pods(*next, current(), changed, publisher_.adopted(), why);
  if (!news) {
    log_refusal("too much at once", why);
    return false;
  }
  for (const std::string& line : fill_maglev_tables(*next, publisher_.current()))
    spdlog::warn("{}", line);
  if (next->difference) {
    ledger_.record_change(*next, news->came, news->left, news->reused);
  } else {
    ledger_.record(*next, news->reused);
  }
  for (size_t i = 0; i < changed.size(); ++i) {
    const config::Service& s = next->services[changed[i]];
    log_unreachable(current().services[changed[i]], s);
    auto& [came, left] = news->by_service[i];
    lag_.published(s.name, next->generation, std::move(came), left);
  }
  publisher_.publish(std::move(next));
  if (events_.on_publish) events_.on_publish();
  return true;
}

void Controller::log_unreachable(const config::Service& before, const config::Service& next) {
  if (next.unreachable.size() == before.unreachable.size()) return;
  if (next.unreachable.empty()) {
    spdlog::info("service {}: a port reaches each endpoint again", next.name);
  } else {
    spdlog::warn("service {}: {} endpoint(s) get no calls, as {}: {}; see sluicectl pods",
                 next.name, next.unreachable.size(), next.unreachable.front().endpoint.str(),
                 discovery::Reachability::kWhyNot);
  }
}

void Controller::log_published(std::string_view reason) {
  spdlog::info("reload ({}): generation {} with {} listener(s), {} service(s), {} pod(s)", reason,
               current().generation, current().listeners.size(), current().services.size(),
               count_pods(current()));
}

void Controller::log_refusal(std::string_view reason, const std::string& why) {
  spdlog::error("reload ({}) refused: {}; generation {} stays", reason, why, current().generation);
}

void Controller::log_no_change(std::string_view reason, bool after_refusal) {
  if (after_refusal) {
    spdlog::info("reload ({}): accepted again; nothing differs from generation {}, which stays",
                 reason, current().generation);
  } else if (reason == kAsked) {
    spdlog::info("reload ({}): nothing has changed; generation {} stays", reason,
                 current().generation);
  } else {
    spdlog::debug("reload ({}): nothing has changed", reason);
  }
}

admin::Identity Controller::identity() {
  listed_ = listed_ || sources_.listed();
  const std::chrono::duration<double> up = std::chrono::steady_clock::now() - started_;
  return {.state = draining_ ? admin::Identity::kDraining : "serving",
          .file = file_.string(),
          .refused = refused_ != Refused::kNothing,
          .uptime_s = up.count(),
          .start_time_s = std::chrono::duration<double>(start_time_.time_since_epoch()).count(),
          .listed = listed_};
}

bool Controller::publish(std::unique_ptr<config::Snapshot> snapshot) {
  publisher_.reclaim();
  snapshot->generation = publisher_.next_generation();
  std::string why;
  const auto reused = slots_.assign(*snapshot, publisher_.adopted(), why);
  if (!reused) {
    log_refusal("too much at once", why);
    return false;
  }
  for (const std::string& line : fill_maglev_tables(*snapshot, publisher_.current()))
    spdlog::warn("{}", line);
  ledger_.record(*snapshot, *reused);
  spdlog::set_level(spdlog::level::from_str(snapshot->log_level));
  publisher_.publish(std::move(snapshot));
  if (events_.on_publish) events_.on_publish();
  return true;
}

template <class Use>
auto Controller::with_view(Use&& use) {
  std::vector<const discovery::Source*> sources;
  for (const auto& s : sources_.all()) sources.push_back(s.get());
  const admin::View view{.current = current(),
                         .ledger = ledger_,
                         .loads = load_.loads(),
                         .sources = sources,
                         .identity = identity(),
                         .nic = events_.nic,
                         .stalls = stall_watch_.stalls(),
                         .links = link_watch_.up(),
                         .discovery_lag = &lag_.times(),
                         .trigger_lag = &lag_.since_triggers(),
                         .unreadable = sources_.unreadable(),
                         .access_log = {access_log_.lines(), access_log_.lost()}};
  return use(view);
}

boost::json::object Controller::answer(std::string_view command,
                                       const boost::json::object& request) {
  if (command == "flows" && !events_.flow_pages.empty()) {
    auto page = admin::list_flows(request, current(), ledger_, events_.flow_pages);
    if (events_.on_publish) events_.on_publish();  // workers that sleep have a question to answer
    return page;
  }
  if (command == "flush" && events_.on_flush)
    return admin::flush_pod(request, current(), ledger_, events_.on_flush);
  return with_view([&](const admin::View& view) { return admin::answer(command, view); });
}

admin::HttpAnswer Controller::answer_http(std::string_view path) {
  return with_view(
      [&](const admin::View& view) { return admin::http_answer(path, view, metrics_text_); });
}

void Controller::wait_for_reload_signal() {
  reload_signal_.async_wait([this](const boost::system::error_code& e, int) {
    if (e) return;
    try {
      access_log_.reopen();
    } catch (const std::exception& error) {
      spdlog::error("access log: {}; the file as it was stays", error.what());
    }
    reload(kAsked);
    wait_for_reload_signal();
  });
}

void Controller::wait_for_end_signal() {
  end_signals_.async_wait([this](const boost::system::error_code& e, int) {
    if (e) return;
    if (std::exchange(draining_, true)) {
      spdlog::warn("second signal: ending at once");
      if (events_.on_stop) events_.on_stop();
      return;
    }
    spdlog::info("draining");
    if (events_.on_drain) events_.on_drain();
    wait_for_end_signal();
  });
}

void Controller::sample_every_second() {
  sampler_.expires_after(kSample);
  sampler_.async_wait([this](const boost::system::error_code& e) {
    if (e) return;
    load_.look(workers_);
    for (const PortWatch::Line& line : port_watch_.look(current(), workers_))
      spdlog::log(line.good ? spdlog::level::info : spdlog::level::err, "{}", line.text);
    publisher_.reclaim();
    sources_.look_at_failures(current(), workers_);
    for (const std::string& line : certificates_.look(current(), std::time(nullptr)))
      spdlog::warn("{}", line);
    look_at_checksums();
    sample_every_second();
  });
}

void Controller::look_at_checksums() {
  const auto& ports = current().startup.ports;
  for (size_t p = 0; p < ports.size(); ++p) {
    uint64_t dropped = 0, through = 0;
    for (const stats::Worker* w : workers_) {
      dropped += w->port(p).drops[static_cast<size_t>(stats::Drop::kTcpChecksum)].get();
      through += w->port(p).tcp_segments.get();
    }
    if (const auto n = checksums_.look(p, dropped, through))
      spdlog::warn(
          "port {}: {} TCP segments had a wrong checksum and none a right one. A peer of this port "
          "seems to leave checksums to hardware that is not there, as veth and TAP do: "
          "ethtool -K IFACE tx off, at the peer",
          ports[p].name, *n);
  }
}

void Controller::measure_lag() {
  lag_.look(publisher_.adopted(), DiscoveryLag::Clock::now(), DiscoveryLag::Wall::now(),
            [this](uint32_t slot, Duration lag) { ledger_.set_lag(slot, lag); });
  if (!lag_.waiting()) return;
  lag_timer_.expires_after(DiscoveryLag::kOften);
  lag_timer_.async_wait([this](const boost::system::error_code& e) {
    if (!e) measure_lag();
  });
}

void Controller::log_access() {
  access_log_.look(current(), ledger_);
  access_timer_.expires_after(access_log_.on() ? AccessLog::kOften : kOften);
  access_timer_.async_wait([this](const boost::system::error_code& e) {
    if (!e) log_access();
  });
}

void Controller::look_often() {
  for (const LinkWatch::Line& line : link_watch_.look(current()))
    spdlog::log(line.good ? spdlog::level::info : spdlog::level::warn, "{}", line.text);
  for (const StallWatch::Line& line : stall_watch_.look(workers_, StallWatch::Clock::now()))
    spdlog::log(line.good ? spdlog::level::info : spdlog::level::err, "{}", line.text);
  change_log_.look(current(), ledger_);
  event_log_.look(workers_);
  if (routes_due_ && std::chrono::steady_clock::now() >= routes_after_) publish_routes();
  often_timer_.expires_after(kOften);
  often_timer_.async_wait([this](const boost::system::error_code& e) {
    if (!e) look_often();
  });
}

}  // namespace sluice::control
