#include "discovery/dns/name_watch.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace sluice::discovery::dns {
namespace {

constexpr uint32_t kLargestWeight = 1000;

}  // namespace

NameWatch::NameWatch(Target target, Duration max_ttl)
    : target_(std::move(target)), max_ttl_(std::max(max_ttl, kLeastTtl)) {
  if (target_.number()) {
    add(target_.host, Type::kA);
    add(target_.host, Type::kAaaa);
  } else {
    add(fmt::format("_{}._tcp.{}", target_.port, target_.host), Type::kSrv);
  }
}

void NameWatch::add(const std::string& name, Type type) {
  questions_.try_emplace({name, type});
}

std::vector<NameWatch::Question> NameWatch::due(Time now) {
  std::vector<Question> out;
  for (auto& [question, state] : questions_) {
    if (state.asked || state.due > now) continue;
    state.asked = true;
    state.when_asked = now;
    out.push_back(question);
  }
  return out;
}

Time NameWatch::next() const {
  Time next = kNever;
  for (const auto& [question, state] : questions_)
    if (!state.asked) next = std::min(next, state.due);
  return next;
}

void NameWatch::answer(Time now, const Question& question, const Result& result) {
  const auto found = questions_.find(question);
  if (found == questions_.end()) return;  // of an SRV target that has gone
  State& s = found->second;
  s.asked = false;
  s.failed = result.kind == Result::Kind::kFailure;
  if (!s.failed) s.listed = true;
  s.why = result.why;
  if (result.kind == Result::Kind::kRecords) {
    s.records = result.records;
    s.answered = true;
    s.none = false;
    s.delay = {};
    const auto least =
        std::min_element(s.records.begin(), s.records.end(),
                         [](const Record& a, const Record& b) { return a.ttl < b.ttl; });
    s.due = now + std::clamp<Duration>(std::chrono::seconds(least->ttl), kLeastTtl, max_ttl_);
  } else {
    s.delay = std::clamp<Duration>(s.delay * 2, kLeastTtl, std::min(max_ttl_, kLongestWithout));
    s.due = now + s.delay;
    // A first failure must not hold up the other family's answer, and tells nothing.
    s.answered = true;
    if (!s.failed) s.none = true;
  }
  if (question.second == Type::kSrv) {
    follow_targets();
  } else {
    compare_families(now, question);
  }
  error_.clear();
  for (const auto& [q, state] : questions_)
    if (state.failed) error_ = fmt::format("{}: {}", q.first, state.why);
  if (error_.empty() && !endpoints()) error_ = fmt::format("{} has no address", target_.str());
}

void NameWatch::ask_soon(Time now, State& state) {
  state.due = std::min(state.due, std::max(now, state.when_asked + kLeastTtl));
}

void NameWatch::doubt(Time now) {
  for (auto& [question, state] : questions_) ask_soon(now, state);
}

// A name without addresses keeps those that it had. A name that has addresses of one family only
// has lost those of the other. Only an answer that is newer than the negative one tells the two
// apart.
void NameWatch::compare_families(Time now, const Question& answered) {
  const Type other = answered.second == Type::kA ? Type::kAaaa : Type::kA;
  State& mine = questions_.at(answered);
  State& theirs = questions_.at({answered.first, other});
  if (mine.none && !mine.records.empty() && !theirs.none) ask_soon(now, theirs);
  if (!mine.none && !mine.failed && theirs.none) theirs.records.clear();
}

// The addresses of the targets of SRV records are questions of their own.
void NameWatch::follow_targets() {
  std::set<std::string> targets;
  for (const auto& [question, state] : questions_)
    if (question.second == Type::kSrv)
      for (const Record& r : state.records) targets.insert(r.target);
  std::erase_if(questions_, [&](const auto& entry) {
    return entry.first.second != Type::kSrv && !targets.contains(entry.first.first);
  });
  for (const std::string& t : targets) {
    add(t, Type::kA);
    add(t, Type::kAaaa);
  }
}

void NameWatch::add_addresses(const std::string& host, uint16_t port, uint32_t weight,
                              EndpointSet& out) const {
  for (const Type family : {Type::kA, Type::kAaaa})
    for (const Record& r : questions_.at({host, family}).records)
      out.push_back(
          {.address = {r.address, port}, .id = {}, .conditions = {}, .zone = {}, .weight = weight});
}

bool NameWatch::answered() const {
  return std::all_of(questions_.begin(), questions_.end(),
                     [](const auto& entry) { return entry.second.answered; });
}

bool NameWatch::listed() const {
  return std::all_of(questions_.begin(), questions_.end(),
                     [](const auto& entry) { return entry.second.listed; });
}

std::optional<EndpointSet> NameWatch::endpoints() const {
  if (!answered()) return std::nullopt;
  EndpointSet out;
  if (const auto number = target_.number()) {
    add_addresses(target_.host, *number, 1, out);
  } else {
    const auto& records =
        questions_.at({fmt::format("_{}._tcp.{}", target_.port, target_.host), Type::kSrv}).records;
    uint16_t priority = UINT16_MAX;
    for (const Record& r : records) priority = std::min(priority, r.priority);
    for (const Record& r : records)
      if (r.priority == priority)
        add_addresses(r.target, r.port, std::clamp<uint32_t>(r.weight, 1, kLargestWeight), out);
  }
  // Servers rotate their answers.
  std::sort(out.begin(), out.end(),
            [](const Endpoint& x, const Endpoint& y) { return x.address < y.address; });
  const auto same = [](const Endpoint& x, const Endpoint& y) { return x.address == y.address; };
  out.erase(std::unique(out.begin(), out.end(), same), out.end());
  if (out.empty()) return std::nullopt;
  return out;
}

}  // namespace sluice::discovery::dns
