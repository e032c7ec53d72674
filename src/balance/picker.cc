#include "balance/picker.h"

#include "balance/least_request.h"
#include "balance/round_robin.h"

namespace sluice::balance {

std::unique_ptr<Picker> make_picker(config::Balance policy, Random& random, const Spread& spread) {
  switch (policy) {
    case config::Balance::kRoundRobin:
      return std::make_unique<RoundRobin>(random, spread);
    case config::Balance::kLeastRequest:
      return std::make_unique<LeastRequest>(random);
  }
  return nullptr;
}

}  // namespace sluice::balance
