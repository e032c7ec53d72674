#include "loader/document.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "loader/units.h"

namespace sluice::loader {
namespace {

std::string_view type_name(const toml::value& v) {
  switch (v.type()) {
    case toml::value_t::boolean:
      return "a boolean";
    case toml::value_t::integer:
      return "an integer";
    case toml::value_t::floating:
      return "a floating point number";
    case toml::value_t::string:
      return "a string";
    case toml::value_t::array:
      return "an array";
    case toml::value_t::table:
      return "a table";
    default:
      return "a date or time";
  }
}

// An explanation of toml11 takes several lines, begins with its function's name, and shows the
// place itself.
std::string first_line(std::string_view what) {
  what = what.substr(0, what.find('\n'));
  for (std::string_view prefix : {"[error] ", "toml::"})
    if (what.starts_with(prefix)) {
      what.remove_prefix(prefix.size());
      if (prefix == "toml::" && what.find(": ") != std::string_view::npos)
        what.remove_prefix(what.find(": ") + 2);
    }
  return std::string(what);
}

// The mistake in a line that is not TOML. For the commonest mistake, a value without quotes, the
// parser's own words do not help.
std::string explanation(std::string_view what, const std::string& text, uint32_t line) {
  std::istringstream lines(text);
  std::string shown;
  for (uint32_t i = 0; i < line; ++i)
    if (!std::getline(lines, shown)) shown.clear();
  shown.erase(0, shown.find_first_not_of(" \t"));
  constexpr size_t kLongest = 80;  // characters of the line that are shown
  if (shown.size() > kLongest) shown = shown.substr(0, kLongest) + "...";
  std::string why = first_line(what);
  if (why.empty() || why.find("unknown value appeared") != std::string::npos)
    why =
        "this value is neither text in quotes, like name = \"north\", nor a number, true, false, "
        "an array or a table";
  if (shown.empty()) return "not TOML: " + why;
  return fmt::format("not TOML: {}: {}", why, shown);
}

std::string join(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

uint32_t line_of(const toml::value& v) {
  return v.location().line();
}

}  // namespace

std::optional<Document> Document::open(const std::filesystem::path& path,
                                       const Mistake* referred_at, Mistakes& mistakes) {
  std::ostringstream text;
  std::error_code ignored;
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path, ignored) || !(text << in.rdbuf())) {
    // To insert nothing at all, the content of an empty file, fails as well.
    if (!in.is_open() || std::filesystem::is_directory(path, ignored)) {
      Mistake m = referred_at ? *referred_at : Mistake{path.string(), 1, {}};
      const char* why =
          std::filesystem::is_directory(path, ignored) ? "it is a directory" : std::strerror(errno);
      m.text =
          fmt::format("cannot read {}: {}; a readable TOML file is needed", path.string(), why);
      mistakes.push_back(std::move(m));
      return std::nullopt;
    }
  }
  try {
    std::istringstream stream(text.str());
    return Document(path, toml::parse(stream, path.string()));
  } catch (const toml::exception& e) {
    const uint32_t line = e.location().line();
    mistakes.push_back({path.string(), line, explanation(e.what(), text.str(), line)});
  } catch (const std::exception& e) {
    mistakes.push_back({path.string(), 1, "not TOML: " + first_line(e.what())});
  }
  return std::nullopt;
}

std::filesystem::path Document::resolve(const std::string& path) const {
  return path_.parent_path() / path;
}

const toml::value* Table::find(std::string_view key) const {
  const auto& table = value_->as_table();
  const auto it = table.find(std::string(key));
  return it == table.end() ? nullptr : &it->second;
}

const toml::value* Table::find(std::string_view key) {
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.emplace_back(key);
  return std::as_const(*this).find(key);
}

bool Table::has(std::string_view key) {
  return find(key) != nullptr;
}

bool Table::is_table(std::string_view key) {
  const toml::value* v = find(key);
  return v && v->is_table();
}

std::string Table::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

Mistake Table::place(std::string_view key, std::string text) const {
  const toml::value* v = find(key);
  return {document_->file(), line_of(v ? *v : *value_), std::move(text)};
}

void Table::mistake_at(const toml::value& value, std::string text) {
  mistakes_->push_back({document_->file(), line_of(value), std::move(text)});
}

void Table::mistake(std::string_view key, std::string text) {
  mistakes_->push_back(place(key, std::move(text)));
}

void Table::wrong_type(std::string_view key, const toml::value& value, std::string_view wanted) {
  mistake_at(value, fmt::format("{} is {}; it must be {}", key, type_name(value), wanted));
}

bool Table::string(std::string_view key, std::string& out, bool required) {
  const toml::value* v = find(key);
  if (!v) {
    if (required) mistake(fmt::format("{} lacks {}, a string", name_, key));
    return false;
  }
  if (!v->is_string()) {
    wrong_type(key, *v, "a string");
    return false;
  }
  if (v->as_string().str.empty()) {
    mistake_at(*v, fmt::format("{} is empty; it must say something", key));
    return false;
  }
  out = v->as_string().str;
  return true;
}

