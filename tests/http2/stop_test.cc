// What follows once the owner has closed the stream below: nothing.

#include "raw.h"

namespace sluice::http2 {
namespace {

TEST_F(RawClient, a_connection_that_was_stopped_answers_nothing) {
  EXPECT_TRUE(after(headers(1)).empty());
  side->http2.stop();
  const std::string all = frame(FrameType::kPing, 0, 0, "12345678") +
                          frame(FrameType::kSettings, 0, 0) + data(1, std::string(1'000, 'x')) +
                          headers(3, true);
  EXPECT_FALSE(side->hear(all));
  EXPECT_EQ(side->owner.streams.count(3), 0u);
  EXPECT_EQ(side->say(), "");
}

TEST_F(RawClient, what_its_owner_still_does_on_a_stopped_connection_appends_nothing) {
  Stream* stream = nullptr;
  side->owner.headers_hook = [&](Stream& s, Handler::Section, bool) { stream = &s; };
  side->owner.data_hook = [](Stream&, buf::Slice, bool) {};
  after(headers(1) + data(1, std::string(60'000, 'x')));
  ASSERT_NE(stream, nullptr);
  side->http2.stop();
  side->http2.consumed(*stream, 60'000);
  side->http2.send_headers(*stream, response(), false);
  side->http2.send_data(*stream, buffers.slice("body"), true);
  side->http2.ping(1);
  side->http2.goaway(1, ErrorCode::kNoError);
  EXPECT_EQ(side->http2.watch(side->now), http::Connection::Watched::kFine);
  side->http2.flush(100'000);
  side->http2.reset(*stream, ErrorCode::kCancel);
  EXPECT_TRUE(side->output.empty());
  EXPECT_EQ(side->streams.live(), 0u);
}

TEST_F(RawPod, resets_that_wait_are_not_sent_on_a_stopped_connection) {
  side->owner.resets_left = 0;
  Stream* second = side->http2.open(request(), false, &side->owner);
  side->say();
  side->http2.reset(*second, ErrorCode::kCancel);
  EXPECT_EQ(side->http2.resets_waiting(), 1u);
  side->http2.stop();
  side->owner.resets_left = 10;
  side->http2.release_resets();
  EXPECT_TRUE(side->output.empty());
  EXPECT_FALSE(side->http2.can_open());
  EXPECT_EQ(side->http2.open(request(), true, &side->owner), nullptr);
}

}  // namespace
}  // namespace sluice::http2
