#include "admin/exposition.h"

#include <fmt/format.h>

namespace sluice::admin {
namespace {

// A label's value; of a help text only backslash and line feed matter, and there are none.
void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '"':
        out += "\\\"";
        break;
      case '\n':
        out += "\\n";
        break;
      default:
        out += c;
    }
  }
}

}  // namespace

std::string_view text_of(Exposition::Type type) {
  switch (type) {
    case Exposition::Type::kCounter:
      return "counter";
    case Exposition::Type::kGauge:
      return "gauge";
    case Exposition::Type::kHistogram:
      return "histogram";
  }
  return "";
}

void Exposition::family(std::string_view name, Type type, std::string_view help) {
  families_.push_back({std::string(name), type, std::string(help), {}});
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, text_of(type));
}

void Exposition::sample(Labels labels, double value) {
  sample("", labels, fmt::format("{}", value));
}

void Exposition::sample(std::string_view suffix, Labels labels, std::string_view value) {
  Family& family = families_.back();
  text_ += family.name;
  text_ += suffix;
  const bool first = family.labels.empty();
  char before = '{';
  for (const auto& [name, text] : labels) {
    text_ += before;
    before = ',';
    text_ += name;
    text_ += "=\"";
    append_escaped(text_, text);
    text_ += '"';
    if (first && name != "le") {
      if (!family.labels.empty()) family.labels += ", ";
      family.labels += name;
    }
  }
  text_ += before == ',' ? "} " : " ";
  text_ += value;
  text_ += '\n';
}

}  // namespace sluice::admin
