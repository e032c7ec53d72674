#include "control/load_sampler.h"

#include <algorithm>

namespace sluice::control {
namespace {

// The busy cycles are known; a sample of the busy turns divides them.
void divide(const std::array<uint64_t, kStages>& now, const std::array<uint64_t, kStages>& before,
            admin::Load& load) {
  double all = 0;
  for (size_t s = 0; s < kStages; ++s) all += static_cast<double>(now[s] - before[s]);
  for (size_t s = 0; s < kStages; ++s)
    load.stages[s] = all == 0 ? 0 : static_cast<double>(now[s] - before[s]) / all * load.busy;
  load.stages[static_cast<size_t>(Stage::kIdle)] += 1 - load.busy;
}

}  // namespace

void LoadSampler::look(std::span<stats::Worker* const> workers) {
  for (size_t i = 0; i < workers.size(); ++i) {
    const stats::Worker& w = *workers[i];
    Cycles now{w.cycles.get(), w.cycles_busy.get(), w.cycles_io.get(), {}};
    for (size_t s = 0; s < kStages; ++s) now.stages[s] = w.stages.cycles[s].get();
    const auto all = static_cast<double>(std::max<uint64_t>(now.all - sampled_[i].all, 1));
    loads_[i].busy = std::min(1.0, static_cast<double>(now.busy - sampled_[i].busy) / all);
    loads_[i].io = std::min(1.0, static_cast<double>(now.io - sampled_[i].io) / all);
    divide(now.stages, sampled_[i].stages, loads_[i]);
    sampled_[i] = now;
  }
}

}  // namespace sluice::control
