#pragma once
// The share of time in which each worker was busy between two looks.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "admin/report.h"
#include "stats/worker.h"

namespace sluice::control {

class LoadSampler {
 public:
  explicit LoadSampler(size_t workers) : sampled_(workers), loads_(workers) {}

  // Computes the shares of the cycles since the last look; call it once a second.
  void look(std::span<stats::Worker* const> workers);
  // One for each worker; zero before the first look.
  const std::vector<admin::Load>& loads() const { return loads_; }

 private:
  struct Cycles {
    uint64_t all = 0, busy = 0, io = 0;
    std::array<uint64_t, kStages> stages{};
  };
  std::vector<Cycles> sampled_;
  std::vector<admin::Load> loads_;
};

}  // namespace sluice::control
