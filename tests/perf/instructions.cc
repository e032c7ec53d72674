// Runs one workload over the production loop: some calls to warm up, then those that are counted.
// Under `valgrind --tool=callgrind --collect-atstart=no --toggle-collect=...measured_turn...` the
// instructions of the worker's turns alone are what callgrind collects; instructions.py reads them.
//
//   instructions WORKLOAD [TIMES]     prints {"calls": N, "turns": N, "cycles_per_call": N}
//
// TIMES as many calls are counted. The cycles are those of the time stamp counter inside the
// worker's turns: the median of 64 pieces of the run.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "nic/tsc.h"
#include "perf/tls.h"
#include "perf/world.h"
#include "support/eal.h"

namespace sluice::perf {

uint64_t cycles = 0;  // inside measured_turn()

bool measured_turn(SimWorker& worker) {
  const uint64_t before = nic::tsc();
  const bool more = worker.turn();
  cycles += nic::tsc() - before;
  return more;
}
bool other_turn(SimWorker& worker) {
  return worker.turn();
}

namespace {

using http::Name;

// What clients and pods speak. kHttps1: HTTP/1.1 on both sides, with TLS toward the clients.
enum class Speak { kH2c, kHttp1, kHttp1ToH2c, kHttps1 };

struct Workload {
  const char* name;
  int connections;
  int streams;    // in flight on each
  size_t answer;  // bytes
  int pods;
  bool grpc;       // a gRPC client's fields, a fresh deadline in each call
  bool reconnect;  // a connection for each call, closed by the client
  uint64_t calls;  // that are counted
  Speak speak = Speak::kH2c;
};

constexpr size_t kRequest = 100;           // bytes
constexpr size_t kPieces = 64;             // of a run that are timed
constexpr uint64_t kMaxTurns = 1'000'000;  // of a run that does not come to its end

constexpr Workload kWorkloads[] = {
    {"unary-100B-10x32", 10, 32, 100, 1, false, false, 2000},
    {"unary-100B-1x1", 1, 1, 100, 1, false, false, 500},
    {"unary-100B-200x1", 200, 1, 100, 1, false, false, 2000},
    {"unary-100B-10x32-20-pods", 10, 32, 100, 20, false, false, 2000},
    {"unary-1KiB-10x32", 10, 32, 1024, 1, false, false, 2000},
    {"unary-64KiB-4x4", 4, 4, 65536, 1, false, false, 100},
    {"grpc-unary-100B-10x32", 10, 32, 100, 1, true, false, 2000},
    {"connection-per-call-100B-32x1", 32, 1, 100, 1, false, true, 500},
    {"unary-100B-64x1", 64, 1, 100, 1, false, false, 2000},
    {"http1-unary-100B-64x1", 64, 1, 100, 1, false, false, 2000, Speak::kHttp1},
    {"http1-h2c-unary-100B-64x1", 64, 1, 100, 1, false, false, 2000, Speak::kHttp1ToH2c},
    {"tls-http1-unary-100B-64x1", 64, 1, 100, 1, false, false, 2000, Speak::kHttps1},
    {"http1-connection-per-call-100B-32x1", 32, 1, 100, 1, false, true, 500, Speak::kHttp1},
};

class Run {
 public:
  explicit Run(const Workload& w)
      : w_(w),
        world_(w.pods, w.answer, false, w.speak == Speak::kHttp1 || w.speak == Speak::kHttps1),
        lanes_(w.connections) {
    config::Listener& listener = world_.snapshot.listeners[0];
    if (http1()) listener.protocol = config::Protocol::kHttp;
    if (w.speak == Speak::kHttps1) {
      listener.protocol = config::Protocol::kHttps;
      listener.tls.contexts = make_contexts();
    }
    world_.start();
  }

  // Turns until so many calls have ended.
  void until(uint64_t calls, bool measured) {
    for (uint64_t turn = 0; ended < calls; ++turn) {
      if (turn == kMaxTurns) {
        std::fprintf(stderr, "%s stands still at %lu calls\n", w_.name, ended);
        std::exit(1);
      }
      // The first alone: while a neighbour is asked for, few packets wait for it.
      for (Lane& lane : lanes_) {
        drive(lane);
        if (ended == 0) break;
      }
      world_.turn(measured);
      if (measured) ++turns;
    }
  }

  uint64_t ended = 0;
  uint64_t turns = 0;

 private:
  struct Lane {
    relay::Peer* peer = nullptr;
    Http1Side* http1 = nullptr;
    int in_flight = 0;
    bool called = false;  // its one call has begun
    bool closing = false;
  };

  bool http1() const { return w_.speak != Speak::kH2c; }

