#pragma once
// One TCP connection (RFC 9293) from SYN-SENT, or from the end of a passive handshake, up to
// TIME-WAIT. The first public section is the interface of the connection's owner.

#include <cstdint>
#include <span>

#include "base/address.h"
#include "base/chrono.h"
#include "base/list.h"
#include "base/prefetch.h"
#include "base/timer_wheel.h"
#include "buf/queue.h"
#include "tcp/context.h"
#include "tcp/cubic.h"
#include "tcp/episode.h"
#include "tcp/flow_table.h"
#include "tcp/half_open.h"
#include "tcp/header.h"
#include "tcp/receive_queue.h"
#include "tcp/received.h"
#include "tcp/rtt.h"
#include "tcp/scoreboard.h"
#include "tcp/sequence.h"
#include "tcp/state.h"
#include "tcp/tail_probe.h"
#include "tcp/user.h"

namespace sluice::tcp {

class Connection : public Flow, private ListHook<Waiting>, private PeerMember {
 public:
  User* user() const { return user_; }
  void set_user(User* user) { user_ = user; }

  // Bytes to send: append, then push(). TCP removes acknowledged bytes; nobody else takes bytes
  // out. Appending after close() is an error.
  buf::Queue& send_queue() { return send_queue_; }
  // Bytes that the send buffer still takes. The buffer holds what the windows allow to leave at
  // once, and a little behind it (kUnsentAhead), so that the owner chooses the next bytes late, as
  // with TCP_NOTSENT_LOWAT of Linux. So the buffer grows with the path by itself: up to
  // send_buffer, and up to send_buffer_max while packet memory is plentiful. A soft limit: the
  // queue itself takes any amount.
  uint32_t send_space() const;
  // send_queue() has new bytes: they leave at the next Stack::flush.
  void push();
  // Sends FIN after all queued bytes; receiving goes on (half-closed). The connection is reset
  // after Config::closing_timeout if the peer does not take the queued bytes, or takes them more
  // slowly than Config::closing_rate, also if the peer answers window probes. on_closed(kNotTaken)
  // follows.
  void close();
  // Sends RST now and drops queued bytes; on_closed(kAborted) follows at the next Stack::flush.
  void abort();
  // The owner is done with n bytes of on_data: this opens the receive window.
  void consumed(uint32_t n);

  // The send_queue() position below which each byte has been put on the wire at least once.
  uint64_t transmitted() const;
  // The send_queue() position below which the peer has acknowledged each byte.
  uint64_t acknowledged() const;
  // Zero before the first measurement.
  Duration smoothed_rtt() const { return rtt_.smoothed(); }
  // A retransmission timeout has expired, and nothing was acknowledged since.
  bool silent() const { return silent_; }
  // The handshake is done and the connection has not ended (a half-closed one counts).
  bool established() const { return state_ >= State::kEstablished && state_ < State::kClosed; }
  // Packet buffers with data that arrived ahead of a gap and was not given to the owner yet. Each
  // buffer counts whole, however few bytes are in it. Records on the heap count as the number of
  // buffers that they are worth.
  uint32_t out_of_order_buffers() const { return out_of_order_.buffers(); }
  // How long data may stay unacknowledged before the connection ends with kTimeout.
  void set_user_timeout(Duration timeout);
  // The connection may stay half-closed for any time: neither closing_timeout nor fin_wait_2 ends
  // it, and the owner bounds the time. Keepalive goes on. Before close().
  void set_patient() { patient_ = true; }

  // For diagnosis.
  State state() const { return state_; }
  uint32_t congestion_window() const { return congestion_.window(); }  // bytes
  uint32_t in_flight() const { return board_.pipe(); }                 // bytes
  // The memory that only a connection in use needs has been given back.
  bool rests() const { return !board_.has_memory() && episode_ == nullptr; }
  uint16_t segment_size() const { return mss_; }  // payload bytes

  // Bytes from the start of the object that every segment needs; Stack prefetches them.
  static constexpr size_t kHotBytes = 512;
  // Bytes that may wait in send_queue() beside those that may leave at once. Enough to use the
  // window until the owner is asked again; at most four frames of HTTP/2 before a new one leaves.
  static constexpr uint32_t kUnsentAhead = 65'536;

