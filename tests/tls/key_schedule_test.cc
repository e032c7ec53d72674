// Against the numbers of RFC 8448, 3.

#include "tls/key_schedule.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::test {
namespace {

std::vector<uint8_t> from_hex(const std::string& hex) {
  std::vector<uint8_t> out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

TEST(KeySchedule, expands_the_traffic_secret_of_rfc_8448) {
  const auto secret = from_hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
  std::vector<uint8_t> key(16);
  std::vector<uint8_t> iv(12);
  ASSERT_TRUE(tls::expand_label(nullptr, "SHA256", secret, "key", key));
  ASSERT_TRUE(tls::expand_label(nullptr, "SHA256", secret, "iv", iv));
  EXPECT_EQ(key, from_hex("9f02283b6c9c07efc26bb9f2ac92e356"));
  EXPECT_EQ(iv, from_hex("cf782b88dd83549aadf1e984"));
}

TEST(KeySchedule, makes_no_more_than_one_block) {
  const std::vector<uint8_t> secret(32);
  std::vector<uint8_t> out(33);
  EXPECT_FALSE(tls::expand_label(nullptr, "SHA256", secret, "key", out));
}

}  // namespace
}  // namespace sluice::test