bool Table::boolean(std::string_view key, bool& out) {
  const toml::value* v = find(key);
  if (!v) return false;
  if (!v->is_boolean()) {
    wrong_type(key, *v, "true or false");
    return false;
  }
  out = v->as_boolean();
  return true;
}

bool Table::duration(std::string_view key, Duration& out, Duration least, Duration most) {
  const toml::value* v = find(key);
  if (!v) return false;
  if (!v->is_string()) {
    wrong_type(key, *v, kDurationForm);
    return false;
  }
  const std::string& text = v->as_string().str;
  const auto d = parse_duration(text);
  if (!d) {
    mistake_at(
        *v, fmt::format("{} = \"{}\" is not a duration; it must be {}", key, text, kDurationForm));
    return false;
  }
  if (*d < least || *d > most) {
    const auto in_ms = [](Duration x) { return x / std::chrono::milliseconds(1); };
    mistake_at(*v, fmt::format("{} = \"{}\" is out of range; allowed are {}ms to {}ms", key, text,
                               in_ms(least), in_ms(most)));
    return false;
  }
  out = *d;
  return true;
}

std::optional<int64_t> Table::read_integer(std::string_view key, int64_t least, int64_t most) {
  const toml::value* v = find(key);
  if (!v) return std::nullopt;
  if (!v->is_integer()) {
    wrong_type(key, *v, fmt::format("an integer from {} to {}", least, most));
    return std::nullopt;
  }
  const int64_t n = v->as_integer();
  if (n < least || n > most) {
    mistake_at(*v,
               fmt::format("{} = {} is out of range; allowed are {} to {}", key, n, least, most));
    return std::nullopt;
  }
  return n;
}

std::optional<std::vector<int64_t>> Table::read_integers(std::string_view key, int64_t least,
                                                         int64_t most) {
  const toml::value* v = find(key);
  if (!v) return std::nullopt;
  const std::string wanted = fmt::format("an array of integers from {} to {}", least, most);
  if (!v->is_array()) {
    wrong_type(key, *v, wanted);
    return std::nullopt;
  }
  std::vector<int64_t> out;
  for (const toml::value& item : v->as_array()) {
    if (!item.is_integer() || item.as_integer() < least || item.as_integer() > most) {
      mistake_at(item, fmt::format("{} must be {}", key, wanted));
      return std::nullopt;
    }
    out.push_back(item.as_integer());
  }
  return out;
}

bool Table::strings(std::string_view key, std::vector<std::string>& out) {
  const toml::value* v = find(key);
  if (!v) return false;
  if (!v->is_array()) {
    wrong_type(key, *v, "an array of strings");
    return false;
  }
  std::vector<std::string> all;
  for (const toml::value& item : v->as_array()) {
    if (!item.is_string()) {
      mistake_at(item, fmt::format("{} contains {}; it must be an array of strings", key,
                                   type_name(item)));
      return false;
    }
    all.push_back(item.as_string().str);
  }
  out = std::move(all);
  return true;
}

bool Table::string_or_strings(std::string_view key, std::vector<std::string>& out, bool required) {
  const toml::value* v = find(key);
  if (v && v->is_array()) return strings(key, out);
  std::string one;
  if (!string(key, one, required)) return false;
  out = {one};
  return true;
}

std::optional<Table> Table::table(std::string_view key) {
  const toml::value* v = find(key);
  if (!v) return std::nullopt;
  if (!v->is_table()) {
    wrong_type(key, *v, fmt::format("a table, written [{}]", path_of(key)));
    return std::nullopt;
  }
  const std::string path = path_of(key);
  return Table(*document_, *v, fmt::format("[{}]", path), *mistakes_, path);
}

std::vector<Table> Table::tables(std::string_view key) {
  std::vector<Table> out;
  const toml::value* v = find(key);
  if (!v) return out;
  if (!v->is_array()) {
    wrong_type(key, *v, fmt::format("an array of tables, written [[{}]]", path_of(key)));
    return out;
  }
  for (const toml::value& item : v->as_array()) {
    if (!item.is_table()) {
      mistake_at(
          item, fmt::format("{} contains {}; it must be an array of tables", key, type_name(item)));
      continue;
    }
    const std::string path = path_of(key);
    out.emplace_back(*document_, item, fmt::format("[[{}]]", path), *mistakes_, path);
  }
  return out;
}

std::optional<size_t> Table::choice(std::string_view key,
                                    std::initializer_list<std::string_view> allowed) {
  std::string text;
  if (!string(key, text)) return std::nullopt;
  const auto it = std::find(allowed.begin(), allowed.end(), text);
  if (it != allowed.end()) return static_cast<size_t>(it - allowed.begin());
  mistake(key,
          fmt::format("{} = \"{}\" is unknown; allowed: {}", key, text, fmt::join(allowed, ", ")));
  return std::nullopt;
}

void Table::finish() {
  for (const auto& [key, value] : value_->as_table())
    if (std::find(asked_.begin(), asked_.end(), key) == asked_.end())
      mistake_at(value, fmt::format("unknown key {} in {}; allowed: {}", key, name_, join(asked_)));
}

}  // namespace sluice::loader