 private:
  friend class Stack;
  friend class Slab<Connection>;
  friend class List<Connection, Waiting>;

  // Prefetches what the next segment will need beyond kHotBytes.
  void fetch_ahead() const {
    if (user_ != nullptr) prefetch(user_, kCacheLine);
    if (!board_.empty()) {
      board_.fetch_ahead();
      prefetch(&rto_base_, sizeof rto_base_ + sizeof pace_at_ + sizeof congestion_);
    }
  }

  // SYN-SENT; the SYN leaves at the next flush.
  Connection(Context& context, const Endpoint& local, const Endpoint& remote, User* user)
      : Connection(context, local, remote, user, State::kSynSent) {}
  // ESTABLISHED, from a handshake.
  Connection(Context& context, const Endpoint& local, const Endpoint& remote, const Handshake& h);
  // The part that both constructors have in common.
  Connection(Context& context, const Endpoint& local, const Endpoint& remote, User* user,
             State first);
  ~Connection();

  // connection_input.cc: a segment for this connection. Its bytes begin behind the TCP header, and
  // are taken.
  void input(const Header& h, Received& r);
  void input_syn_sent(const Header& h, Received& r);
  bool path_shrank(uint32_t seq, uint32_t max_segment);
  void path_lowered(uint16_t before);
  void suspect_black_hole();
  bool unreachable(uint32_t seq);
  bool timestamps_in_order(const Header& h, bool carries_data);
  bool ts_recent_expired() const;
  bool acceptable(const Header& h, Seq seq, Seq end);
  void accept_data(Seq seq, Received& r, bool fin);
  void keep_ahead(Seq seq, Received& r);
  void report_duplicate(Seq begin, Seq end);
  void deliver(buf::Slice data);
  void reached_fin();
  void learn_options(const Options& o);
  void challenge();
  void answer_out_of_window();

  // connection_ack.cc: an ACK and its effect on what was sent.
  void process_ack(const Header& h, Seq seq, Seq ack, bool carries_data);
  // The effect of one ACK.
  struct Delivery {
    uint32_t bytes = 0;  // newly acknowledged or SACKed
    uint32_t pipe_before = 0;
    Duration rtt{};               // of the newest segment that was sent only once; zero: none
    bool advanced = false;        // snd_una moved
    bool pure_duplicate = false;  // the ACK carried nothing new at all
    bool duplicate = false;       // the ACK carried this D-SACK
    Seq duplicate_begin = 0;
    Seq duplicate_end = 0;
    bool found_lost = false;
  };
  bool is_duplicate_report(const Header& h, Seq begin, Seq end, Seq ack) const;
  bool update_window(const Header& h, Seq seq, Seq ack);
  void detect_loss(Delivery& d);
  void enter_recovery();
  void begin_episode();
  void leave_recovery();
  void undo_if_spurious();
  void duplicate_reported(const Delivery& d);
  bool is_of_tail_probe(const Delivery& d) const;
  void tail_probe_answered(Seq ack, const Delivery& d);
  void tail_probe_needless();
  void tail_probe_repaired();
  void fin_acknowledged();
  void undo_timeout();
  void echoed_congestion();
  uint32_t send_limit() const;
  uint32_t worthwhile_space() const;
  uint32_t pipe() const;             // bytes in flight; without SACK, duplicate ACKs reduce it
  uint32_t timestamp(Time t) const;  // our timestamp clock at t

