#pragma once
// What is wrong with a configuration: all of it, so that nobody has to find mistakes one by one.

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::loader {

struct Mistake {
  std::string file;
  uint32_t line = 1;
  std::string text;  // what is wrong, what is allowed

  std::string str() const { return file + ":" + std::to_string(line) + ": " + text; }
};

using Mistakes = std::vector<Mistake>;

}  // namespace sluice::loader
