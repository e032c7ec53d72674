#pragma once
// The conversation about one kind of objects with an API server: a list in pages, then a watch from
// the list's resourceVersion on, and what to do when either ends. Sans-IO: the owner sends the
// requests and hands in what comes back.
// kubernetes.io/docs/reference/using-api/api-concepts: "Efficient detection of changes",
// "Retrieving large results sets in chunks".

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/chrono.h"
#include "discovery/kubernetes/backoff.h"
#include "discovery/kubernetes/kind.h"

namespace sluice::discovery::kubernetes {

class ListWatch {
 public:
  // Objects of a page: some megabytes of JSON in a large cluster, which are read in one go.
  static constexpr unsigned kPage = 200;
  static constexpr size_t kLargestPage = size_t{256} << 20;  // bytes
  static constexpr size_t kLargestEvent = size_t{16} << 20;  // etcd's objects are below 2 MiB
  // A watch is asked to end after a time between the first and twice the first, so that watches
  // move to servers that have come back.
  static constexpr Duration kWatch = 240s;
  // Servers send a bookmark every minute. Without a byte for so long, a watch is dead.
  static constexpr Duration kWatchSilence = 150s;
  static constexpr Duration kListSilence = 30s;
  // A watch that ends sooner, and without an event, is a failure.
  static constexpr Duration kShortWatch = 1s;

  // path: like "/apis/discovery.k8s.io/v1/endpointslices". `kind` outlives this.
  ListWatch(std::string path, Kind& kind, uint64_t seed)
      : path_(std::move(path)), kind_(kind), backoff_(seed) {}

  // The next request, a GET, and the time that must pass before it is sent.
  std::string target();
  Duration delay() const { return delay_; }
  // Without a byte of the answer for so long, the answer has broken off.
  Duration patience() const { return watching_ ? kWatchSilence : kListSilence; }

  // The answer: its head, pieces of its body, its end. `now` never goes back.
  void head(Time now, unsigned status, std::optional<Duration> retry_after);
  // False: the rest is of no use, and the connection should be closed. end() follows.
  bool body(Time now, std::string_view bytes);
  // whole: the answer has ended as HTTP says. Otherwise it broke off, or there was none, and `why`
  // is the reason.
  void end(Time now, bool whole, std::string_view why);

  // Objects are up to date: a watch is open, or one that was is about to be opened again.
  bool synced() const { return synced_; }
  // The first list is complete, however long ago.
  bool listed() const { return listed_; }
  // The reason why there is no watch; empty while there is one, and after one that ended well.
  const std::string& error() const { return error_; }
  // The server has said that there is nothing for this client to list: 401, 403 or 404. An answer
  // that may be another one in a moment, or none, does not count.
  bool refused() const { return refused_; }
  // Events, pages or objects that were not JSON of the expected form.
  uint64_t garbage() const { return garbage_; }
  bool watching() const { return watching_; }

 private:
  void end_list(Time now, bool whole, std::string_view why);
  void end_watch(Time now, bool whole, std::string_view why);
  void read_page(Time now);
  // False after an event that ends the watch.
  bool read_event(std::string_view line);
  // Something went wrong: tries again later.
  void fail(std::string why);
  // Objects have to be listed again.
  void start_over();
  // The sentence of a Status object, or of the HTTP status alone.
  std::string refusal() const;

  std::string path_;
  Kind& kind_;
  Backoff backoff_;

  bool watching_ = false;  // the current or next request is a watch
  bool synced_ = false;
  bool listed_ = false;
  bool refused_ = false;
  std::string continue_;          // of the list under way
  std::string resource_version_;  // what is known so far
  Duration delay_{};
  std::string error_;
  uint64_t garbage_ = 0;

  // The answer under way.
  unsigned status_ = 0;
  std::optional<Duration> retry_after_;
  Time began_{};
  bool events_ = false;      // the watch has brought one
  bool start_over_ = false;  // the watch cannot go on from where it is
  std::string body_;         // a page, or the beginning of an event
};

}  // namespace sluice::discovery::kubernetes
