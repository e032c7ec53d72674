#pragma once
// Reads messages of HTTP/1.1 as clients and pods do, apart from the appliance's own parser.

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"

namespace sluice::sim {

struct Http1Head {
  std::string first_line;
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case

  std::optional<std::string> find(std::string_view name) const {
    for (const auto& [n, value] : fields)
      if (n == name) return value;
    return std::nullopt;
  }
  // The n-th word of the first line.
  std::string word(size_t n) const {
    std::string_view rest = first_line;
    for (; n > 0; --n) rest.remove_prefix(std::min(rest.find(' ') + 1, rest.size()));
    return std::string(rest.substr(0, rest.find(' ')));
  }
};

class Http1Reader {
 public:
  enum class Body : uint8_t { kNone, kByFields, kUntilClose };
  struct Owner {
    virtual Body on_head(const Http1Head& head) = 0;  // whether a body follows
    virtual void on_body(std::string_view bytes) = 0;
    virtual void on_message_end(const Http1Head& trailers) = 0;
    virtual void on_nonsense(const std::string& what) = 0;

   protected:
    ~Owner() = default;
  };
  explicit Http1Reader(Owner& owner) : owner_(owner) {}

  void take(std::string_view bytes) {
    text_ += bytes;
    while (!stopped_ && step()) {
    }
  }
  void stop() { stopped_ = true; }
  // What stop() has left unread.
  std::string take_rest() { return std::exchange(text_, {}); }
  // A part of a message has come.
  bool within() const { return state_ != State::kHead || !text_.empty(); }
  bool in_body() const { return state_ != State::kHead; }
  // The stream has ended by its own mark.
  void on_end() {
    if (state_ != State::kUntilClose) return;
    state_ = State::kHead;
    owner_.on_message_end({});
  }

 private:
  enum class State : uint8_t { kHead, kLength, kSize, kChunk, kChunkEnd, kTrailers, kUntilClose };

  // False: more bytes are needed.
  bool step() {
    switch (state_) {
      case State::kHead:
        return read_head();
      case State::kLength:
      case State::kChunk:
      case State::kUntilClose:
        return read_body();
      case State::kSize: {
        const auto line = take_line();
        if (!line) return false;
        if (std::from_chars(line->data(), line->data() + line->size(), left_, 16).ptr !=
                line->data() + line->size() ||
            line->empty())
          return nonsense("a chunk size: " + *line);
        state_ = left_ == 0 ? State::kTrailers : State::kChunk;
        return true;
      }
      case State::kChunkEnd: {
        const auto line = take_line();
        if (!line) return false;
        if (!line->empty()) return nonsense("a chunk's end: " + *line);
        state_ = State::kSize;
        return true;
      }
      case State::kTrailers: {
        Http1Head trailers;
        if (text_.starts_with("\r\n")) {
          text_.erase(0, 2);
        } else if (!take_fields(trailers, false)) {
          return false;
        }
        state_ = State::kHead;
        owner_.on_message_end(trailers);
        return true;
      }
    }
    return false;
  }
  bool read_head() {
    Http1Head head;
    if (!take_fields(head, true)) return false;
    const Body body = owner_.on_head(head);
    if (stopped_) return false;
    const auto coding = head.find("transfer-encoding");
    const auto length = head.find("content-length");
    if (coding && length) return nonsense("two lengths");
    if (body == Body::kNone) {
      return true;
    }
    if (coding) {
      if (*coding != "chunked") return nonsense("a coding: " + *coding);
      state_ = State::kSize;
      return true;
    }
    left_ = 0;
    if (length) std::from_chars(length->data(), length->data() + length->size(), left_);
    if (!length && body == Body::kUntilClose) {
      state_ = State::kUntilClose;
    } else if (left_ > 0) {
      state_ = State::kLength;
    } else {
      owner_.on_message_end({});
    }
    return true;
  }
  bool read_body() {
    if (text_.empty()) return false;
    const size_t n = state_ == State::kUntilClose ? text_.size() : std::min(left_, text_.size());
    const std::string piece = text_.substr(0, n);
    text_.erase(0, n);
    if (state_ != State::kUntilClose) left_ -= n;
    const bool end = state_ != State::kUntilClose && left_ == 0;
    const bool whole = state_ == State::kLength && end;
    if (end) state_ = state_ == State::kChunk ? State::kChunkEnd : State::kHead;
    owner_.on_body(piece);
    if (whole && !stopped_) owner_.on_message_end({});
    return true;
  }
  std::optional<std::string> take_line() {
    const size_t end = text_.find("\r\n");
    if (end == std::string::npos) return std::nullopt;
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 2);
    return line;
  }
  bool take_fields(Http1Head& head, bool first) {
    const size_t end = text_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    if (first) head.first_line = *take_line();
    for (;;) {
      std::string line = *take_line();
      if (line.empty()) return true;
      const size_t colon = line.find(':');
      if (colon == std::string::npos) return nonsense("a field: " + line);
      std::string name = line.substr(0, colon);
      for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      size_t from = colon + 1;
      while (from < line.size() && line[from] == ' ') ++from;
      head.fields.emplace_back(std::move(name), line.substr(from));
    }
  }
  bool nonsense(const std::string& what) {
    stopped_ = true;
    owner_.on_nonsense(what);
    return false;
  }

  Owner& owner_;
  State state_ = State::kHead;
  std::string text_;
  size_t left_ = 0;
  bool stopped_ = false;
};

// A body's piece as its framing has it.
inline std::string http1_piece(std::string_view bytes, bool chunked, Random& random) {
  if (!chunked) return std::string(bytes);
  std::string out;
  while (!bytes.empty()) {
    const size_t n = std::min<size_t>(bytes.size(), 5 + random.below(9'000));
    char size[20];
    const auto end = std::to_chars(size, size + sizeof size, n, 16).ptr;
    out.append(size, end);
    out += "\r\n";
    out += bytes.substr(0, n);
    out += "\r\n";
    bytes.remove_prefix(n);
  }
  return out;
}

}  // namespace sluice::sim
