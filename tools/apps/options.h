// Command line options of the form --name VALUE, for the lab's two programs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sluice::lab {

struct OptionSpec {
  std::string name;           // without the dashes
  std::string default_value;  // what value() gives when the option is absent
  std::string help;
};

class Options {
 public:
  // Prints the usage to standard error and exits with code 2 on an unknown option or a missing
  // value; --help exits with 0.
  Options(int argc, char** argv, const std::string& about, const std::vector<OptionSpec>& specs);

  const std::string& text(const std::string& name) const;
  // Exits with code 2 when the value is not a number.
  std::uint64_t number(const std::string& name) const;

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace sluice::lab
