// One table of fields for all connections of a worker: no connection takes more than its part.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "http2/hpack/decoder.h"

namespace sluice::http2::hpack {
namespace {

struct HpackShares : testing::Test {
  // A client's connection, as far as HPACK goes.
  struct Client {
    explicit Client(Shared& shared) : decoder(shared) {}
    std::unique_ptr<FieldList> decode(const std::string& block) {
      auto out = std::make_unique<FieldList>();
      EXPECT_EQ(decoder.decode({reinterpret_cast<const uint8_t*>(block.data()), block.size()},
                               65'536, *out),
                Decoder::Result::kOk);
      return out;
    }
    Decoder decoder;
  };

  static std::string literal(const std::string& name, const std::string& value) {
    return "\x40" + std::string(1, static_cast<char>(name.size())) + name +
           std::string(1, static_cast<char>(value.size())) + value;
  }
  // As many small fields of its own as its table holds, each used once by its index.
  std::unique_ptr<Client> fill(uint32_t number) {
    auto c = std::make_unique<Client>(shared);
    for (uint32_t i = 0; i < 110; ++i)
      c->decode(literal("x", std::to_string(number) + "." + std::to_string(i)) + "\xbe");
    return c;
  }
  // Whether what the client repeats is known after that.
  bool learns(Client& c, const std::string& token) {
    c.decode(literal("authorization", token));
    c.decode("\xbe");
    const auto fields = c.decode("\xbe");
    return shared.fields.current((*fields->begin()).ref);
  }

  stats::Http2 stats;
  Shared shared{stats, {1, 2}};
};

TEST_F(HpackShares, LeaveAnotherClientRoomForItsTokenBesideManyIdleOnesThatFilledTheirTables) {
  std::vector<std::unique_ptr<Client>> idle;
  for (uint32_t i = 0; i < 1'500; ++i) idle.push_back(fill(i));
  EXPECT_EQ(stats.hpack_table_full.get(), 0u);
  EXPECT_GT(stats.hpack_share_full.get(), 0u);
  EXPECT_LE(shared.fields.records(), shared.fields.max_records() * 19 / 20);
  for (int i = 0; i < 100; ++i) {
    Client honest(shared);
    EXPECT_TRUE(learns(honest, "bearer of token " + std::to_string(i)));
  }
}

TEST_F(HpackShares, AreGivenBackByIdleConnectionsWhenThereIsLittleLeft) {
  std::vector<std::unique_ptr<Client>> idle;
  for (uint32_t i = 0; i < 20'000; ++i) {
    idle.push_back(fill(i));
    if (i % 5'000 == 0) {
      EXPECT_EQ(stats.hpack_table_full.get(), 0u);
    }
  }
  EXPECT_GT(stats.hpack_given_back.get(), 0u);
  EXPECT_EQ(stats.hpack_table_full.get(), 0u);
  Client honest(shared);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(learns(honest, "bearer of token " + std::to_string(i)));
  // Tables say the same as before, whoever gave back what.
  for (uint32_t i = 0; i < idle.size(); i += 37) {
    const auto fields = idle[i]->decode("\xbe\xbf\xc0");
    uint32_t at = 109;
    for (const Field f : *fields) {
      EXPECT_EQ(f.name, "x");
      EXPECT_EQ(f.value, std::to_string(i) + "." + std::to_string(at--));
    }
    EXPECT_EQ(at, 106u);
  }
  idle.clear();
}

TEST_F(HpackShares, AreTheWholeTableForOneOfFew) {
  const auto c = fill(1);
  EXPECT_EQ(stats.hpack_share_full.get(), 0u);
  EXPECT_EQ(shared.fields.records(), c->decoder.table().count());
}

}  // namespace
}  // namespace sluice::http2::hpack
