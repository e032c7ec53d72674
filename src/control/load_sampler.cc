#include "control/load_sampler.h"

#include <algorithm>

namespace sluice::control {

void LoadSampler::look(std::span<stats::Worker* const> workers) {
  for (size_t i = 0; i < workers.size(); ++i) {
    const stats::Worker& w = *workers[i];
    const Cycles now{w.cycles.get(), w.cycles_busy.get(), w.cycles_io.get()};
    const auto all = static_cast<double>(std::max<uint64_t>(now.all - sampled_[i].all, 1));
    loads_[i].busy = std::min(1.0, static_cast<double>(now.busy - sampled_[i].busy) / all);
    loads_[i].io = std::min(1.0, static_cast<double>(now.io - sampled_[i].io) / all);
    sampled_[i] = now;
  }
}

}  // namespace sluice::control
