#pragma once
// A TOML file, whose tables are read key by key. Wrong types, values out of range and keys that no
// reader asked for become mistakes with file and line.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <toml.hpp>

#include "base/chrono.h"
#include "loader/mistakes.h"

namespace sluice::loader {

class Document {
 public:
  // nullopt when the file cannot be read or is not TOML; a mistake gives the reason. `referred_at`
  // (file and line, text empty) is the place of the mistake if the file cannot be opened; nullptr
  // for the first line of the file itself.
  static std::optional<Document> open(const std::filesystem::path& path, const Mistake* referred_at,
                                      Mistakes& mistakes);

  const std::string& file() const { return file_; }
  const std::filesystem::path& path() const { return path_; }
  const toml::value& root() const { return root_; }

  // Resolves a path that the file names: a relative path starts at the file's own directory.
  std::filesystem::path resolve(const std::string& path) const;

 private:
  Document(std::filesystem::path path, toml::value root)
      : path_(std::move(path)), file_(path_.string()), root_(std::move(root)) {}

  std::filesystem::path path_;
  std::string file_;
  toml::value root_;
};

// One table of a document. Getters leave `out` unchanged when the key is absent or wrong. finish()
// reports the keys that no getter asked for.
class Table {
 public:
  // name: the table's name in mistakes, like "[[port]]" or "the file". path: the keys from the root
  // of the document to the table, like "guards.resets"; empty for the root. The document outlives
  // the table.
  Table(const Document& document, const toml::value& value, std::string name, Mistakes& mistakes,
        std::string path = {})
      : document_(&document),
        value_(&value),
        name_(std::move(name)),
        path_(std::move(path)),
        mistakes_(&mistakes) {}

  const Document& document() const { return *document_; }
  bool has(std::string_view key);
  bool is_table(std::string_view key);

  // False when the key is absent or wrong. A `required` key that is absent is a mistake.
  bool string(std::string_view key, std::string& out, bool required = false);
  bool boolean(std::string_view key, bool& out);
  bool duration(std::string_view key, Duration& out, Duration least, Duration most);
  bool strings(std::string_view key, std::vector<std::string>& out);
  // A single string counts as an array of one.
  bool string_or_strings(std::string_view key, std::vector<std::string>& out, bool required);
  template <class Int>
  bool integer(std::string_view key, Int& out, int64_t least, int64_t most) {
    const auto n = read_integer(key, least, most);
    if (n) out = static_cast<Int>(*n);
    return n.has_value();
  }
  template <class Int>
  bool integers(std::string_view key, std::vector<Int>& out, int64_t least, int64_t most) {
    const auto all = read_integers(key, least, most);
    if (all) out.assign(all->begin(), all->end());
    return all.has_value();
  }

  std::optional<Table> table(std::string_view key);
  // An array of tables, [[key]] or [{...}]; empty when absent or wrong.
  std::vector<Table> tables(std::string_view key);

  // The index of the value among `allowed`; nullopt when absent or wrong.
  std::optional<size_t> choice(std::string_view key,
                               std::initializer_list<std::string_view> allowed);

  void mistake(std::string text) { mistake_at(*value_, std::move(text)); }
  // Adds a mistake at the line of the key's value, or of the table when there is no value.
  void mistake(std::string_view key, std::string text);
  // The place of a key's value; `text` may be empty.
  Mistake place(std::string_view key, std::string text = {}) const;

  void finish();

 private:
  std::string path_of(std::string_view key) const;
  const toml::value* find(std::string_view key);
  const toml::value* find(std::string_view key) const;
  void mistake_at(const toml::value& value, std::string text);
  void wrong_type(std::string_view key, const toml::value& value, std::string_view wanted);
  std::optional<int64_t> read_integer(std::string_view key, int64_t least, int64_t most);
  std::optional<std::vector<int64_t>> read_integers(std::string_view key, int64_t least,
                                                    int64_t most);

  const Document* document_;
  const toml::value* value_;
  std::string name_;
  std::string path_;
  Mistakes* mistakes_;
  std::vector<std::string> asked_;
};

}  // namespace sluice::loader
