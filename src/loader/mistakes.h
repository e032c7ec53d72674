#pragma once
// All mistakes of a configuration, so that nobody has to find them one by one.

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::loader {

struct Mistake {
  std::string file;
  uint32_t line = 1;
  std::string text;  // the mistake, and the allowed values

  std::string str() const { return file + ":" + std::to_string(line) + ": " + text; }
};

using Mistakes = std::vector<Mistake>;

}  // namespace sluice::loader
