#include "options.h"

#include <charconv>
#include <cstdlib>
#include <iostream>

namespace sluice::lab {
namespace {

constexpr int kUsageError = 2;

void print_usage(std::ostream& out, const std::string& about,
                 const std::vector<OptionSpec>& specs) {
  out << about << "\n\n";
  for (const OptionSpec& spec : specs) {
    out << "  --" << spec.name << " (" << (spec.default_value.empty() ? "none" : spec.default_value)
        << ")  " << spec.help << "\n";
  }
}

}  // namespace

Options::Options(int argc, char** argv, const std::string& about,
                 const std::vector<OptionSpec>& specs) {
  for (const OptionSpec& spec : specs) values_[spec.name] = spec.default_value;
  for (int i = 1; i < argc; i += 2) {
    const std::string argument = argv[i];
    if (argument == "--help") {
      print_usage(std::cout, about, specs);
      std::exit(0);
    }
    const bool known = argument.rfind("--", 0) == 0 && values_.count(argument.substr(2)) == 1;
    if (!known || i + 1 >= argc) {
      std::cerr << argument << (known ? " needs a value" : " is not an option") << "\n";
      print_usage(std::cerr, about, specs);
      std::exit(kUsageError);
    }
    values_[argument.substr(2)] = argv[i + 1];
  }
}

const std::string& Options::text(const std::string& name) const {
  return values_.at(name);
}

std::uint64_t Options::number(const std::string& name) const {
  const std::string& value = values_.at(name);
  std::uint64_t result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc() || end != value.data() + value.size()) {
    std::cerr << "--" << name << ": " << value << " is not a whole number\n";
    std::exit(kUsageError);
  }
  return result;
}

}  // namespace sluice::lab
