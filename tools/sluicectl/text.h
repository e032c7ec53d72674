#pragma once
// Columns and numbers for people.

#include <cstdint>
#include <string>
#include <vector>

namespace sluicectl {

std::string count(uint64_t n);     // "1,234,567"
std::string bytes(uint64_t n);     // "512 B", "1.5 MiB"
std::string micros(double us);     // "850 us", "12.3 ms", "1.20 s"; "-" for none
std::string share(double of_one);  // "12.3 %"
std::string seconds(double s);     // "42 s", "3 h 07 min"

// Each line cut to `width` characters, with ">" at the end of those that were longer; 0: not cut.
std::string cut(const std::string& text, size_t width);

// Rows under headings; numbers stand to the right, so that digits line up.
class Columns {
 public:
  enum class Align : uint8_t { kLeft, kRight };

  void column(std::string heading, Align align = Align::kRight);
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string str() const;

 private:
  std::vector<std::string> headings_;
  std::vector<Align> aligns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sluicectl
