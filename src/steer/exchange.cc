#include "steer/exchange.h"

namespace sluice::steer {

Exchange::Exchange(unsigned workers) : workers_(workers) {
  for (unsigned from = 0; from < workers; ++from)
    for (unsigned to = 0; to < workers; ++to)
      ways_.push_back(from == to ? nullptr : std::make_unique<Way>());
}

}  // namespace sluice::steer
