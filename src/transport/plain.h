#pragma once
// Plain bytes over TCP: the output is TCP's own send queue, and positions are TCP's.

#include "base/slab.h"
#include "base/stage_meter.h"
#include "tcp/stack.h"
#include "transport/layer.h"

namespace sluice::transport {

class PlainLayer;

class Plain final : public Stream, public tcp::User {
 public:
  Plain(PlainLayer& layer, tcp::Connection& connection)
      : Stream(connection.send_queue()), tcp_(connection), layer_(layer) {}

  uint32_t room() const override { return tcp_.send_space(); }
  void push() override { tcp_.push(); }
  void close() override { tcp_.close(); }
  void abort() override { tcp_.abort(); }
  void consumed(uint32_t n) override { tcp_.consumed(n); }
  uint64_t transmitted() const override { return tcp_.transmitted(); }
  uint64_t acknowledged() const override { return tcp_.acknowledged(); }
  uint32_t buffers() const override { return output().slices(); }
  uint32_t buffers_ahead() const override { return tcp_.out_of_order_buffers(); }
  Endpoint peer() const override { return tcp_.remote(); }
  Duration round_trip() const override { return tcp_.smoothed_rtt(); }
  void set_user_timeout(Duration timeout) override { tcp_.set_user_timeout(timeout); }
  void set_patient() override { tcp_.set_patient(); }

 private:
  void on_established(tcp::Connection&) override { user_->on_established(*this); }
  void on_data(tcp::Connection&, buf::Slice data) override {
    in_stage(Stage::kHttp, [&] { user_->on_data(*this, std::move(data)); });
  }
  void on_gap(tcp::Connection&) override { user_->on_gap(*this); }
  void on_end_of_data(tcp::Connection&) override { user_->on_end_of_data(*this, End::kClean); }
  void on_writable(tcp::Connection&) override { user_->on_writable(*this); }
  bool busy(const tcp::Connection&) const override { return user_->busy(*this); }
  void on_silence(tcp::Connection&, bool silent) override { user_->on_silence(*this, silent); }
  void on_closed(tcp::Connection&, tcp::CloseReason reason) override;
  void release() override;

  tcp::Connection& tcp_;
  PlainLayer& layer_;
};

class PlainLayer final : public Layer {
 public:
  explicit PlainLayer(tcp::Stack& tcp) : tcp_(tcp) {}
  Accepted accept(tcp::Connection& connection) override;
  StreamPtr connect(const Endpoint& remote, User& user, Time now) override;

 private:
  friend Plain;
  tcp::Stack& tcp_;
  Slab<Plain> streams_;
};

}  // namespace sluice::transport
