#include "upstream/connect_turns.h"

#include <algorithm>
#include <utility>

namespace sluice::upstream {

void ConnectTurns::Flight::on_answer(Time now) {
  if (turns_ == nullptr) return;
  unlink();
  until_ = now + kGreetingTime;
  turns_->classes_[index(kind_)].greeted.push_back(*this);
}

void ConnectTurns::Flight::land() {
  if (turns_ == nullptr) return;
  unlink();
  --std::exchange(turns_, nullptr)->classes_[index(kind_)].count;
}

void ConnectTurns::wait(Waiter& waiter, Lines& lines, Kind kind) {
  Line& line = lines.of[index(kind)];
  line.waiting.push_back(waiter);
  if (!line.linked()) classes_[index(kind)].lines.push_back(line);
}

void ConnectTurns::depart(Flight& flight, Kind kind, Time now) {
  Class& c = classes_[index(kind)];
  flight.turns_ = this;
  flight.kind_ = kind;
  flight.until_ = now + kAnswerTime;
  c.unanswered.push_back(flight);
  ++c.count;
}

void ConnectTurns::expire(List<Flight, Flight>& flights, Time now) {
  while (!flights.empty() && flights.front().until_ <= now) flights.front().land();
}

// A waiter that was destroyed, or waits no more, may have left its line empty.
ConnectTurns::Waiter* ConnectTurns::next(Class& c) {
  while (Line* line = c.lines.pop_front()) {
    Waiter* waiter = line->waiting.pop_front();
    if (waiter == nullptr) continue;
    if (!line->waiting.empty()) c.lines.push_back(*line);
    return waiter;
  }
  return nullptr;
}

void ConnectTurns::run(Time now) {
  Time wake = kNever;
  for (size_t k = 0; k < kKinds; ++k) {
    Class& c = classes_[k];
    if (c.lines.empty()) continue;
    expire(c.unanswered, now);
    expire(c.greeted, now);
    for (uint32_t begun = 0; begun < kInATurn && c.count < kWindow[k]; ++begun) {
      Waiter* waiter = next(c);
      if (waiter == nullptr) break;
      waiter->connect(static_cast<Kind>(k));
    }
    if (c.lines.empty()) continue;
    if (c.count < kWindow[k]) wake = now;
    for (auto* flights : {&c.unanswered, &c.greeted})
      if (!flights->empty()) wake = std::min(wake, flights->front().until_);
  }
  if (wake != kNever) wheel_.arm(wake_, wake);
}

}  // namespace sluice::upstream
