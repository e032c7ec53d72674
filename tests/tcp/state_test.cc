// The ways between states (RFC 9293, figure 5), and what a trace of them shows.

#include "tcp/state.h"

#include <set>
#include <utility>
#include <vector>

#include "fixture.h"

namespace sluice::test {
namespace {

using tcp::CloseReason;
using tcp::State;
using enum tcp::State;

constexpr State kAll[] = {kSynSent,   kSynReceived, kEstablished, kFinWait1, kFinWait2,
                          kCloseWait, kClosing,     kLastAck,     kClosed};

TEST(States, lead_to_each_other_as_the_diagram_says) {
  std::set<std::pair<State, State>> ways{
      {kClosed, kSynSent},       {kClosed, kSynReceived},      {kSynSent, kSynReceived},
      {kSynSent, kEstablished},  {kSynReceived, kEstablished}, {kSynReceived, kFinWait1},
      {kEstablished, kFinWait1}, {kEstablished, kCloseWait},   {kFinWait1, kFinWait2},
      {kFinWait1, kClosing},     {kCloseWait, kLastAck},
  };
  for (const State s : kAll)
    if (s != kClosed) ways.insert({s, kClosed});
  for (const State from : kAll)
    for (const State to : kAll)
      EXPECT_EQ(tcp::is_transition(from, to), ways.contains({from, to}))
          << int(from) << " to " << int(to);
}

class StateTraces : public TcpTest, public tcp::StateTrace {
 protected:
  using Path = std::vector<State>;

  void SetUp() override {
    TcpTest::SetUp();
    stack().set_trace(this);
  }
  void changed(const flow::Key& connection, State from, State to) override {
    EXPECT_EQ(connection.remote, there);
    EXPECT_EQ(from, path.empty() ? kClosed : path.back());
    path.push_back(to);
  }
  void close() {
    owner.connection->close();
    flush();
  }

  Path path;
};

TEST_F(StateTraces, of_a_passive_open_that_closes_first) {
  accept();
  EXPECT_EQ(path, (Path{kSynReceived, kEstablished}));
  close();
  send({.seq = 1, .ack = 2});
  send({.flags = FIN | ACK, .seq = 1, .ack = 2});
  EXPECT_EQ(path, (Path{kSynReceived, kEstablished, kFinWait1, kFinWait2, kClosed}));
  wire.sent.clear();
}

TEST_F(StateTraces, of_an_active_open_whose_peer_closes_first) {
  connected();
  send({.flags = FIN | ACK, .seq = 1, .ack = 1});
  close();
  send({.seq = 2, .ack = 2});
  EXPECT_EQ(path, (Path{kSynSent, kEstablished, kCloseWait, kLastAck, kClosed}));
  wire.sent.clear();
}

TEST_F(StateTraces, of_both_sides_that_close_at_once) {
  accept();
  close();
  send({.flags = FIN | ACK, .seq = 1, .ack = 1});
  send({.seq = 2, .ack = 2});
  EXPECT_EQ(path, (Path{kSynReceived, kEstablished, kFinWait1, kClosing, kClosed}));
  wire.sent.clear();
}

TEST_F(StateTraces, of_both_sides_that_open_at_once) {
  connect();
  expect({.flags = SYN, .seq = 0});
  send({.flags = SYN, .seq = 0, .mss = 1460});
  send({.seq = 1, .ack = 1});
  EXPECT_EQ(path, (Path{kSynSent, kSynReceived, kEstablished}));
  wire.sent.clear();
}

TEST_F(StateTraces, of_resets_and_aborts_end_at_once) {
  connect();
  expect({.flags = SYN, .seq = 0});
  send({.flags = RST | ACK, .seq = 0, .ack = 1});
  EXPECT_EQ(path, (Path{kSynSent, kClosed}));
  path.clear();
  port_here = here.port;
  accept();
  owner.connection->abort();
  flush();
  EXPECT_EQ(path, (Path{kSynReceived, kEstablished, kClosed}));
  wire.sent.clear();
}

}  // namespace
}  // namespace sluice::test
