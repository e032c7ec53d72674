#pragma once
// Plays the helper threads that make TLS handshakes: a step is made at a random later turn, and its
// result is back at a later one still. Connections go away meanwhile as they like.

#include <memory>

#include "base/random.h"
#include "peer.h"
#include "tls/handshake_pool.h"

namespace sluice::sim {

class Helpers {
 public:
  // slowest: the longest wait for a step, and from there until the worker has the result.
  Helpers(size_t helpers, size_t workers, Duration slowest, uint64_t seed)
      : helpers_(helpers),
        workers_(workers),
        slowest_(static_cast<uint64_t>(slowest.count())),
        random_(seed),
        pool_({.helpers = helpers, .workers = workers, .threads = false}) {}

  tls::HandshakeQueue& queue(size_t worker) { return pool_.queue(worker); }
  // Once a turn.
  void look(Stage& stage) {
    for (size_t helper = 0; helper < helpers_; ++helper)
      for (size_t worker = 0; worker < workers_; ++worker)
        while (tls::HandshakePtr handshake = pool_.take(helper, worker)) {
          auto job = std::make_shared<tls::HandshakePtr>(std::move(handshake));
          stage.at(stage.now() + later(), [this, &stage, helper, worker, job] {
            (*job)->step();
            stage.at(stage.now() + later(), [this, helper, worker, job] {
              pool_.give_back(helper, worker, std::move(*job));
            });
          });
        }
  }

 private:
  Duration later() { return Duration(static_cast<int64_t>(random_.below(slowest_ + 1))); }

  const size_t helpers_;
  const size_t workers_;
  const uint64_t slowest_;
  Random random_;
  tls::HandshakePool pool_;
};

}  // namespace sluice::sim
