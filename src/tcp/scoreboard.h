#pragma once
// The segments that were sent and are not yet cumulatively acknowledged. Each has the time when it
// left, and whether it was SACKed (RFC 2018), counts as lost, or was retransmitted. Gives pipe (RFC
// 6675) in constant time, and the order of transmission that RACK walks (RFC 8985).

#include <cstdint>

#include "base/chrono.h"
#include "base/list.h"
#include "base/prefetch.h"
#include "base/slab.h"
#include "tcp/rack.h"
#include "tcp/sequence.h"

namespace sluice::tcp {

class Scoreboard {
  struct BySeq;
  struct ByTime;

 public:
  enum class State : uint8_t {
    kInFlight,  // sent, and nothing was heard of it
    kLost,      // believed lost, waits for its retransmission
    kSacked,    // arrived out of order
  };
  // One segment, as it was cut when first sent. SACKed neighbours merge.
  struct Segment : ListHook<BySeq>, ListHook<ByTime> {
    Seq begin = 0;
    Seq end = 0;
    Time sent{};  // last transmission
    State state = State::kInFlight;
    bool retransmitted = false;
  };

 private:
  // Exists from the first segment until shrink().
  struct Order {
    List<Segment, BySeq> segments;
    List<Segment, ByTime> in_flight;
    List<Segment, ByTime> lost;
    Segment* hint = nullptr;     // where the last block was found: the next one is near
    Segment* highest = nullptr;  // ends at highest_sacked
    Seq highest_sacked = 0;
    Rack rack;
  };

 public:
  // The records of all connections.
  class Pool {
    friend Scoreboard;
    Slab<Segment> segments_;
    Slab<Order> orders_;
  };

  // pool: has no limit of its own; the bytes that are queued to be sent bound it.
  explicit Scoreboard(Pool& pool) : pool_(pool) {}
  ~Scoreboard() {
    clear();
    if (order_ != nullptr) pool_.orders_.destroy(order_);
  }
  Scoreboard(const Scoreboard&) = delete;

  bool empty() const { return total_ == 0; }
  uint32_t sacked() const { return sacked_; }  // bytes
  // Bytes that wait for their retransmission.
  uint32_t lost() const { return lost_; }
  // End of the highest SACKed segment; zero when there is none.
  Seq highest_sacked() const { return order_ == nullptr ? 0 : order_->highest_sacked; }
  // Bytes believed to be in the network.
  uint32_t pipe() const { return total_ - sacked_ - lost_; }

  // Adds new data, right behind the last segment.
  void sent(Seq begin, Seq end, Time now);

  // Removes everything below una. delivered(const Segment&) is called for each segment that was not
  // SACKed before. A segment that is acknowledged in part is cut and not reported. Returns the
  // bytes of the reported segments.
  template <class Fn>
  uint32_t acknowledge(Seq una, Fn&& delivered);

  // The cost that finding the blocks of one ACK may have, in segments that are looked at. Honest
  // blocks lie near the block that was found last, near the highest, or near the first: new data
  // arrives behind the highest, and retransmissions near the first hole. An index would cost time
  // for every segment that is sent, only to serve peers that name other places.
  static constexpr uint32_t kFindSteps = 256;
  // Marks the segments that lie within [begin, end) whole. A segment that the block covers in part
  // does not change: the cumulative ACK will tell. `steps` goes down by the cost of finding the
  // block. A block that is not found within `steps` changes nothing, but is nearer when it comes
  // again.
  template <class Fn>
  uint32_t sack(Seq begin, Seq end, uint32_t& steps, Fn&& delivered);

  // Calls fn for the segments in flight, least recently sent first, until fn returns false. fn may
  // call mark_lost on its segment.
  template <class Fn>
  void walk_in_flight(Fn&& fn) {
    if (order_ == nullptr) return;
    for (Segment& s : order_->in_flight)
      if (!fn(s)) return;
  }
  // urgent: the segment is retransmitted before other lost ones.
  void mark_lost(Segment& s, bool urgent = false);
  // A lost segment is retransmitted before the others.
  void hurry(Segment& s);

  // The next segment to retransmit; nullptr when none is lost.
  Segment* next_lost() { return lost_ == 0 ? nullptr : &order_->lost.front(); }
  // The segment was retransmitted. If only `sent_end` of it fit (the MSS has shrunk), it is cut
  // there.
  void resent(Segment& s, Seq sent_end, Time now);

  // The losses were spurious: segments that wait for their retransmission are in flight as before.
  void restore_lost();

  Segment* first() { return empty() ? nullptr : &order_->segments.front(); }
  Segment* last() { return empty() ? nullptr : &order_->segments.back(); }

  // The peer has thrown SACKed data away (RFC 2018, 8), or a timeout makes that likely.
  void forget_sacks();
  void clear();
  // What is known of the order in which segments arrive.
  Rack& rack() {
    if (order_ == nullptr) [[unlikely]]
      order_ = pool_.orders_.create();
    return order_->rack;
  }
  // Gives back the memory that an empty board keeps for the next segment, unless rack() has learned
  // something: for idle connections.
  void shrink();
  bool has_memory() const { return order_ != nullptr; }
  void fetch_ahead() const { prefetch(order_, sizeof *order_); }

 private:
  void drop(Segment& s);
  Segment* nearest(Seq begin);
  Segment* find(Seq begin, uint32_t& steps);
  void merge_sacked(Segment& s);
  void absorb(Segment& s, Segment& neighbour);

  Pool& pool_;
  Order* order_ = nullptr;  // of pool_
  uint32_t total_ = 0;
  uint32_t sacked_ = 0;
  uint32_t lost_ = 0;
};

template <class Fn>
uint32_t Scoreboard::acknowledge(Seq una, Fn&& delivered) {
  if (empty()) return 0;
  uint32_t bytes = 0;
  List<Segment, BySeq>& segments = order_->segments;
  while (!segments.empty()) {
    Segment& s = segments.front();
    if (s.begin >= una) break;
    const Seq upto = s.end < una ? s.end : una;
    const auto n = static_cast<uint32_t>(upto - s.begin);
    if (s.state != State::kSacked) bytes += n;
    if (upto < s.end) {
      total_ -= n;
      if (s.state == State::kSacked) sacked_ -= n;
      if (s.state == State::kLost) lost_ -= n;
      s.begin = una;
      break;
    }
    if (s.state != State::kSacked) delivered(static_cast<const Segment&>(s));
    drop(s);
  }
  if (order_->highest_sacked <= una) order_->highest_sacked = 0;
  return bytes;
}

template <class Fn>
uint32_t Scoreboard::sack(Seq begin, Seq end, uint32_t& steps, Fn&& delivered) {
  uint32_t bytes = 0;
  Segment* s = find(begin, steps);
  while (s != nullptr && s->end <= end) {
    if (s->state != State::kSacked) {
      const auto n = static_cast<uint32_t>(s->end - s->begin);
      delivered(static_cast<const Segment&>(*s));
      if (s->state == State::kLost) lost_ -= n;
      static_cast<ListHook<ByTime>&>(*s).unlink();
      s->state = State::kSacked;
      sacked_ += n;
      bytes += n;
      if (s->end > order_->highest_sacked) {
        order_->highest_sacked = s->end;
        order_->highest = s;
      }
      merge_sacked(*s);
    }
    order_->hint = s;
    s = order_->segments.next(*s);
  }
  return bytes;
}

}  // namespace sluice::tcp
