#pragma once
// Chooses a pod for a stream.

#include <cstdint>
#include <memory>
#include <span>

#include "base/random.h"
#include "config/snapshot.h"
#include "pods/pod.h"

namespace sluice::balance {

class Picker {
 public:
  virtual ~Picker() = default;

  // Sets the pods to choose from: the READY pods, in the order of the endpoints. The span stays
  // valid until the next update.
  virtual void update(std::span<pods::Pod* const> candidates) = 0;

  // As update(), where the candidates are those of the last update, but for one: `added` has come,
  // at the end, or (nullptr) one has left. Does not look at all of them where that can be avoided.
  virtual void change(std::span<pods::Pod* const> candidates, const pods::Pod* added) = 0;

  // An index into the candidates. There must be at least one candidate.
  virtual size_t pick() = 0;
};

// The place of a picker among those of all workers. Workers begin their rounds at pods of their
// own.
struct Spread {
  uint32_t self = 0;
  uint32_t workers = 1;
  uint64_t seed = 0;  // the same in all workers of a process, and different in each process
};

// `random` outlives the picker.
std::unique_ptr<Picker> make_picker(config::Balance policy, Random& random, const Spread& spread);

}  // namespace sluice::balance
