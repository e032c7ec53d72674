// SETTINGS_HEADER_TABLE_SIZE in both directions of a connection (RFC 9113, 6.5.2; RFC 7541, 4.2).

#include "raw.h"

namespace sluice::http2 {
namespace {

std::string entering(std::string_view name, std::string_view value) {  // enters the table
  return "\x40" + std::string(1, static_cast<char>(name.size())) + std::string(name) +
         std::string(1, static_cast<char>(value.size())) + std::string(value);
}
// :method POST, :scheme http, :path /.
const std::string kPseudo = "\x83\x86\x84";

std::string block_of(uint32_t stream, const std::string& block) {
  return frame(FrameType::kHeaders, kFlagEndHeaders | kFlagEndStream, stream, block);
}

struct TableSize : testing::Test {
  Buffers buffers;
  std::unique_ptr<Side> server;

  void begin(uint32_t announced) {
    Config c;
    c.header_table_size = c.encoder_table_size = announced;
    server = std::make_unique<Side>(Role::kServer, buffers, c);
    ASSERT_TRUE(server->hear(hello()));
    server->say();
  }
};

TEST_F(TableSize, AClientMayUse4096BytesUntilItHasAcknowledgedLess) {
  begin(0);
  EXPECT_TRUE(server->hear(block_of(1, kPseudo + entering("a", "b"))));
  EXPECT_TRUE(server->hear(block_of(3, kPseudo + "\xbe")));
  EXPECT_EQ(server->owner.log.back(), "3 request :method=POST :scheme=http :path=/ a=b end");
}

TEST_F(TableSize, ThenItsNextBlockSaysThatTheTableShrinks) {
  begin(0);
  EXPECT_TRUE(server->hear(block_of(1, kPseudo + entering("a", "b"))));
  EXPECT_TRUE(server->hear(kSettingsAck + block_of(3, "\x20" + kPseudo)));
  EXPECT_FALSE(server->hear(block_of(5, kPseudo + "\xbe"))) << "the entry is gone";
  EXPECT_EQ(server->http2.error(), ErrorCode::kCompressionError);
}

TEST_F(TableSize, ABlockThatDoesNotSaySoEndsTheConnection) {
  begin(100);
  EXPECT_FALSE(server->hear(kSettingsAck + block_of(1, kPseudo)));
  EXPECT_EQ(server->http2.error(), ErrorCode::kCompressionError);
}

TEST_F(TableSize, ALargerTableMayBeUsedOnceItIsAcknowledged) {
  begin(8192);
  EXPECT_TRUE(server->hear(kSettingsAck + block_of(1, "\x3f\xe1\x3f" + kPseudo)));
  EXPECT_FALSE(server->hear(block_of(3, "\x3f\xe2\x3f" + kPseudo)));
  EXPECT_EQ(server->http2.error(), ErrorCode::kCompressionError);
}

TEST_F(TableSize, APeersSettingsAreAnsweredInTheNextBlock) {
  begin(4096);
  ASSERT_TRUE(server->hear(block_of(1, kPseudo)));
  ASSERT_TRUE(server->hear(
      frame(FrameType::kSettings, 0, 0,
            setting(Setting::kHeaderTableSize, 0) + setting(Setting::kHeaderTableSize, 128))));
  server->say();
  Stream* stream = nullptr;
  server->http2.for_each_stream([&](Stream& s) { stream = &s; });
  ASSERT_NE(stream, nullptr);
  server->http2.send_headers(*stream, response(), true);
  // The lowest size since the last block, then the last, then :status 200.
  EXPECT_EQ(frames(server->say()).back().payload, std::string("\x20\x3f\x61\x88"));
}

}  // namespace
}  // namespace sluice::http2
