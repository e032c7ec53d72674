#include "discovery/kubernetes/list_watch.h"

#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>

#include "discovery/kubernetes/json_fields.h"

namespace sluice::discovery::kubernetes {
namespace {

namespace json = boost::json;

constexpr unsigned kOk = 200;
constexpr unsigned kUnauthorized = 401;
constexpr unsigned kForbidden = 403;
constexpr unsigned kNotFound = 404;
constexpr unsigned kGone = 410;

// Continue tokens are base64 of a kind that may have characters with a meaning in a query.
std::string query_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string status_message(std::string_view body) {
  json::error_code error;
  const json::value v = json::parse(body, error);
  if (error || !v.is_object()) return {};
  try {
    return string_at(v.get_object(), "message");
  } catch (const Unreadable&) {
    return {};
  }
}

}  // namespace

std::string ListWatch::target() {
  if (!watching_) {
    if (continue_.empty()) kind_.begin_list();
    return fmt::format("{}?limit={}{}", path_, kPage,
                       continue_.empty() ? "" : "&continue=" + query_escaped(continue_));
  }
  const auto first = static_cast<uint64_t>(kWatch / 1s);
  return fmt::format("{}?watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
                     path_, query_escaped(resource_version_),
                     first + backoff_.random().below(first));
}

void ListWatch::head(Time now, unsigned status, std::optional<Duration> retry_after) {
  status_ = status;
  retry_after_ = retry_after;
  began_ = now;
  events_ = start_over_ = false;
  body_.clear();
  if (watching_ && status == kOk) {
    synced_ = true;
    error_.clear();
  }
}

bool ListWatch::body(Time, std::string_view bytes) {
  const bool events = watching_ && status_ == kOk;
  if (body_.size() + bytes.size() > (events ? kLargestEvent : kLargestPage)) {
    start_over_ = true;
    ++garbage_;
    return false;
  }
  if (!events) {
    body_ += bytes;
    return true;
  }
  for (size_t newline; (newline = bytes.find('\n')) != std::string_view::npos;
       bytes.remove_prefix(newline + 1)) {
    body_ += bytes.substr(0, newline);
    const std::string line = std::exchange(body_, {});
    if (!line.empty() && !read_event(line)) return false;
  }
  body_ += bytes;
  return true;
}

bool ListWatch::read_event(std::string_view line) {
  try {
    json::error_code error;
    const json::value v = json::parse(line, error);
    if (error || !v.is_object()) throw Unreadable("an event is not JSON");
    const std::string type = string_at(v.get_object(), "type");
    const json::object* object = object_at(v.get_object(), "object");
    if (!object) throw Unreadable("an event has no object");
    if (type == "ERROR") {
      error_ = fmt::format("the watch ended: {}", string_at(*object, "message"));
      start_over_ = true;
      const json::value* code = object->if_contains("code");
      if (code && code->is_int64() && code->get_int64() == kGone) status_ = kGone;
      return false;
    }
    const std::string version = metadata_string(*object, "resourceVersion");
    if (version.empty()) throw Unreadable("an event has no resourceVersion");
    if (type == "DELETED") {
      kind_.deleted(*object);
    } else if (type == "ADDED" || type == "MODIFIED") {
      kind_.changed(*object);
    } else if (type != "BOOKMARK") {
      throw Unreadable("an event is of the unknown type \"" + type + "\"");
    }
    resource_version_ = version;
    events_ = true;
    backoff_.reset();
    return true;
  } catch (const Unreadable& e) {
    // Nobody knows which object it was, so all are listed again.
    ++garbage_;
    error_ = e.what();
    start_over_ = true;
    return false;
  }
}

void ListWatch::end(Time now, bool whole, std::string_view why) {
  if (watching_) {
    end_watch(now, whole, why);
  } else {
    end_list(now, whole, why);
  }
  status_ = 0;
  body_.clear();
}

void ListWatch::end_list(Time now, bool whole, std::string_view why) {
  if (status_ == 0 || !whole) {
    fail(fmt::format("the list broke off: {}", why));
    continue_.clear();
  } else if (status_ == kGone && !continue_.empty()) {
    // The pages took longer than etcd keeps old states. A first time is no failure.
    continue_.clear();
    if (backoff_.failing()) {
      fail(refusal());
    } else {
      delay_ = backoff_.next();
    }
  } else if (status_ != kOk) {
    refused_ = status_ == kUnauthorized || status_ == kForbidden || status_ == kNotFound;
    fail(refusal());
    continue_.clear();
  } else {
    try {
      read_page(now);
    } catch (const Unreadable& e) {
      ++garbage_;
      fail(fmt::format("the list cannot be read: {}", e.what()));
      continue_.clear();
    }
  }
}

void ListWatch::read_page(Time) {
  json::error_code error;
  const json::value v = json::parse(body_, error);
  body_.clear();
  if (error) throw Unreadable("it is not JSON: " + error.message());
  if (!v.is_object()) throw Unreadable("it is not an object");
  const json::object& page = v.get_object();
  if (!string_at(page, "kind").ends_with("List")) throw Unreadable("its kind is not a list");
  if (!page.contains("items")) throw Unreadable("it has no items");
  const std::string version = metadata_string(page, "resourceVersion");
  if (version.empty()) throw Unreadable("it has no resourceVersion");
  const std::string next = metadata_string(page, "continue");
  if (const json::array* items = array_at(page, "items"))
    for (const json::value& item : *items) {
      if (!item.is_object()) throw Unreadable("an item is not an object");
      kind_.listed(item.get_object());
    }
  continue_ = next;
  delay_ = {};
  if (!next.empty()) return;
  kind_.end_list();
  resource_version_ = version;
  watching_ = listed_ = synced_ = true;
  refused_ = false;
  error_.clear();
}

void ListWatch::end_watch(Time now, bool whole, std::string_view why) {
  if (start_over_) {
    const bool expired = status_ == kGone && !backoff_.failing();
    if (expired) {
      start_over();
      delay_ = backoff_.next();
    } else {
      fail(error_.empty() ? std::string(why) : error_);
      start_over();
    }
    return;
  }
  if (status_ == kGone) {
    fail(refusal());
    start_over();
    return;
  }
  if (status_ != kOk) {
    fail(status_ == 0 || !whole ? fmt::format("no watch: {}", why) : refusal());
    return;
  }
  const bool lived = events_ || now - began_ >= kShortWatch;
  if (lived) backoff_.reset();
  if (whole && lived) {
    delay_ = {};
    return;
  }
  fail(whole ? "the server ends each watch at once" : fmt::format("the watch broke off: {}", why));
}

void ListWatch::start_over() {
  watching_ = synced_ = false;
  continue_.clear();
}

void ListWatch::fail(std::string why) {
  synced_ = false;
  error_ = std::move(why);
  delay_ = std::max(backoff_.next(), retry_after_.value_or(Duration{}));
  retry_after_.reset();
}

std::string ListWatch::refusal() const {
  const std::string message = status_message(body_);
  return fmt::format("the API server answers {}{}{}", status_, message.empty() ? "" : ": ",
                     message);
}

}  // namespace sluice::discovery::kubernetes
