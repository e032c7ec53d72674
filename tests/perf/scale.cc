// What a call costs a worker that has a sibling, and one that is alone in its process. Each worker
// runs on a core of its own, with clients and pods on simulated ports around it.
//
//   scale SECONDS CORE [CORE]     prints the cycles a call of each worker, one a line
//
// With two cores, the two workers are those of one process: they share the configuration, limits
// and the exchange, and each has the clients whose flows it owns. The cycles are those of the time
// stamp counter inside the worker's turns: the median of the pieces of the run.

#include <pthread.h>
#include <rte_lcore.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "nic/tsc.h"
#include "perf/world.h"
#include "support/eal.h"

namespace sluice::perf {

thread_local uint64_t cycles_in_turns = 0;

bool measured_turn(SimWorker& worker) {
  const uint64_t before = nic::tsc();
  const bool more = worker.turn();
  cycles_in_turns += nic::tsc() - before;
  return more;
}
bool other_turn(SimWorker& worker) {
  return worker.turn();
}

namespace {

constexpr int kConnections = 10;
constexpr int kStreams = 32;
constexpr int kPodCount = 2;
constexpr size_t kBytes = 100;       // of a request, and of an answer
constexpr uint64_t kWarmUp = 5'000;  // calls
constexpr uint64_t kPiece = 2'000;   // calls

// One worker's clients: as many calls as fit are in flight.
class Clients {
 public:
  // owner: nullptr: the worker is alone.
  Clients(World& world, const steer::Owner* owner, unsigned self) : world_(world) {
    uint16_t port = 1024;
    for (int i = 0; i < kConnections; ++i) {
      if (owner != nullptr)
        while (owner->by_hash(relay::kVip, {*world.outside.source_for({}), ++port}) != self) {
        }
      relay::Peer& peer = world.connect(owner == nullptr ? uint16_t{0} : port);
      lanes_.push_back({&peer, 0});
    }
    for (Lane& lane : lanes_)
      lane.peer->owner.last_hook = [this, &lane](http2::Stream& s) {
        if (lane.peer->owner.streams[s.id()].reset) {
          std::fprintf(stderr, "a call failed\n");
          std::exit(1);
        }
        --lane.in_flight;
        ++ended;
      };
  }

  void turn() {
    for (Lane& lane : lanes_) {
      if (lane.peer->tcp == nullptr || !lane.peer->tcp->established()) continue;
      while (lane.in_flight < kStreams) call(lane);
    }
    world_.turn(true);
  }

  uint64_t ended = 0;

 private:
  struct Lane {
    relay::Peer* peer;
    int in_flight;
  };

  void call(Lane& lane) {
    http::FieldList f = http2::request("/sluice.lab.Echo/Unary");
    f.add("user-agent", "h2load nghttp2/1.52.0");
    f.add(http::Name::kContentType, "application/grpc");
    f.add(http::Name::kTe, "trailers");
    relay::Peer& p = *lane.peer;
    http2::Stream* s = p.h2->open(indexable(f, p.hpack), false, &p.owner);
    p.h2->send_data(*s, world_.world_buffers.slice(std::string(kBytes, 'q')), true);
    ++lane.in_flight;
  }

  World& world_;
  std::vector<Lane> lanes_;
};

struct Shared {
  explicit Shared(size_t workers) : begin(static_cast<std::ptrdiff_t>(workers)) {}
  std::barrier<> begin;
  std::atomic<size_t> measured{0};
};

// Returns the median of the pieces. The worker goes on until all have measured.
double measure(Clients& clients, Shared& shared, size_t workers, double seconds) {
  while (clients.ended < kWarmUp) clients.turn();
  shared.begin.arrive_and_wait();
  std::vector<double> pieces;
  using Wall = std::chrono::steady_clock;
  const auto until = Wall::now() + std::chrono::duration<double>(seconds);
  while (Wall::now() < until || pieces.empty()) {
    const uint64_t before = clients.ended;
    cycles_in_turns = 0;
    while (clients.ended - before < kPiece) clients.turn();
    pieces.push_back(static_cast<double>(cycles_in_turns) /
                     static_cast<double>(clients.ended - before));
  }
  ++shared.measured;
  while (shared.measured < workers) clients.turn();
  std::nth_element(pieces.begin(), pieces.begin() + pieces.size() / 2, pieces.end());
  return pieces[pieces.size() / 2];
}

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
  rte_thread_register();  // so that packet pools keep a cache for the thread
}

int run(double seconds, const std::vector<int>& cores) {
  const size_t n = cores.size();
  std::vector<std::unique_ptr<World>> worlds;
  std::vector<stats::Worker*> all;
  for (size_t w = 0; w < n; ++w) {
    worlds.push_back(
        std::make_unique<World>(kPodCount, kBytes, false, false, "w" + std::to_string(w)));
    worlds[w]->snapshot.startup.workers = static_cast<uint32_t>(n);
    all.push_back(&worlds[w]->counters);
  }
  constexpr SipKey kSecret{1, 2};
  const config::Snapshot& snapshot = worlds[0]->snapshot;
  std::vector<steer::OwnerPort> ports;
  for (const auto& p : snapshot.startup.ports)
    ports.push_back({.addresses = p.addresses, .rss = {}});
  const steer::Owner owner(static_cast<unsigned>(n), kSecret, ports, {});
  worker::Process process(snapshot, kSecret);
  steer::Exchange exchange(static_cast<unsigned>(n));

  Shared shared(n);
  std::vector<double> results(n);
  std::vector<std::thread> threads;
  for (size_t w = 0; w < n; ++w)
    threads.emplace_back([&, w] {
      pin(cores[w]);
      World& world = *worlds[w];
      if (n == 1) {
        world.start();
      } else {
        world.start({w, all, &worlds[0]->published, &process, &owner, &exchange});
      }
      Clients clients(world, n == 1 ? nullptr : &owner, static_cast<unsigned>(w));
      results[w] = measure(clients, shared, n, seconds);
      shared.begin.arrive_and_wait();
      rte_thread_unregister();
    });
  for (std::thread& t : threads) t.join();
  uint64_t handed_over = 0;
  for (const auto& world : worlds) handed_over += world->counters.steer.handed_over.get();
  worlds.clear();
  for (const double cycles : results) std::printf("%.0f\n", cycles);
  if (handed_over == 0) return 0;
  std::fprintf(stderr, "%lu packets were handed over\n", handed_over);
  return 1;
}

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "scale SECONDS CORE [CORE]\n");
    return 2;
  }
  std::vector<int> cores;
  for (int i = 2; i < argc; ++i) cores.push_back(std::atoi(argv[i]));
  return sluice::test::with_eal([&] { return sluice::perf::run(std::atof(argv[1]), cores); },
                                "1024");
}
