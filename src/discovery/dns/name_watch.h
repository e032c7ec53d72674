#pragma once
// The endpoints behind a name of DNS, and when to ask for them again. Sans-IO: the owner asks, and
// hands in the results.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/chrono.h"
#include "discovery/dns/result.h"
#include "discovery/dns/target.h"
#include "discovery/endpoint_set.h"

namespace sluice::discovery::dns {

class NameWatch {
 public:
  using Question = std::pair<std::string, Type>;

  // No TTL counts as less: a name with TTL 0 is asked for once a second.
  static constexpr Duration kLeastTtl = 1s;
  // A name without pods may get some at any moment.
  static constexpr Duration kLongestWithout = 5s;

  NameWatch(Target target, Duration max_ttl);

  // The questions that are due, which the caller asks now.
  std::vector<Question> due(Time now);
  // When questions are due next; kNever while all that are due have been asked.
  Time next() const;
  void answer(Time now, const Question& question, const Result& result);
  // Some endpoint was not there: everything is due now, but not more often than the least TTL.
  void doubt(Time now);

  // nullopt: the first answers are not complete, or none has brought an endpoint. Records stay when
  // an answer has none, or does not come, unless the name has addresses of the other family only.
  std::optional<EndpointSet> endpoints() const;
  // Each question has been answered once, if only by a failure.
  bool answered() const;
  // Each question has brought records once, or the news that there are none. A failure tells
  // nothing.
  bool listed() const;
  // Of the question that failed last, and has not succeeded since; empty when there is none.
  const std::string& error() const { return error_; }

 private:
  struct State {
    std::vector<Record> records;  // the last that were there
    bool answered = false;
    bool listed = false;  // other than by a failure
    bool none = false;    // the last answer had no records
    bool failed = false;
    std::string why;     // of the failure
    bool asked = false;  // and not answered yet
    Time due{};
    Time when_asked{};
    Duration delay{};  // after failures
  };

  void add(const std::string& name, Type type);
  void follow_targets();
  void compare_families(Time now, const Question& answered);
  static void ask_soon(Time now, State& state);
  void add_addresses(const std::string& host, uint16_t port, uint32_t weight,
                     EndpointSet& out) const;

  Target target_;
  Duration max_ttl_;
  std::map<Question, State> questions_;
  std::string error_;
};

}  // namespace sluice::discovery::dns