  // connection_output.cc
  void flush();
  void send_syn();
  void send_lost();
  void send_new();
  void sent_new(Seq begin, Seq end, bool was_empty);
  void send_tail_probe();
  void send_mtu_probe();
  void send_probe();
  void note_resent(Seq begin, Seq end);
  void note_window_use();
  bool send_range(Seq begin, Seq& end, uint16_t segment_size, bool again);
  bool send_ack();
  void acknowledged_up_to_now(const Header& h);
  Header make_header(uint8_t flags, Seq seq);
  void fill_sacks(Header& h);
  uint32_t window_budget() const;  // bytes that congestion control allows to leave now
  Duration pace_time(uint64_t bytes) const;
  void pace(uint32_t size, uint32_t quantum);
  uint32_t pacing_quantum() const;
  Seq end_of_data() const { return iss_ + 1 + send_queue_.end(); }
  Seq end_of_data_to_send() const;
  Seq end_to_send() const { return closing_ ? fin_seq_ + 1 : end_of_data(); }
  void tune_receive_buffer(uint32_t consumed);
  uint32_t receive_room() const;  // bytes that the receive buffer takes from rcv_nxt_ on
  uint32_t allowance() const;     // bytes of receive window to advertise from rcv_nxt_ on
  bool window_update_due() const;
  void memory_returned();
  uint16_t widest() const;  // largest packet, TCP header included, that route and peer take
  void route_changed();     // recomputes the MSS from path and peer

  // connection_timers.cc
  enum class LossTimer : uint8_t {
    kRetransmit,
    kTailProbe,
    kReorder,
    kWindowProbe,
    kPacing,
    kRest,  // nothing is in flight; the timer may be armed from before
  };
  void arm_loss_timer();
  void on_loss_timer();
  void on_retransmission_timeout();
  void on_window_probe();
  void on_reorder_deadline();
  void on_rest();
  void rest();
  void unanswered();
  void answered();
  void on_ack_timer();
  void on_life_timer();
  void arm_life_timer();
  void begin_closing();
  void closing_progressed(uint64_t bytes);
  bool waits_for_fin() const {
    return state_ == State::kFinWait1 || state_ == State::kClosing || state_ == State::kLastAck;
  }
  Duration rto() const;
  // Makes the state of unusual events when the first of them happens.
  Episode& episode() {
    if (episode_ == nullptr) [[unlikely]]
      episode_ = context_.episodes.create();
    return *episode_;
  }
  bool is_mtu_probe(Seq end) const { return path_learned_ && episode_->path_mtu.is_probe(end); }
  bool may_probe_tail() const;
  Duration usual_probe_timeout() const;
  Duration probe_timeout() const;
  bool user_timeout_over() const;

  // The only way to change the state.
  void change_state(State to);
  void touch();  // something to send at the next flush
  void starve();
  void ack_now() {
    ack_now_ = true;
    touch();
  }
  void send_reset();
  void end(CloseReason reason);
  void enter_time_wait();
  bool ended() const { return state_ == State::kClosed; }

  Context& context_;
  User* user_;
  State state_ = State::kClosed;  // see change_state()
  CloseReason reason_{};

  // What the handshake agreed on.
  bool sack_ : 1 = false;
  bool timestamps_ : 1 = false;
  bool passive_ : 1 = false;
  // Sending.
  bool closing_ : 1 = false;    // close() was called: fin_seq_ is known
  bool syn_due_ : 1 = false;    // a SYN or SYN-ACK leaves with the next flush
  bool low_space_ : 1 = false;  // the owner saw little send_space(): on_writable has to follow
  bool probe_due_ : 1 = false;  // a window or keepalive probe leaves with the next flush
  bool tail_probe_due_ : 1 = false;
  bool tail_probe_resent_ : 1 = false;  // the probe was old data
  bool resent_syn_ : 1 = false;         // the SYN was retransmitted
  // A SYN was sent again because the peer still had the previous connection.
  bool asked_again_ : 1 = false;
  bool starved_ : 1 = false;           // a send found no buffer in this flush
  bool force_resend_ : 1 = false;      // after a timeout one segment leaves, whatever is in flight
  bool force_small_ : 1 = false;       // the window stayed small: a small segment may leave
  bool timeout_doubtful_ : 1 = false;  // since a timeout, nothing arrived that confirms it
  bool ecn_ : 1 = false;
  bool ecn_echo_ : 1 = false;        // a CE mark arrived: ECE until the peer sends CWR
  bool ecn_reduced_ : 1 = false;     // CWR leaves with the next new data
  bool may_undo_ : 1 = false;        // the last window reduction may turn out to be spurious
  bool resent_any_ : 1 = false;      // something was retransmitted in this episode
  bool paced_ : 1 = false;           // new data waits until pace_at_
  bool window_used_ : 1 = false;     // see note_window_use()
  bool head_timed_out_ : 1 = false;  // the oldest segment in flight has timed out
  bool path_learned_ : 1 = false;    // Episode::path_mtu has learned something
  bool silent_ : 1 = false;          // the owner was told of an expired timeout
  bool patient_ : 1 = false;         // see set_patient()
  // Receiving.
  bool ack_now_ : 1 = false;
  bool ack_later_ : 1 = false;
  bool fin_known_ : 1 = false;        // the peer's FIN has arrived; it is at rcv_fin_
  bool duplicate_ : 1 = false;        // that of the episode is still to be reported (D-SACK)
  bool window_withheld_ : 1 = false;  // the window would open if there was memory

