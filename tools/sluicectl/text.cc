#include "sluicectl/text.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluicectl {

std::string count(uint64_t n) {
  std::string s = std::to_string(n);
  for (size_t i = s.size(); i > 3; i -= 3) s.insert(i - 3, ",");
  return s;
}

std::string bytes(uint64_t n) {
  if (n < 1024) return fmt::format("{} B", n);
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(n) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string micros(double us) {
  if (us <= 0) return "-";
  if (us < 1000) return fmt::format("{:.0f} us", us);
  if (us < 1e6) return fmt::format("{:.1f} ms", us / 1000);
  return fmt::format("{:.2f} s", us / 1e6);
}

std::string share(double of_one) {
  return fmt::format("{:.1f} %", of_one * 100);
}

std::string seconds(double s) {
  const auto whole = static_cast<uint64_t>(s);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {:02} h", whole / 86'400, whole / 3600 % 24);
}

std::string cut(const std::string& text, size_t width) {
  if (width == 0) return text;
  std::string out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (end - begin > width) {
      out += text.substr(begin, width - 1) + ">";
    } else {
      out += text.substr(begin, end - begin);
    }
    if (end < text.size()) out += '\n';
    begin = end + 1;
  }
  return out;
}

void Columns::column(std::string heading, Align align) {
  headings_.push_back(std::move(heading));
  aligns_.push_back(align);
}

std::string Columns::str() const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < headings_.size(); ++i) {
    size_t width = headings_[i].size();
    for (const auto& r : rows_) width = std::max(width, r[i].size());
    widths.push_back(width);
  }
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string gap = i == 0 ? "" : "  ";
      text += gap + (aligns_[i] == Align::kLeft ? fmt::format("{:<{}}", cells[i], widths[i])
                                                : fmt::format("{:>{}}", cells[i], widths[i]));
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line(headings_);
  for (const auto& r : rows_) line(r);
  return out;
}

}  // namespace sluicectl
