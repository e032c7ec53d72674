#pragma once
// The production loop of one or more workers in virtual time, and around it clients and pods, all
// from one seed.

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "helpers.h"
#include "http1_client.h"
#include "http1_server.h"
#include "steer/exchange.h"
#include "steer/owner.h"
#include "support/pod_edits.h"
#include "tunnels.h"
#include "wire.h"
#include "worker/worker.h"

namespace sluice::sim {

using SimWorker = worker::Worker<Port, Clock>;

// Where TLS is spoken.
inline const Endpoint kSecureVip{relay::kVip.address, 443};

// What a seed has in store.
struct Plan {
  explicit Plan(uint64_t seed) {
    Random r(seed);
    calm = r.chance(0.15);
    pods = 1 + static_cast<int>(r.below(5));
    clients = 1 + static_cast<int>(r.below(5));
    calls = static_cast<int>(20 + r.below(150));
    offloads = Random(seed ^ 0x75).chance(0.5);
    link.delay = Duration(static_cast<int64_t>(10'000 + r.below(1'000'000)));
    if (!calm && r.chance(0.5)) link.loss = 0.03 * r.uniform();
    if (!calm && r.chance(0.3)) link.duplicate = 0.02;
    if (r.chance(0.3)) link.reorder = 0.2 * r.uniform();
    limits.transparent_retries = static_cast<uint32_t>(r.below(6));
    limits.replay_buffer = r.chance(0.6) ? 65'536 : static_cast<uint32_t>(r.below(4'000));
    limits.stream_window = r.chance(0.5) ? 65'536 : static_cast<uint32_t>(1'000 + r.below(20'000));
    limits.pod_connection_streams = static_cast<uint32_t>(1 + r.below(100));
    limits.send_buffer = r.chance(0.7) ? 1'048'576 : 16'384;
    limits.send_buffer_max = limits.send_buffer;
    least_request = r.chance(0.5);
    queue_limit = calm || r.chance(0.7) ? 1'000 : static_cast<uint32_t>(r.below(4));
    pod_http2.max_concurrent_streams =
        r.chance(0.5) ? 100 : static_cast<uint32_t>(1 + r.below(calm ? 100 : 5));
    pod_http2.initial_stream_window = client_http2.initial_stream_window =
        r.chance(0.6) ? 65'536 : static_cast<uint32_t>(100 + r.below(5'000));
    choose_protocols(seed);
    tunnels.draw(seed, calm);
    limits.http1_pod_connections = Random(seed ^ 0x9c).chance(0.8)
                                       ? 256
                                       : static_cast<uint32_t>(20 + Random(seed ^ 0x9d).below(20));
    guards.stall_timeout = tunnels.stall;
    manners.dawdles = 0.3 * r.uniform();
    manners.slow = 0.2 * r.uniform();
    if (r.chance(0.4)) limits.max_pod_connection_streams = static_cast<uint32_t>(1 + r.below(20));
    if (r.chance(0.4)) {
      ping_interval = Duration(static_cast<int64_t>(10'000'000 + r.below(1'000'000'000)));
      ping_without_calls = r.chance(0.5);
    }
    if (calm) return;
    if (r.chance(0.5)) guards.pod_resets = {static_cast<uint32_t>(1 + r.below(3)), 1};
    if (r.chance(0.5)) manners.cancels = 0.2 * r.uniform();
    const auto mood = [&] { return r.chance(0.4) ? 0.3 * r.uniform() : 0; };
    moods = {.refuses = mood(),
             .resets = mood(),
             .silent = mood() / 4,
             .early = mood(),
             .errors = mood(),
             .waits = r.uniform()};
    const auto share = [&] { return r.chance(0.5) ? 3 * r.uniform() : 0; };
    for (double& s : faults) s = share();
    moods.breaks = mood();
    moods.closes = mood();
    choose_half_closes(seed);
    if (r.chance(0.3)) {
      retry.grpc_statuses.set(13);
      retry.attempts = static_cast<uint32_t>(2 + r.below(3));
      retry.backoff = retry.backoff_max = Duration(static_cast<int64_t>(1 + r.below(50'000'000)));
      retry.budget_percent = static_cast<uint32_t>(r.below(101));
    }
  }

  // What clients and pods speak. All pods of a service speak the same, each client as it likes.
  void choose_protocols(uint64_t seed) {
    Random r(seed ^ 0x1105);
    const auto mixed = [&] {
      const double dice = r.uniform();
      return dice < 0.3 ? 0 : dice < 0.5 ? 1 : r.uniform();
    };
    http1_clients = mixed();
    tls_clients = mixed();
    http1_pods = r.chance(0.5);
    tls_pods = r.chance(0.4);
    pods_tls_version = r.chance(0.75) ? TLS1_3_VERSION : TLS1_2_VERSION;
    choose_handshakes(seed);
  }
  void choose_half_closes(uint64_t seed) {
    Random r(seed ^ 0x4a1f);
    manners.half_closes = r.chance(0.5) ? 0.3 * r.uniform() : 0;
    moods.surplus = r.chance(0.5) ? 0.3 * r.uniform() : 0;
  }
  // Who makes them, and what they are about.
  void choose_handshakes(uint64_t seed) {
    Random r(seed ^ 0x7175);
    helpers = r.chance(0.6) ? 1 + r.below(3) : 0;
    slowest_step = Duration(static_cast<int64_t>(r.below(r.chance(0.5) ? 1'000'000 : 40'000'000)));
    tickets = r.chance(0.7);
    resumes = r.uniform();
    constexpr CertificateRule kRules[] = {CertificateRule::kNone, CertificateRule::kOptional,
                                          CertificateRule::kRequired};
    rule = kRules[r.below(3)];
    wrong_certificates = calm || r.chance(0.5) ? 0 : 0.5 * r.uniform();
    pods_ask = r.chance(0.4);
  }

  double http1_clients, tls_clients;  // shares
  bool http1_pods, tls_pods;
  int pods_tls_version;
  uint64_t helpers;       // that make handshakes; 0: the worker makes them
  Duration slowest_step;  // of a helper
  bool tickets;
  double resumes;  // share of the clients' connections that resume a session if they have a ticket
  CertificateRule rule;       // for clients
  double wrong_certificates;  // share of clients whose certificate the rule refuses
  bool pods_ask;              // for the appliance's certificate
  bool calm;                  // nothing goes wrong: every call succeeds
  int pods, clients, calls;
  bool offloads;  // of the ports: TSO and LRO
  LinkModel link;
  config::Limits limits;
  config::Guards guards;
  Duration ping_interval{};
  bool ping_without_calls = false;
  bool least_request;
  uint32_t queue_limit;
  config::Retry retry;  // of the errors that pods answer with
  http2::Config pod_http2, client_http2;
  TunnelPlan tunnels;
  Manners manners;
  Moods moods;
  enum Fault {
    kPodGoaway,
    kPodCrash,    // does not answer any more; comes back later
    kPodRestart,  // resets its connections
    kPodCloses,   // FIN on its connections
    kPodStalls,   // reads nothing for a while
    kPodGarbage,
    kPodTruncates,  // FIN without close_notify
    kClientVanishes,
    kClientResets,
    kClientStalls,
    kClientGarbage,
    kClientTruncates,
    kKeyUpdates,  // of TLS, by clients and pods
    kEndpoints,   // another set of endpoints
    kFaults,
  };
  double faults[kFaults]{};  // a second, on average
};

class World final : public Stage {
 public:
  World(uint64_t seed, http2::Buffers& inside, http2::Buffers& outside, unsigned workers = 1)
      : plan(seed),
        random_(seed_openssl(seed) ^ 0x51),
        dice_(seed ^ 0xd1ce),
        inside_(inside),
        workers_(workers),
        north_(queues(1)),
        south_(queues(2)),
        counters_(workers),
        owner_(workers, {seed, 2}, owner_ports(), {}),
        exchange_(workers),
        node_(outside, "198.18.0.1", now(), seed, patient()),
        helpers_(plan.helpers, workers, plan.slowest_step, seed ^ 0x4e1),
        tunnels_(*this, plan.tunnels, seed) {
    http2::Config pod_http2 = plan.pod_http2;
    pod_http2.pass_connect = plan.tunnels.pods_take;
    for (int i = 1; i <= plan.pods; ++i) {
      pods_.push_back(std::make_unique<Pod>(*this, i,
                                            Pod::Speech{.http2 = pod_http2,
                                                        .http1 = plan.http1_pods,
                                                        .tls = plan.tls_pods,
                                                        .tls_version = plan.pods_tls_version,
                                                        .asks = plan.pods_ask},
                                            plan.moods, seed * 16 + i, calls_, tunnels_,
                                            plan.retry.any()));
      pods_.back()->in_order = plan.link.loss == 0 && plan.link.reorder == 0;
      pods_.back()->round_trip = plan.link.delay * 2 + 25ms;
    }
    config::Snapshot first;
    first.startup.ports.resize(2);
    first.startup.ports[0].addresses = {*Prefix::parse("198.18.0.2/24")};
    first.startup.ports[1].addresses = {*Prefix::parse("198.18.1.1/24")};
    first.startup.memory = {.connections = 4096, .half_open = 256, .time_wait = 1024};
    first.startup.dpdk.hold_mbufs = 8191;
    first.timeouts.tcp_user = 5s;
    first.timeouts.tcp_keepalive = 1s;
    first.timeouts.time_wait = 1s;
    first.timeouts.drain = plan.tunnels.drain;
    first.limits = plan.limits;
    first.guards = plan.guards;
    first.services.push_back({.name = "echo",
                              .balance = plan.least_request ? config::Balance::kLeastRequest
                                                            : config::Balance::kRoundRobin,
                              .connect_timeout = 1s,
                              .queue_timeout = plan.calm ? Duration(10s) : Duration(500ms),
                              .stream_idle_timeout = plan.tunnels.idle,
                              .ping_interval = plan.ping_interval,
                              .ping_timeout = 1s,
                              .ping_without_calls = plan.ping_without_calls,
                              .queue_limit = plan.queue_limit,
                              .retry = plan.retry});
    config::Service& service = first.services[0];
    service.protocol =
        plan.http1_pods ? plan.tls_pods ? config::PodProtocol::kHttps1 : config::PodProtocol::kHttp1
        : plan.tls_pods ? config::PodProtocol::kH2
                        : config::PodProtocol::kH2c;
    if (plan.tls_pods) service.tls.context = Identities::get().toward(plan.http1_pods);
    const auto connect = plan.tunnels.passed ? config::Connect::kPass : config::Connect::kRefuse;
    first.listeners.push_back(
        {.name = "http",
         .address = relay::kVip,
         .protocol = plan.http1_clients > 0 ? config::Protocol::kHttp : config::Protocol::kH2c,
         .connect = connect,
         .service = 0});
    first.listeners.push_back({.name = "https",
                               .address = kSecureVip,
                               .protocol = config::Protocol::kHttps,
                               .tls = Identities::get().listener(plan.rule),
                               .connect = connect,
                               .service = 0,
                               .slot = 1});
    snapshots_.push_back(first);
    std::set<int> all;
    for (int i = 1; i <= plan.pods; ++i) all.insert(i);
    endpoints(all);
    for (stats::Worker& c : counters_) all_.push_back(&c);
    for (unsigned w = 0; w < workers; ++w)
      worker_.push_back(std::make_unique<SimWorker>(
          SimWorker::Setup{.ports = {&north_[w], &south_[w]},
                           .clock = clock_,
                           .rx = inside.rx,
                           .hold = inside.hold,
                           .pin_above = 512,
                           .published = published_,
                           .orders = orders_,
                           .workers = all_,
                           .self = w,
                           .secret = {seed, 2},
                           .owner = workers > 1 ? &owner_ : nullptr,
                           .exchange = workers > 1 ? &exchange_ : nullptr,
                           .ticket_keys = plan.tickets ? &ticket_keys_ : nullptr,
                           .handshakes = plan.helpers > 0 ? &helpers_.queue(w) : nullptr}));
    ended_.resize(workers);
  }
  ~World() {
    worker_.clear();
    for (auto& c : clients_) c->peer().blame();
    for (auto& p : pods_)
      for (auto& peer : p->peers) peer->peer().blame();
    node_.stack.for_each([](tcp::Connection& c) { c.abort(); });
    node_.stack.flush(now());
    north_.clear();
    south_.clear();
  }

  // The whole story; violations() says what went wrong.
  void run() {
    for (int i = 0; i < plan.clients; ++i) connect();
    run_for(200ms);
    constexpr int64_t kBusy = 2'000'000'000;
    for (int i = 0; i < plan.calls; ++i)
      at(now() + Duration(static_cast<int64_t>(random_.below(kBusy))), [this] { call(); });
    for (int i = 0; i < plan.tunnels.number; ++i)
      at(now() + Duration(static_cast<int64_t>(dice_.below(kBusy))), [this] { open_tunnel(); });
    for (int f = 0; f < Plan::kFaults; ++f)
      for (double due = -std::log(1 - random_.uniform()) / plan.faults[f]; due < 2.0;
           due -= std::log(1 - random_.uniform()) / plan.faults[f])
        at(now() + Duration(static_cast<int64_t>(due * 1e9)),
           [this, f] { fault(static_cast<Plan::Fault>(f)); });
    if (workers_ > 1)
      for (int64_t due = 100'000'000; due < kBusy; due += 100'000'000)
        at(now() + Duration(due), [this] { wire_.change_reta(); });
    for (int i = 0; i < 3; ++i)
      at(now() + Duration(static_cast<int64_t>(dice_.below(kBusy))),
         [this] { ticket_keys_.rotate(); });
    run_for(Duration(kBusy));
    heal();
    // Longer than any timeout; TCP's second keepalive probe comes 15 s after the first.
    tick_ = 10ms;
    run_for(20s);
    tunnels_.say_more();
    run_for(500ms);
    tunnels_.judge_live();
    for (auto& c : clients_) {
      Peer& peer = c->peer();
      for (const auto& [id, call] : calls_)
        if (call->client == &peer && !over(*call) && !peer.faulty()) unanswered(*call);
      // A cancellation behind garbage may never be read, and a FIN behind a whole request of
      // HTTP/1.1 cancels nothing.
      if (peer.garbled() || !peer.alive()) {
        peer.abort();
      } else {
        c->cancel_all();
      }
    }
    tunnels_.reset_unopened();
    run_for(500ms);
    // HTTP/1.1 cancels by a reset of the connection, which nobody repeats when the link loses it.
    const bool reset_may_be_lost = plan.http1_pods && plan.link.loss > 0;
    for (auto& p : pods_)
      p->each([&](Server& s) {
        if (!s.peer().faulty() && s.peer().busy() && !reset_may_be_lost)
          violation("a pod still has a stream that nobody waits for: " + s.doing());
      });
    const bool drain = random_.chance(0.5);
    live_tunnels_ = tunnels_.live();
    if (!drain || dice_.chance(0.5)) tunnels_.reset_all();
    run_for(500ms);
    if (drain) {
      tunnels_.drain_begins();
      at(now() + plan.tunnels.drain / 2, [this] { tunnels_.say_more(); });
      orders_.give(worker::Order::kDrain);
    } else {
      for (auto& c : clients_) c->peer().close();
    }
    for (int i = 0;
         i < 400 && !ended() &&
         (drain || sum([](const auto& w) { return w.relay.client_connections.get(); }) > 0);
         ++i)
      run_for(50ms);
    if (drain && !ended()) violation("the drain does not end");
    for (auto& [id, call] : calls_) judge(*call);
    tunnels_.judge();
    judge_counters();
  }

  const std::vector<std::string>& violations() const { return violations_; }
  const Tunnels& tunnels() const { return tunnels_; }
  // Tunnels that lived until the end, or until the drain.
  size_t live_tunnels() const { return live_tunnels_; }
  size_t count(bool (*is)(const Call&)) const {
    size_t n = 0;
    for (const auto& [id, c] : calls_) n += is(*c);
    return n;
  }
  // Over the workers; get(const stats::Worker&).
  template <class Get>
  uint64_t sum(Get&& get) const {
    uint64_t all = 0;
    for (const stats::Worker& w : counters_) all += get(w);
    return all;
  }

  // Packets that the ports have cut, and packets that they have made of several.
  uint64_t cut() const {
    return over_ports([](const Port& p) { return p.cut(); });
  }
  uint64_t merged() const {
    return over_ports([](const Port& p) { return p.merged(); });
  }

  // Stage
  Time now() const override { return clock_.at(clock_.now); }
  void at(Time when, std::function<void()> fn) override { events_.emplace(when, std::move(fn)); }
  void violation(const std::string& what) override {
    violations_.push_back(std::to_string(clock_.now / 1000) + " us: " + what);
  }
  relay::Node& node() override { return node_; }

  const Plan plan;

 private:
  static uint64_t seed_openssl(uint64_t seed) {
    Identities::get();
    randoms_of_openssl() = Random(seed);
    return seed;
  }
  // Clients and pods give nothing up by themselves.
  static tcp::Config patient() {
    tcp::Config c;
    c.connect_timeout = 60s;
    c.time_wait = 1s;
    return c;
  }
  void endpoints(const std::set<int>& numbers) {
    const config::Snapshot& before = snapshots_.back();
    config::Snapshot s = before;
    ++s.generation;
    s.services[0].pods.clear();
    for (const int n : numbers)
      s.services[0].pods.push_back({.endpoint = relay::pod_at(n),
                                    .id = "pod" + std::to_string(n),
                                    .slot = static_cast<uint32_t>(n)});
    s.difference.reset();
    if (s.generation % 4 != 0)  // now and then workers adopt the whole
      s.difference = config::Difference{
          &before, {{0, test::pod_edits(before.services[0].pods, s.services[0].pods)}}};
    snapshots_.push_back(std::move(s));
    published_.set(&snapshots_.back());
  }
  void connect() {
    const bool tls = random_.chance(plan.tls_clients);
    const bool http1 = random_.chance(plan.http1_clients);
    std::unique_ptr<Secure> secure;
    Shows shows = Shows::kNone;
    if (tls) {
      const bool silent = http1 && random_.chance(0.3);  // about ALPN
      const int version = random_.chance(0.75) ? TLS1_3_VERSION : TLS1_2_VERSION;
      shows = draw_certificate();
      Ticket* const ticket = &tickets_[{shows, version}];
      if (!dice_.chance(plan.resumes)) ticket->reset();
      secure = std::make_unique<Secure>(Identities::get().client(shows), true, version,
                                        silent  ? ""
                                        : http1 ? tls::kHttp11
                                                : tls::kHttp2,
                                        ticket);
    }
    if (http1) {
      add<Http1Client>(tls, std::move(secure), plan.manners, random_.chance(0.2), random_.next());
    } else {
      add<Http2Client>(tls, std::move(secure), plan.client_http2, plan.manners, random_.next());
    }
    if (!tls) return;
    Peer& peer = live_.back()->peer();
    if (refused(shows)) peer.refuse();
    if (plan.rule != CertificateRule::kNone && shows == Shows::kRight)
      peer.show(Identities::get().told());
  }
  Shows draw_certificate() {
    const bool wrong = dice_.chance(plan.wrong_certificates);
    const bool none = dice_.chance(0.5);
    if (wrong) return none ? Shows::kNone : Shows::kWrong;
    return none && plan.rule != CertificateRule::kRequired ? Shows::kNone : Shows::kRight;
  }
  bool refused(Shows shows) const {
    switch (plan.rule) {
      case CertificateRule::kNone:
        return false;
      case CertificateRule::kOptional:
        return shows == Shows::kWrong;
      case CertificateRule::kRequired:
        return shows != Shows::kRight;
    }
    return false;
  }
  template <class Made, class... Args>
  void add(bool tls, Args&&... args) {
    auto made = std::make_unique<Made>(*this, std::forward<Args>(args)...);
    made->begin(*node_.stack.connect({}, tls ? kSecureVip : relay::kVip, made.get(), now()));
    live_.push_back(made.get());
    clients_.push_back(std::move(made));
  }
  // A client that is over is replaced.
  void call() {
    const size_t at = random_.below(live_.size());
    Caller& c = *live_[at];
    if (!c.peer().alive() || c.spent()) {
      live_.erase(live_.begin() + static_cast<std::ptrdiff_t>(at));
      if (live_.size() < static_cast<size_t>(plan.clients)) connect();
      return;
    }
    auto call = std::make_unique<Call>();
    call->id = calls_.size() + 1;
    Call& made = *call;
    calls_.emplace(made.id, std::move(call));
    if (!c.call(made)) calls_.erase(made.id);
  }

  // On a client's connection that takes it. Most connections of HTTP/1.1 take no call afterwards.
  void open_tunnel() {
    Tunnel& t = tunnels_.make();
    if (!live_[dice_.below(live_.size())]->open(t)) tunnels_.drop(t);
  }

  void fault(Plan::Fault f) {
    Pod& pod = *pods_[random_.below(pods_.size())];
    Peer& client = live_[random_.below(live_.size())]->peer();
    const auto later = [&] {
      return now() + Duration(static_cast<int64_t>(random_.below(1'000'000'000)));
    };
    switch (f) {
      case Plan::kPodGoaway: {
        const bool graceful = random_.chance(0.5);
        pod.each([&](Server& s) {
          if (!graceful) return s.goaway();
          s.announce();
          at(now() + 20ms, [&s] { s.goaway(); });
        });
        break;
      }
      case Plan::kPodCrash:
        wire_.cut({pod.address().address, 0});
        pod.down();
        pod.each([](Server& s) { s.peer().abort(); });
        at(later(), [this, &pod] { back(pod); });
        break;
      case Plan::kPodRestart:
        pod.down();
        pod.each([](Server& s) { s.peer().abort(); });
        at(later(), [this, &pod] { back(pod); });
        break;
      case Plan::kPodCloses:
        pod.each([](Server& s) { s.peer().close(); });
        break;
      case Plan::kPodStalls:
        pod.each([&](Server& s) {
          s.peer().pause();
          at(later(), [&s] { s.peer().resume(); });
        });
        break;
      case Plan::kPodGarbage:
        pod.each([&](Server& s) { s.peer().garbage(noise(), random_.chance(0.5)); });
        break;
      case Plan::kPodTruncates:
        // In cleartext, a FIN would be the end of a body in order.
        pod.each([](Server& s) { s.peer().secure() ? s.peer().truncate() : s.peer().abort(); });
        break;
      case Plan::kClientVanishes:
        if (!client.alive()) break;
        wire_.cut(client.tcp()->local());
        client.abort();
        connect();
        break;
      case Plan::kClientResets:
        client.abort();
        connect();
        break;
      case Plan::kClientStalls:
        client.pause();
        at(later(), [&client] { client.resume(); });
        break;
      case Plan::kClientGarbage:
        client.garbage(noise(), random_.chance(0.5));
        connect();
        break;
      case Plan::kClientTruncates:
        client.truncate();
        connect();
        break;
      case Plan::kKeyUpdates:
        client.update_keys();
        pod.each([](Server& s) { s.peer().update_keys(); });
        break;
      case Plan::kEndpoints: {
        std::set<int> some;
        for (int i = 1; i <= plan.pods; ++i)
          if (random_.chance(0.7)) some.insert(i);
        endpoints(some);
        break;
      }
      case Plan::kFaults:
        break;
    }
  }
  // Mostly nearly frames.
  std::string noise() {
    std::string s;
    for (size_t n = 1 + random_.below(40); n > 0; --n)
      s += static_cast<char>(random_.chance(0.5) ? random_.below(10) : random_.next());
    return s;
  }
  void back(Pod& pod) {
    wire_.heal({pod.address().address, 0});
    pod.up();
  }
  void heal() {
    wire_.calm();
    for (auto& p : pods_) {
      p->up();
      p->each([](Server& s) { s.peer().resume(); });
    }
    for (auto& c : clients_) c->peer().resume();
  }

  void run_for(Duration d) {
    const Time until = now() + d;
    while (now() < until) step(until);
  }
  void step(Time until) {
    Time next = std::min({until, wire_.next(), now() + tick_});
    if (!events_.empty()) next = std::min(next, events_.begin()->first);
    next = std::max(next, now() + 10us);
    clock_.now = static_cast<uint64_t>(next.time_since_epoch().count());
    wire_.deliver(now(), node_);
    for (unsigned w = 0; w < workers_; ++w)
      if (!ended_[w]) ended_[w] = !worker_[w]->turn();
    helpers_.look(*this);
    wire_.collect(north_, now());
    wire_.collect(south_, now());
    node_.wheel.advance(now());
    while (!events_.empty() && events_.begin()->first <= now()) {
      const auto fn = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      fn();
    }
    for (size_t i = 0; i < clients_.size(); ++i) clients_[i]->peer().flush();
    for (auto& p : pods_)
      for (size_t i = 0; i < p->peers.size(); ++i) p->peers[i]->peer().flush();
    node_.stack.flush(now());
    node_.buffers.memory.refresh();
    for (auto& packet : std::exchange(node_.out, {})) wire_.fly(std::move(packet), now());
  }

  template <class Get>
  uint64_t over_ports(Get&& get) const {
    uint64_t all = 0;
    for (const auto* queues : {&north_, &south_})
      for (const Port& p : *queues) all += get(p);
    return all;
  }
  bool ended() const { return std::all_of(ended_.begin(), ended_.end(), std::identity()); }
  std::deque<Port> queues(uint8_t port) const {
    std::deque<Port> all;
    for (unsigned w = 0; w < workers_; ++w) all.emplace_back(port, inside_.rx, plan.offloads);
    return all;
  }
  static std::vector<steer::OwnerPort> owner_ports() {
    return {{.addresses = {*Prefix::parse("198.18.0.2/24")}, .rss = {}},
            {.addresses = {*Prefix::parse("198.18.1.1/24")}, .rss = {}}};
  }
  // A pod that has closed its side acknowledges requests that it does not read. Its surplus answer,
  // when it is sent again or overtaken, then looks like the answer to such a request.
  bool surplus_may_pass() const {
    return plan.http1_pods && plan.moods.surplus > 0 &&
           (plan.link.loss > 0 || plan.link.reorder > 0);
  }
  static bool over(const Call& c) { return c.ended || c.cancelled || c.lost; }
  // A well-behaved client waits in vain: because a pod never answers, or because garbage looks like
  // the beginning of a frame that never ends.
  void unanswered(const Call& c) {
    if (c.silent && !c.gave_up && !c.half_closed) return;
    // Nor is a call answered that waits behind such a one.
    for (const auto& [id, other] : calls_)
      if (c.by_http1 && other->client == c.client && other->silent && !over(*other)) return;
    // Behind a GOAWAY that garbage has swallowed, a pod does not even look at a call.
    for (const auto& p : pods_)
      for (const auto& peer : p->peers)
        if (peer->peer().garbled()) return;
    violation("call " + std::to_string(c.id) + " was never answered");
  }
  // The call's client of HTTP/1.1 has ended its side: half_closed_timeout may end the call.
  static bool half_closed(const Call& c) { return c.by_http1 && c.client->output_ended(); }
  // What each side knows about a call must fit.
  void judge(const Call& c) {
    const auto wrong = [&](const char* what) {
      violation("call " + std::to_string(c.id) + ": " + what + " (processed " +
                std::to_string(c.processed) + ", status " + c.http_status + "/" + c.grpc_status +
                " '" + c.message + "', code " + std::to_string(static_cast<int>(c.code)) + ")");
    };
    if (!over(c)) return wrong("no end");
    // Garbage between the bytes of HTTP/1.1's bodies is a part of them.
    if (c.client->garbled() || (plan.http1_pods && c.last_on != nullptr && c.last_on->garbled()))
      return;
    // Behind such a call, the next one of that connection may get its answer before a pod reads it.
    const bool crossed = c.last_on == nullptr &&
                         std::any_of(calls_.begin(), calls_.end(),
                                     [](const auto& other) { return other.second->mistakable; });
    if (crossed || c.mistakable || (c.got_wrong && c.got == 5 && surplus_may_pass())) return;
    if (c.got_wrong) wrong("the answer's bytes changed on the way");
    const bool times = c.idempotent() ? c.processed > c.errors : c.processed == c.errors + 1;
    if (c.ok() && (!times || c.answered_on == nullptr || c.answer_is_error))
      wrong("a success that no pod gave");
    if (c.ok() && c.got != c.answer) wrong("an answer cut short");
    if (c.complete && c.grpc_status == "13" && !c.answer_is_error) wrong("an error no pod gave");
    if (c.complete && !c.ok() && c.grpc_status != "13") {
      const bool lost_by_pod =
          c.broken || c.reset_by_pod || (c.last_on != nullptr && c.last_on->faulty());
      const bool unavailable =
          c.grpc ? c.grpc_status == "14"
                 : c.http_status == "503" || (lost_by_pod && c.http_status == "502");
      const bool idle = plan.tunnels.idle > Duration::zero() &&
                        (c.grpc ? c.grpc_status == "4" : c.http_status == "504");
      const bool given_up = half_closed(c) && c.http_status == "504";
      if (!unavailable && !idle && !given_up) wrong("an end that nobody gave");
      // An error that a pod has answered with is behind a call that its policy tries again.
      if (says_unprocessed(c.message) && c.processed > c.errors)
        wrong("said not to be processed, and was");
      if (plan.calm) wrong("a failure, and nothing had gone wrong");
    }
    if (c.reset && c.code == http2::ErrorCode::kRefusedStream && c.processed > 0)
      wrong("refused, and was processed");
    if (c.cancelled || c.gave_up || c.client->faulty()) return;
    // Nothing of an answer came to a client that had ended its side.
    if (half_closed(c) && (c.lost || c.reset || c.http_status == "504")) return;
    if (c.lost) wrong("lost with a client's connection that was in order");
    // A call whose client gives its place up to others may cross with its answer.
    const bool gave_way = c.message.find("more than its share of the pods") != std::string::npos;
    if (c.answered_on != nullptr && !c.answered_on->faulty() && !gave_way) {
      if (!c.complete || (!c.ok() && !c.answer_is_error)) wrong("a pod's whole answer got lost");
    }
    if (c.reset_by_pod && !c.last_on->faulty() &&
        !(c.by_http1 ? !c.ok() : c.reset && c.code == c.pod_code))
      wrong("a pod's RST_STREAM got lost");
  }
  // The messages of the relay that promise that no pod has begun.
  static bool says_unprocessed(const std::string& message) {
    for (const char* m :
         {"no pod accepted the call", "the pod is going away", "the service has no endpoint",
          "no endpoint is reachable", "too many calls wait for an endpoint",
          "no endpoint took the call in time"})
      if (message == m) return true;
    return false;
  }
  void judge_counters() {
    const auto zero = [&](uint64_t n, const char* what) {
      if (n != 0) violation(std::string(what) + " is " + std::to_string(n) + " in the end");
    };
    const auto none = [&](auto get, const char* what) { zero(sum(get), what); };
    using W = stats::Worker;
    none([](const W& w) { return w.relay.streams.get(); }, "relay.streams");
    none([](const W& w) { return w.relay.queued_streams.get(); }, "relay.queued_streams");
    none([](const W& w) { return w.relay.client_connections.get(); }, "relay.client_connections");
    for (const uint32_t l : {0u, 1u}) {
      none([l](const W& w) { return w.listener(l).active_streams.get(); },
           "listener.active_streams");
      none([l](const W& w) { return w.listener(l).active_connections.get(); },
           "listener.active_connections");
    }
    none([](const W& w) { return w.tls.handshaking.get(); }, "tls.handshaking");
    none([](const W& w) { return w.http1.memory_refusals.get(); }, "http1.memory_refusals");
    none([](const W& w) { return w.tls.memory_refusals.get(); }, "tls.memory_refusals");
    none([](const W& w) { return w.service(0).queued.get(); }, "service.queued");
    for (uint32_t i = 1; i <= static_cast<uint32_t>(plan.pods); ++i)
      none([i](const W& w) { return w.pod(i).active.get(); }, "pod.active");
    none([](const W& w) { return w.http2.memory_refusals.get(); }, "http2.memory_refusals");
    none([](const W& w) { return w.steer.overflow.get(); }, "steer.overflow");
  }

  Clock clock_;
  Random random_;
  Random dice_;  // of certificates and tickets
  http2::Buffers& inside_;
  const unsigned workers_;
  std::deque<Port> north_, south_;  // by worker
  std::vector<stats::Worker> counters_;
  steer::Owner owner_;
  steer::Exchange exchange_;
  relay::Node node_;
  Wire wire_{random_.next(), plan.link, north_, south_};
  std::deque<config::Snapshot> snapshots_;  // kept: the worker may look at any
  config::Published published_;
  worker::Orders orders_;
  std::vector<stats::Worker*> all_;
  static int64_t some_second() { return 1'000'000; }
  tls::TicketKeys ticket_keys_{some_second};
  Helpers helpers_;
  Tunnels tunnels_;
  size_t live_tunnels_ = 0;
  std::map<std::pair<Shows, int>, Ticket> tickets_;  // of clients, by certificate and version
  std::multimap<Time, std::function<void()>> events_;
  std::map<uint64_t, std::unique_ptr<Call>> calls_;
  std::vector<std::unique_ptr<Pod>> pods_;
  std::vector<std::unique_ptr<Caller>> clients_;
  std::vector<Caller*> live_;  // of clients_; some of them may be over
  std::vector<std::string> violations_;
  Duration tick_ = 1ms;      // turns of the worker while nothing arrives
  std::vector<bool> ended_;  // by worker
  std::vector<std::unique_ptr<SimWorker>> worker_;
};

}  // namespace sluice::sim