  uint8_t snd_scale_ = 0;
  uint8_t rcv_scale_ = 0;
  uint8_t backoff_ = 0;     // doublings of the RTO
  uint8_t keepalives_ = 0;  // keepalive probes without an answer
  uint8_t quick_acks_ = 0;  // segments that are still to be acknowledged at once
  uint16_t mss_ = 0;        // payload bytes of a full segment, options subtracted
  uint16_t peer_mss_ = 0;
  uint16_t rcv_mss_ = 0;  // largest payload seen from the peer

  // From here on the fields are in the order of use, so that a burst fetches little memory for each
  // segment: first fields for every segment, then fields for an ACK of data, then the rest.

  // Send sequence space (RFC 9293, 3.3.1).
  Seq iss_ = 0;
  Seq snd_una_ = 0;
  Seq snd_nxt_ = 0;
  Seq snd_wl1_ = 0;
  Seq snd_wl2_ = 0;
  uint32_t snd_wnd_ = 0;
  uint32_t max_snd_wnd_ = 0;

  // Receive sequence space.
  Seq rcv_nxt_ = 0;
  Seq rcv_adv_ = 0;  // right edge advertised to the peer; never moves back
  Seq acked_ = 0;    // rcv_nxt_ in the last ACK
  uint32_t rcv_buffer_ = 0;
  uint32_t unconsumed_ = 0;  // bytes that the owner has not consumed
  uint32_t tuned_ = 0;       // bytes consumed since tuned_at_
  uint32_t ts_recent_ = 0;
  uint32_t ts_offset_ = 0;
  enum class Recovery : uint8_t { kOpen, kFast, kTimeout };
  Recovery recovery_ = Recovery::kOpen;
  LossTimer loss_timer_is_ = LossTimer::kRetransmit;
  uint8_t duplicate_acks_ = 0;  // without SACK only
  ProbeDelay probe_delay_;
  Time tuned_at_{};
  Time ts_recent_at_{};
  Time last_heard_{};
  Time last_sent_{};
  Time reorder_deadline_ = kNever;
  Time unacknowledged_since_ = kNever;  // last progress of snd_una_ while something was in flight
  Seq tail_probe_end_ = 0;  // snd_nxt_ when a tail loss probe left; zero: no probe is in doubt
  Timer ack_timer_;
  Timer loss_timer_;
  ReceiveQueue out_of_order_;
  Scoreboard board_;
  buf::Queue send_queue_;
  RttEstimator rtt_;

  // Fields that an ACK of data needs.
  Time rto_base_{};  // RFC 6298, 5.3: when the timer was last restarted
  Time pace_at_{};   // when everything sent so far would have left at an even rate
  Cubic congestion_;

  // Loss recovery, closing, silence.
  Episode* episode_ = nullptr;  // of the context's slab: see episode() and rest()
  Seq fin_seq_ = 0;
  Seq rcv_fin_ = 0;
  Duration user_timeout_;
  Time deadline_{};   // opening: the handshake must be done; closing: all must be acknowledged
  Timer life_timer_;  // connect timeout, keepalive, closing, FIN-WAIT-2
};

// A million idle connections take 0.6 gigabytes, the connection table included.
static_assert(sizeof(Connection) <= 608);

}  // namespace sluice::tcp