  void drive_http1(Lane& lane) {
    if (lane.http1 != nullptr && w_.reconnect && lane.called && lane.in_flight == 0) {
      if (lane.http1->tcp != nullptr) {
        if (!std::exchange(lane.closing, true)) lane.http1->tcp->close();
        return;
      }
      std::erase_if(world_.http1_clients, [&](const auto& c) { return c.get() == lane.http1; });
      lane = {};
    }
    if (lane.http1 == nullptr) {
      lane.http1 = &world_.connect_http1();
      if (w_.speak == Speak::kHttps1) lane.http1->use_tls();
      lane.http1->on_message = [this, &lane] {
        --lane.in_flight;
        ++ended;
      };
    }
    if (!lane.http1->usable() || lane.in_flight > 0 || (w_.reconnect && lane.called)) return;
    static const std::string kRequestBytes =
        "POST /sluice.lab.Echo/Unary HTTP/1.1\r\nHost: 198.18.0.10\r\n"
        "User-Agent: wrk/4.1.0\r\ncontent-type: application/json\r\ncontent-length: " +
        std::to_string(kRequest) + "\r\n\r\n" + std::string(kRequest, 'q');
    lane.http1->say(kRequestBytes);
    ++lane.in_flight;
    lane.called = true;
  }

  void drive(Lane& lane) {
    if (http1()) {
      drive_http1(lane);
      return;
    }
    if (lane.peer != nullptr && w_.reconnect && lane.called && lane.in_flight == 0) {
      if (lane.peer->tcp != nullptr) {
        if (!std::exchange(lane.closing, true)) lane.peer->tcp->close();
        return;
      }
      std::erase_if(world_.clients, [&](const auto& c) { return c.get() == lane.peer; });
      lane = {};
    }
    if (lane.peer == nullptr) {
      lane.peer = &world_.connect();
      lane.peer->owner.last_hook = [this, &lane](http2::Stream& s) {
        if (lane.peer->owner.streams[s.id()].reset) {
          std::fprintf(stderr, "%s: a call failed after %lu\n", w_.name, ended);
          std::exit(1);
        }
        --lane.in_flight;
        ++ended;
      };
    }
    if (lane.peer->tcp == nullptr || !lane.peer->tcp->established()) return;
    const int wanted = w_.reconnect ? (lane.called ? 0 : 1) : w_.streams;
    while (lane.in_flight < wanted) call(lane);
  }

  void call(Lane& lane) {
    http::FieldList f = http2::request("/sluice.lab.Echo/Unary");
    if (w_.grpc) {
      // Near a deadline of a second, as grpc-go sends it: another one in each call.
      f.add(Name::kGrpcTimeout, std::to_string(999'999 - began_ % 977) + "u");
      f.add("user-agent", "grpc-go/1.60.0");
    } else {
      f.add("user-agent", "h2load nghttp2/1.52.0");
    }
    f.add(Name::kContentType, "application/grpc");
    f.add(Name::kTe, "trailers");
    http2::Stream* s =
        lane.peer->h2->open(indexable(f, lane.peer->hpack), false, &lane.peer->owner);
    lane.peer->h2->send_data(*s, world_.world_buffers.slice(std::string(kRequest, 'q')), true);
    ++lane.in_flight;
    ++began_;
    lane.called = true;
  }

  const Workload& w_;
  World world_;
  std::deque<Lane> lanes_;
  uint64_t began_ = 0;
};

int run(std::string_view name, uint64_t times) {
  for (const Workload& w : kWorkloads) {
    if (name != w.name) continue;
    Run run(w);
    run.until(w.calls / 4, false);
    const uint64_t before = run.ended;
    std::vector<double> pieces;
    for (uint64_t piece = 1; piece <= kPieces; ++piece) {
      const uint64_t ended = run.ended;
      cycles = 0;
      run.until(before + w.calls * times * piece / kPieces, true);
      if (run.ended > ended)
        pieces.push_back(static_cast<double>(cycles) / static_cast<double>(run.ended - ended));
    }

    std::nth_element(pieces.begin(), pieces.begin() + pieces.size() / 2, pieces.end());
    std::printf("{\"calls\": %lu, \"turns\": %lu, \"cycles_per_call\": %.0f}\n", run.ended - before,
                run.turns, pieces[pieces.size() / 2]);
    return 0;
  }
  for (const Workload& w : kWorkloads) std::printf("%s\n", w.name);
  return name.empty() ? 0 : 2;
}

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  return sluice::test::with_eal([&] {
    return sluice::perf::run(argc > 1 ? argv[1] : "",
                             argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  });
}
