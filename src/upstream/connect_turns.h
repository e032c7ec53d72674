#pragma once
// The order in which one worker begins to connect to pods, and how many connects may be without an
// answer at once.
//
// Thousands of addresses may come at once, and nobody may be behind most of them. SYNs to all of
// them in one turn would fill the rings of ports, and the answers of pods that are there would be
// lost among those of pods that are not. So few connects are under way at once, and services take
// turns. Pods whose last connect failed have a window of their own, so their number delays no pod
// that is tried for the first time.

#include <array>
#include <cstdint>

#include "base/list.h"
#include "base/timer_wheel.h"

namespace sluice::upstream {

class ConnectTurns {
 public:
  enum class Kind : uint8_t {
    kFirst,  // a new pod, one that was READY a moment ago, or one that there are news of
    kRetry,  // the last connect failed
  };
  static constexpr size_t kKinds = 2;

  // The connects without an answer, at most, by kind.
  static constexpr std::array<uint32_t, kKinds> kWindow{256, 64};
  // Begun in one turn of the worker, of each kind. A connect costs a few microseconds.
  static constexpr uint32_t kInATurn = 16;
  // A connect without an answer for so long is counted no more: nobody may ever answer it. Long
  // enough for a pod of the same data centre, and for the answers to a window's SYNs.
  static constexpr Duration kAnswerTime = 10ms;
  // As well for a pod that has answered, and owes its part of a handshake or its SETTINGS.
  static constexpr Duration kGreetingTime = 100ms;

  // A pod that may wait for its turn. Destruction ends the wait.
  class Waiter : public ListHook<Waiter> {
   public:
    // It is the pod's turn: begins to connect, or does nothing.
    virtual void connect(Kind kind) = 0;

   protected:
    ~Waiter() = default;
  };
  // The pods of one service that wait.
  struct Line : ListHook<Line> {
    List<Waiter, Waiter> waiting;
  };
  struct Lines {
    std::array<Line, kKinds> of;
  };

  // A connect that is under way, as a member of the connection. Destruction ends it.
  class Flight : public ListHook<Flight> {
   public:
    ~Flight() { land(); }
    // The pod has answered the SYN, or ended its part of TLS's handshake, and the rest of its
    // greeting is awaited.
    void on_answer(Time now);
    // Nothing is awaited any more.
    void land();

   private:
    friend class ConnectTurns;
    ConnectTurns* turns_ = nullptr;  // nullptr: not counted
    Kind kind_ = Kind::kFirst;
    Time until_{};
  };

  explicit ConnectTurns(TimerWheel& wheel) : wheel_(wheel), wake_([](void*, Time) {}, nullptr) {}
  ConnectTurns(const ConnectTurns&) = delete;

  // The waiter, which waits nowhere, goes to the end of its service's line. The lines outlive the
  // wait.
  void wait(Waiter& waiter, Lines& lines, Kind kind);
  // The connection has begun to connect.
  void depart(Flight& flight, Kind kind, Time now);
  // Once a turn of the worker: lets connects begin, as many as may.
  void run(Time now);

  uint32_t under_way(Kind kind) const { return classes_[index(kind)].count; }

 private:
  struct Class {
    List<Line, Line> lines;           // with waiters, though these may have left meanwhile
    List<Flight, Flight> unanswered;  // oldest first, as is the next
    List<Flight, Flight> greeted;
    uint32_t count = 0;
  };
  static size_t index(Kind kind) { return static_cast<size_t>(kind); }
  static void expire(List<Flight, Flight>& flights, Time now);
  static Waiter* next(Class& c);

  TimerWheel& wheel_;
  Timer wake_;  // only ends the worker's sleep
  std::array<Class, kKinds> classes_;
};

}  // namespace sluice::upstream
