// HPACK against RFC 7541: its examples, its rules, its errors.

#include <gtest/gtest.h>

#include "base/random.h"
#include "hpack_oracle.h"
#include "http/validation.h"
#include "http2/hpack/decoder.h"
#include "http2/hpack/encoder.h"
#include "http2/hpack/huffman.h"
#include "http2/hpack/integer.h"

namespace sluice::http2 {
namespace {

using hpack::Decoder;
using hpack::DecoderTable;
using hpack::Encoder;
using Result = Decoder::Result;

std::vector<uint8_t> hex(std::string_view text) {
  std::vector<uint8_t> out;
  int half = -1;
  for (const char c : text) {
    if (c == ' ') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (half < 0) {
      half = digit;
    } else {
      out.push_back(static_cast<uint8_t>(half << 4 | digit));
      half = -1;
    }
  }
  return out;
}
std::string to_hex(buf::View bytes) {
  std::string out;
  for (const uint8_t b : bytes) {
    out += "0123456789abcdef"[b >> 4];
    out += "0123456789abcdef"[b & 15];
  }
  return out;
}

struct HpackTest : testing::Test {
  stats::Http2 stats;
  hpack::Shared shared{stats};

  // The fields of a block as `name: value`, a line each; "!" marks what must never be indexed.
  static std::string decode(Decoder& d, std::string_view block, Result expected = Result::kOk,
                            uint32_t max_size = 16'384) {
    FieldList fields;
    EXPECT_EQ(d.decode(hex(block), max_size, fields), expected) << block;
    std::string out;
    for (const Field f : fields)
      out +=
          (f.never_indexed ? "!" : "") + std::string(f.name) + ": " + std::string(f.value) + "\n";
    return out;
  }
  std::string decode_fresh(std::string_view block, Result expected = Result::kOk) {
    Decoder d(shared);
    return decode(d, block, expected);
  }
};

// --- Appendix C ---

TEST_F(HpackTest, C21LiteralWithIncrementalIndexing) {
  Decoder d(shared);
  EXPECT_EQ(decode(d, "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"),
            "custom-key: custom-header\n");
  EXPECT_EQ(d.table().size(), 55u);
}

TEST_F(HpackTest, C22To24LiteralsAndAnIndexLeaveTheTableEmpty) {
  Decoder d(shared);
  EXPECT_EQ(decode(d, "040c 2f73 616d 706c 652f 7061 7468"), ":path: /sample/path\n");
  EXPECT_EQ(decode(d, "1008 7061 7373 776f 7264 0673 6563 7265 74"), "!password: secret\n");
  EXPECT_EQ(decode(d, "82"), ":method: GET\n");
  EXPECT_EQ(d.table().size(), 0u);
}

struct Example {
  std::string_view block;
  std::string_view fields;
  uint32_t table;
};

constexpr std::string_view kGet =
    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n";
constexpr std::string_view kGetNoCache =
    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n";
constexpr std::string_view kGetCustom =
    ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n"
    "custom-key: custom-value\n";

TEST_F(HpackTest, C3RequestsWithoutHuffman) {
  Decoder d(shared);
  for (const Example& e :
       {Example{"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", kGet, 57},
        Example{"8286 84be 5808 6e6f 2d63 6163 6865", kGetNoCache, 110},
        Example{"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
                kGetCustom, 164}}) {
    EXPECT_EQ(decode(d, e.block), e.fields);
    EXPECT_EQ(d.table().size(), e.table);
  }
}

TEST_F(HpackTest, C4RequestsWithHuffman) {
  Decoder d(shared);
  for (const Example& e :
       {Example{"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", kGet, 57},
        Example{"8286 84be 5886 a8eb 1064 9cbf", kGetNoCache, 110},
        Example{"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", kGetCustom, 164}}) {
    EXPECT_EQ(decode(d, e.block), e.fields);
    EXPECT_EQ(d.table().size(), e.table);
  }
}

constexpr std::string_view kFound =
    ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
    "location: https://www.example.com\n";
constexpr std::string_view kRedirect =
    ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
    "location: https://www.example.com\n";
constexpr std::string_view kCookie =
    ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n"
    "location: https://www.example.com\ncontent-encoding: gzip\n"
    "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n";

TEST_F(HpackTest, C5ResponsesWithoutHuffmanAndWithEviction) {
  Decoder d(shared);
  decode(d, "3fe101");  // the examples assume a table of 256 bytes
  for (const Example& e :
       {Example{"4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 "
                "2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 "
                "6c65 2e63 6f6d",
                kFound, 222},
        Example{"4803 3330 37c1 c0bf", kRedirect, 222},
        Example{"88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d "
                "54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 "
                "5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e "
                "3d31",
                kCookie, 215}}) {
    EXPECT_EQ(decode(d, e.block), e.fields);
    EXPECT_EQ(d.table().size(), e.table);
  }
}

TEST_F(HpackTest, C6ResponsesWithHuffmanAndWithEviction) {
  Decoder d(shared);
  decode(d, "3fe101");
  for (const Example& e :
       {Example{"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 "
                "2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                kFound, 222},
        Example{"4883 640e ffc1 c0bf", kRedirect, 222},
        Example{"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab "
                "77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f "
                "9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                kCookie, 215}}) {
    EXPECT_EQ(decode(d, e.block), e.fields);
    EXPECT_EQ(d.table().size(), e.table);
  }
}

// --- Errors: each is a COMPRESSION_ERROR ---

TEST_F(HpackTest, IndexesThatNameNothingAreErrors) {
  decode_fresh("80", Result::kCompressionError);  // 6.1: index 0
  decode_fresh("be", Result::kCompressionError);  // 62 of an empty table
  decode_fresh("ffffffffff0f", Result::kCompressionError);
  decode_fresh("7e 0161", Result::kCompressionError);  // as the name of a literal
  decode_fresh("0f2f 0161", Result::kCompressionError);
}

TEST_F(HpackTest, IntegersThatEndEarlyOrOverflowAreErrors) {
  decode_fresh("ff", Result::kCompressionError);
  decode_fresh("ff80", Result::kCompressionError);
  decode_fresh("ff8080808080", Result::kCompressionError);  // too long, though zero
  decode_fresh("ffffffffff7f", Result::kCompressionError);  // beyond 32 bits
  decode_fresh("ffffffffffffffffff01", Result::kCompressionError);
}

TEST_F(HpackTest, PaddedIntegersAreRead) {
  EXPECT_EQ(decode_fresh("3f80 8000 82"), ":method: GET\n");  // a table of 31 bytes
}

TEST_F(HpackTest, StringsThatEndEarlyAreErrors) {
  decode_fresh("00", Result::kCompressionError);
  decode_fresh("0001", Result::kCompressionError);
  decode_fresh("0001 61", Result::kCompressionError);
  decode_fresh("0001 6102 61", Result::kCompressionError);
  decode_fresh("007f ffff ff07 61", Result::kCompressionError);
}

TEST_F(HpackTest, HuffmanPaddingIsTheBeginningOfEosAndShorterThanAByte) {
  EXPECT_EQ(decode_fresh("0481 1f"), ":path: a\n");
  decode_fresh("0481 18", Result::kCompressionError);  // padding of zeros
  decode_fresh("0481 1e", Result::kCompressionError);
  decode_fresh("0482 1fff", Result::kCompressionError);  // a byte too many
  decode_fresh("0481 ff", Result::kCompressionError);
  decode_fresh("0484 ffff ffff", Result::kCompressionError);  // EOS
  decode_fresh("0485 1fff ffff ff", Result::kCompressionError);
  decode_fresh("0486 1fff ffff ffff ff", Result::kCompressionError);
  EXPECT_EQ(decode_fresh("0480"), ":path: \n");  // nothing at all is well padded
}

TEST_F(HpackTest, HuffmanCodesEverySymbolAsNghttp2Does) {
  Random random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string s;
    const size_t n = random.below(round % 10 == 0 ? 300 : 20);
    for (size_t i = 0; i < n; ++i)
      s += round < 256 ? static_cast<char>(round) : static_cast<char>(random.next());
    std::vector<uint8_t> code(hpack::huffman_size(s) + 8);
    const size_t size = static_cast<size_t>(hpack::huffman_encode(s, code.data()) - code.data());
    ASSERT_EQ(size, hpack::huffman_size(s));
    std::string back(hpack::huffman_decoded_bound(size) + hpack::kHuffmanSlack, '?');
    back.resize(hpack::huffman_decode(code.data(), size, back.data()));
    ASSERT_EQ(back, s);
    // The same code in a block that nghttp2 reads.
    if (size >= 127) continue;
    std::vector<uint8_t> block(2 + size);
    block[0] = 0x04;
    block[1] = static_cast<uint8_t>(0x80 | size);
    std::copy_n(code.data(), size, block.data() + 2);
    OracleDecoder oracle;
    PlainFields fields;
    ASSERT_TRUE(oracle.decode(block, fields));
    ASSERT_EQ(fields, (PlainFields{{":path", s}}));
  }
}

// --- The size of the table ---

TEST_F(HpackTest, ASizeUpdateStandsOnlyInFrontOfTheFields) {
  Decoder d(shared);
  EXPECT_EQ(decode(d, "20 3fe11f 82"), ":method: GET\n");
  decode(d, "82 20", Result::kCompressionError);
}

TEST_F(HpackTest, ASizeOverTheLimitIsAnError) {
  decode_fresh("3fe11f 82");                             // 4096
  decode_fresh("3fe21f 82", Result::kCompressionError);  // 4097
  Decoder d(shared);
  d.set_limit(8192);
  decode(d, "3fe13f 82");
  decode(d, "3fe23f 82", Result::kCompressionError);
}

TEST_F(HpackTest, AfterAReductionTheNextBlockMustBeginWithAnUpdate) {
  Decoder d(shared);
  decode(d, "400161 0162");
  EXPECT_EQ(d.table().count(), 1u);
  d.set_limit(0);
  decode(d, "20 82");
  EXPECT_EQ(d.table().count(), 0u);

  Decoder late(shared);
  late.set_limit(100);
  decode(late, "82", Result::kCompressionError);
}

TEST_F(HpackTest, TheFirstUpdateIsAsLowAsTheLowestLimitInBetween) {
  Decoder d(shared);
  d.set_limit(64);
  d.set_limit(4096);
  decode(d, "3fe11f 82", Result::kCompressionError);
  Decoder good(shared);
  good.set_limit(64);
  good.set_limit(4096);
  EXPECT_EQ(decode(good, "3f21 3fe11f 82"), ":method: GET\n");
}

TEST_F(HpackTest, AReductionThatThePeerHasAlreadyMadeNeedsNoUpdate) {
  Decoder d(shared);
  decode(d, "3f21 82");  // 64
  d.set_limit(64);
  EXPECT_EQ(decode(d, "82"), ":method: GET\n");
}

TEST_F(HpackTest, AnEntryLargerThanTheTableEmptiesItAndIsNoError) {
  Decoder d(shared);
  decode(d, "3f21 4001 6101 62");  // 64 bytes; a: b takes 34
  EXPECT_EQ(d.table().count(), 1u);
  EXPECT_EQ(decode(d, "4001 6121" + std::string(66, '6')).size(), 4u + 33u);
  EXPECT_EQ(d.table().count(), 0u);
}

TEST_F(HpackTest, ANameMayComeFromTheEntryThatItsFieldPushesOut) {
  Decoder d(shared);
  decode(d, "3f21 4001 6101 62");
  EXPECT_EQ(decode(d, "7e01 63"), "a: c\n");
  EXPECT_EQ(decode(d, "be"), "a: c\n");
  EXPECT_EQ(d.table().count(), 1u);
}

// --- What a hostile peer costs ---

TEST_F(HpackTest, AListThatGrowsOverItsLimitIsCutAndTheTableStaysRight) {
  Decoder d(shared);
  OracleDecoder oracle;
  PlainFields ignored;
  std::string bomb = "4001 617f a11e" + std::string(2 * 4000, '6');  // a: 4000 bytes
  for (int i = 0; i < 10'000; ++i) bomb += "be";
  bomb += "4001 6201 63";  // and b: c behind, which the list is too long for
  FieldList fields;
  EXPECT_EQ(d.decode(hex(bomb), 16'384, fields), Result::kTooLarge);
  EXPECT_LE(fields.size(), 16'384u);
  ASSERT_TRUE(oracle.decode(hex(bomb), ignored));
  EXPECT_EQ(d.table().size(), oracle.table_size());
  EXPECT_EQ(decode(d, "be"), "b: c\n");
}

TEST_F(HpackTest, WhatIsFarBehindTheLimitIsNotKeptAndItsErrorsStillAreErrors) {
  const std::string start = "4001 617f a11e" + std::string(2 * 4000, '6');
  std::string bomb = start;
  for (int i = 0; i < 200; ++i) bomb += "be";
  const auto result = [&](const std::string& behind) {
    Decoder d(shared);
    FieldList fields;
    const Result r = d.decode(hex(bomb + behind), 16'384, fields);
    EXPECT_LE(fields.count(), 70u);
    return r;
  };
  EXPECT_EQ(result("be 82 00 0161 0162 10 0161 0162 0f2f 00 05 0162"), Result::kTooLarge);
  EXPECT_EQ(result("0001 6181 1f"), Result::kTooLarge) << "Huffman, and well padded";
  EXPECT_EQ(result("80"), Result::kCompressionError) << "no index";
  EXPECT_EQ(result("bf"), Result::kCompressionError) << "of an entry that there is not";
  EXPECT_EQ(result("0f40 00"), Result::kCompressionError) << "a name of one";
  EXPECT_EQ(result("0001 6105 62"), Result::kCompressionError) << "a string that ends too early";
  EXPECT_EQ(result("0001 6181 00"), Result::kCompressionError) << "Huffman, badly padded";
  EXPECT_EQ(result("20"), Result::kCompressionError) << "a size between fields";
}

// `7e 00` is two bytes, and a field as long as the name of the newest entry.
std::vector<uint8_t> repeated_name(size_t name, size_t times) {
  std::vector<uint8_t> bytes = hex("83 86 84 40");
  uint8_t length[hpack::kMaxIntegerSize];
  bytes.insert(bytes.end(), length,
               hpack::write_integer<7>(length, 0, static_cast<uint32_t>(name)));
  bytes.insert(bytes.end(), name, 'n');
  bytes.push_back(0);
  for (size_t i = 0; i < times; ++i) bytes.insert(bytes.end(), {0x7e, 0x00});
  return bytes;
}

TEST_F(HpackTest, NamesThatAreRepeatedFarBehindTheLimitEndTheBlock) {
  for (const bool large_table : {false, true})
    for (const size_t name : {3u, 1900u, 1996u, 4060u, 60'000u}) {
      if (name > Decoder::kDefaultTableSize && !large_table) continue;
      const uint64_t before = stats.hpack_fields_in.get();
      Decoder d(shared);
      d.set_limit(DecoderTable::kMaxSize);
      if (large_table) decode(d, "3fe1ff03");
      const auto bytes = repeated_name(name, 31'000);
      FieldList fields;
      EXPECT_EQ(d.decode(bytes, 16'384, fields), Result::kExcessive) << name;
      EXPECT_LE(fields.size(), 16'384u);
      const uint64_t made = (stats.hpack_fields_in.get() - before) * (32 + name);
      EXPECT_LE(made, (1 + Decoder::kUnlisted) * 16'384 +
                          hpack::huffman_decoded_bound(bytes.size()) + 4 * (32 + name))
          << name;
    }
}

// Hashing a name of kilobytes for every two bytes of input would be most of what a worker does.
TEST_F(HpackTest, ALongLiteralIsSharedOnlyWhenItsIndexIsUsed) {
  Decoder d(shared);
  FieldList fields;
  for (int i = 0; i < 3; ++i) {
    fields.clear();
    ASSERT_EQ(d.decode(repeated_name(1'000, 2), 16'384, fields), Result::kOk);
  }
  EXPECT_EQ(shared.fields.records(), 0u);
  EXPECT_EQ(decode(d, "be"), std::string(1'000, 'n') + ": \n");
  EXPECT_EQ(shared.fields.records(), 1u);
  // Another connection that comes to use it refers to the same record.
  Decoder other(shared);
  ASSERT_EQ(other.decode(repeated_name(1'000, 0), 16'384, fields), Result::kOk);
  decode(other, "be");
  EXPECT_EQ(shared.fields.records(), 1u);
}

TEST_F(HpackTest, ALongListThatIsSpeltOutIsTooLargeHoweverLongItIs) {
  // In the shortest codes there are, so that the block stands for as much text as it can.
  const std::string value(20'000, 'e');
  std::vector<uint8_t> code(hpack::huffman_size(value) + 3);
  hpack::huffman_encode(value, code.data());
  code.resize(hpack::huffman_size(value));
  uint8_t length[hpack::kMaxIntegerSize];
  const uint8_t* const end =
      hpack::write_integer<7>(length, 0x80, static_cast<uint32_t>(code.size()));
  std::vector<uint8_t> bytes;
  for (int i = 0; i < 50; ++i) {
    bytes.insert(bytes.end(), {0x40, 0x01, 'a'});
    bytes.insert(bytes.end(), static_cast<const uint8_t*>(length), end);
    bytes.insert(bytes.end(), code.begin(), code.end());
  }
  Decoder d(shared);
  FieldList fields;
  EXPECT_EQ(d.decode(bytes, 1024, fields), Result::kTooLarge);
}

TEST_F(HpackTest, ATableNeverHoldsMoreMemoryThanItsSizeAndARing) {
  Decoder d(shared);
  Random random(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string block = "40";
    for (int s = 0; s < 2; ++s) {
      const uint64_t n = random.below(100);
      block += to_hex(std::vector<uint8_t>{static_cast<uint8_t>(n)});
      for (uint64_t c = 0; c < n; ++c)
        block += to_hex(std::vector<uint8_t>{static_cast<uint8_t>(random.next())});
    }
    decode(d, block);
    if (random.chance(0.3) && d.table().count() > 0)
      decode(d, to_hex(std::vector<uint8_t>{
                    static_cast<uint8_t>(0xbe + random.below(std::min(60u, d.table().count())))}));
  }
  EXPECT_LE(d.table().memory(), 4096u + 128 * 4);
}

TEST_F(HpackTest, AFullTableOfFieldsMakesLiteralsAndCountsThem) {
  hpack::Shared shared(stats, {}, 1 << 20);
  // Each client holds what only it says; all of it is said twice.
  std::vector<std::unique_ptr<Decoder>> clients;
  for (uint32_t c = 0; c < 220; ++c) {
    clients.push_back(std::make_unique<Decoder>(shared));
    PlainFields fields;
    for (uint32_t i = 0; i < 40; ++i)
      fields.push_back({"x", std::to_string(c) + "-" + std::to_string(i) + std::string(50, 'v')});
    OracleEncoder encoder;
    for (int round = 0; round < 2; ++round) {
      FieldList out;
      ASSERT_EQ(clients.back()->decode(encoder.encode(fields), 16'384, out), Result::kOk);
      ASSERT_EQ(plain(out), fields);
    }
  }
  EXPECT_LE(shared.fields.records(), shared.fields.max_records());
  EXPECT_GT(stats.hpack_table_full.get() + stats.hpack_share_full.get(), 0u);
  clients.clear();
  EXPECT_EQ(shared.fields.records(), 0u);
  // When they have left there is room again, for fields of another size too.
  const uint64_t full = stats.hpack_table_full.get();
  Decoder later(shared);
  OracleEncoder encoder;
  FieldList out;
  for (int round = 0; round < 2; ++round) {
    out.clear();
    ASSERT_EQ(later.decode(encoder.encode({{"x-token", std::string(300, 't')}}), 16'384, out),
              Result::kOk);
  }
  EXPECT_NE(out[0].ref.handle, 0u);
  EXPECT_EQ(stats.hpack_table_full.get(), full);
}

// What a record knows spares the look at each character, never the verdict.
TEST_F(HpackTest, AMalformedFieldStaysMalformedHoweverOftenItIsRepeated) {
  for (const PlainField& field : PlainFields{{"x", "a\nb"},
                                             {"x", std::string("a\0b", 3)},
                                             {"x", "12345678\r"},
                                             {"x", "1234567\n90abcdef"},
                                             {"x", " a\n"},
                                             {"X", "a"},
                                             {"x y", "a"},
                                             {"", "a"},
                                             {":x", "a"}}) {
    Decoder d(shared);
    OracleEncoder encoder;
    const PlainFields bad{
        {":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "pod"}, field};
    for (int i = 0; i < 4; ++i) {
      FieldList fields;
      http::RequestFacts facts;
      ASSERT_EQ(d.decode(encoder.encode(bad), 16'384, fields), Result::kOk);
      EXPECT_FALSE(http::valid_request(fields, false, facts)) << field << ", time " << i;
    }
  }
}

// RFC 9113, 8.2.1. What is stripped is no record's any more, and crosses as a literal.
TEST_F(HpackTest, AFieldLosesItsOuterBlanksHoweverOftenItIsRepeated) {
  Decoder d(shared);
  Encoder e(shared, Encoder::kDefaultTableSize);
  OracleEncoder encoder;
  OracleDecoder decoder;
  const PlainFields said{
      {":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {"x", " a\t"}, {"y", "  "}};
  for (int i = 0; i < 4; ++i) {
    FieldList fields;
    http::RequestFacts facts;
    ASSERT_EQ(d.decode(encoder.encode(said), 16'384, fields), Result::kOk);
    EXPECT_TRUE(http::valid_request(fields, false, facts));
    const PlainFields told{
        {":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {"x", "a"}, {"y", ""}};
    PlainFields heard;
    ASSERT_TRUE(decoder.decode(e.encode(fields), heard));
    EXPECT_EQ(heard, told) << "time " << i;
  }
}

TEST_F(HpackTest, ASharedFieldIsKnownToBeSound) {
  Decoder d(shared);
  OracleEncoder encoder;
  FieldList fields;
  for (int i = 0; i < 2; ++i) {
    fields.clear();
    ASSERT_EQ(d.decode(encoder.encode({{":method", "PUT"}, {"x", "y"}}), 16'384, fields),
              Result::kOk);
  }
  EXPECT_TRUE(fields[0].sound);
  EXPECT_TRUE(fields[1].sound);
}

// --- What the encoder says ---

struct HpackEncoderTest : HpackTest {
  // From a client to a pod, as the relay carries it.
  std::string relay(Decoder& client, Encoder& pod, buf::View block) {
    FieldList fields;
    EXPECT_EQ(client.decode(block, 16'384, fields), Result::kOk);
    return to_hex(pod.encode(fields));
  }
};

PlainFields grpc_call(std::string timeout) {
  return {{":method", "POST"},
          {":scheme", "http"},
          {":path", "/helloworld.Greeter/SayHello"},
          {":authority", "greeter.default.svc.cluster.local:50051"},
          {"content-type", "application/grpc"},
          {"user-agent", "grpc-go/1.60.1"},
          {"te", "trailers"},
          {"grpc-timeout", std::move(timeout)}};
}

TEST_F(HpackEncoderTest, AFieldOfTheStaticTableIsOneByte) {
  Encoder e(shared, 4096);
  FieldList fields;
  fields.add(Name::kStatus, "200");
  fields.add(Name::kMethod, "POST");
  fields.add(Name::kScheme, "https");
  EXPECT_EQ(to_hex(e.encode(fields)), "888387");
}

TEST_F(HpackEncoderTest, WhatIsRepeatedIsIndexedAtLast) {
  Decoder client(shared);
  Encoder pod(shared, 4096);
  OracleEncoder encoder;
  // Without :path, which nghttp2 does not index.
  const PlainFields call{{":method", "POST"},
                         {":authority", "greeter:50051"},
                         {"content-type", "application/grpc"},
                         {"te", "trailers"},
                         {"x-own-name", "and value"}};
  std::string block;
  for (int i = 0; i < 4; ++i) block = relay(client, pod, encoder.encode(call));
  EXPECT_EQ(block.size(), 2 * 5u) << block;  // a byte a field
}

TEST_F(HpackEncoderTest, AKnownFieldIsIndexedOnTheFirstCallOfAnotherClient) {
  Encoder pod(shared, 4096);
  PlainFields call = grpc_call("1S");
  call.pop_back();
  Decoder first(shared);
  OracleEncoder first_encoder;
  for (int i = 0; i < 4; ++i) relay(first, pod, first_encoder.encode(call));
  Decoder second(shared);
  OracleEncoder second_encoder;
  const std::string block = relay(second, pod, second_encoder.encode(call));
  EXPECT_LE(block.size(), 2 * (7u + 30u)) << "only what nghttp2 does not index (:path) is literal";
}

TEST_F(HpackEncoderTest, GrpcTimeoutIsALiteralWithoutIndexingInEveryCall) {
  Decoder client(shared);
  Encoder pod(shared, 4096);
  OracleEncoder encoder;
  OracleDecoder at_pod;
  for (int i = 0; i < 100; ++i) {
    // The same deadline twice, so that the client comes to index it.
    const PlainFields call = grpc_call(std::to_string(100'000 + i / 4) + "u");
    FieldList fields;
    ASSERT_EQ(client.decode(encoder.encode(call), 16'384, fields), Result::kOk);
    const buf::View block = pod.encode(fields);
    PlainFields got;
    ASSERT_TRUE(at_pod.decode({block.data(), block.size()}, got));
    EXPECT_EQ(got, call);
    EXPECT_FALSE(at_pod.table_has("grpc-timeout"));
  }
}

TEST_F(HpackEncoderTest, WhatMustNeverBeIndexedIsToldOn) {
  Decoder client(shared);
  Encoder pod(shared, 4096);
  const auto block = hex("1008 7061 7373 776f 7264 0673 6563 7265 74");
  for (int i = 0; i < 5; ++i) {
    const std::string out = relay(client, pod, block);
    EXPECT_EQ(out.substr(0, 2), "10");
    EXPECT_EQ(decode_fresh(out), "!password: secret\n");
  }
}

TEST_F(HpackEncoderTest, AShortCredentialIsNeverIndexed) {
  Encoder e(shared, 4096);
  FieldList fields;
  fields.add("authorization", "Basic YTpi");
  fields.add("cookie", "a=b");
  // Names of the static table that no Name stands for come with the decoder's hint.
  Decoder client(shared);
  FieldList decoded;
  ASSERT_EQ(client.decode(hex("5708 4261 7369 6320 5957"), 16'384, decoded), Result::kOk);
  EXPECT_EQ(to_hex(e.encode(decoded)).substr(0, 4), "1f08");
  FieldList cookie;
  cookie.add(Name::kCookie, "a=b");
  EXPECT_EQ(to_hex(e.encode(cookie)).substr(0, 4), "1f11");
}

// A field as HTTP/1.1 reads it: known to be valid, and without a record.
void add_line(FieldList& list, std::string_view name, std::string_view value) {
  const std::string line = std::string(name).append(": ").append(value).append("\r\n");
  std::copy(line.begin(), line.end(), list.room(line.size()));
  list.commit_line(name.size(), value.size(), http::name_of(name));
}

TEST_F(HpackEncoderTest, WhatClientsOfHttp1RepeatIsIndexedAtLast) {
  Encoder pod(shared, 4096);
  OracleDecoder at_pod;
  const PlainFields call{{"user-agent", "curl/7.88.1"},
                         {"accept", "*/*"},
                         {"content-type", "application/json"},
                         {"x-own-name", "and value"},
                         {"authorization", "Basic YTpi", true}};
  size_t size = 0;
  for (int i = 0; i < 5; ++i) {
    FieldList fields;
    for (const auto& f : call) add_line(fields, f.name, f.value);
    const buf::View block = pod.encode(fields);
    size = block.size();
    PlainFields got;
    ASSERT_TRUE(at_pod.decode({block.data(), block.size()}, got));
    EXPECT_EQ(got, call);
  }
  EXPECT_LE(size, 4u + 2u + 11u);  // a byte a field, and the short credential
  EXPECT_FALSE(at_pod.table_has("authorization"));
  const http::FieldRef ref = shared.fields.find_ref("x-own-name", "and value");
  ASSERT_NE(ref.handle, 0u);
  EXPECT_TRUE(shared.fields.current(ref));
  EXPECT_EQ(shared.fields.find_ref("x-own-name", "other").handle, 0u);
}

TEST_F(HpackEncoderTest, AShortCredentialOfHttp1WithARecordIsNeverIndexed) {
  const std::string name = "authorization", value = "Basic YTpi", text = name + value;
  const uint32_t handle =
      shared.fields.intern({text.data(), static_cast<uint32_t>(name.size()),
                            static_cast<uint32_t>(value.size()), Name::kOther, 23});
  Encoder pod(shared, 4096);
  OracleDecoder at_pod;
  for (int i = 0; i < 4; ++i) {
    FieldList fields;
    add_line(fields, name, value);
    fields.set_ref(0, shared.fields.ref(handle));
    const buf::View block = pod.encode(fields);
    PlainFields got;
    ASSERT_TRUE(at_pod.decode({block.data(), block.size()}, got));
    EXPECT_EQ(got, PlainFields({{name, value, true}}));
  }
  shared.fields.release(handle);
}

TEST_F(HpackEncoderTest, FieldsThatAreNewInEveryRequestOfHttp1LeaveNoRecord) {
  Encoder pod(shared, 4096);
  const uint32_t before = shared.fields.records();
  for (int i = 0; i < 1'000; ++i) {
    FieldList fields;
    add_line(fields, "traceparent", "00-" + std::to_string(i) + "-01");
    pod.encode(fields);
  }
  EXPECT_EQ(shared.fields.records(), before);
}

TEST_F(HpackEncoderTest, OneClientsOwnTokensDoNotPushOutWhatAllShare) {
  Encoder pod(shared, 4096);
  OracleDecoder at_pod;
  std::vector<std::unique_ptr<Decoder>> decoders;
  std::vector<std::unique_ptr<OracleEncoder>> encoders;
  for (int c = 0; c < 200; ++c) {
    decoders.push_back(std::make_unique<Decoder>(shared));
    encoders.push_back(std::make_unique<OracleEncoder>());
  }
  for (int round = 0; round < 5; ++round)
    for (int c = 0; c < 200; ++c) {
      PlainFields call = grpc_call("1S");
      call.push_back({"x-token", std::to_string(c) + std::string(200, 't')});
      relay(*decoders[c], pod, encoders[c]->encode(call));
    }
  // As many as the shared fields of a call.
  EXPECT_LE(pod.table().count(), 8u);
}

// `x`, and the bytes that name it once it is in the client's table.
std::vector<uint8_t> large_field(size_t value, char c = 'b') {
  auto bytes = hex("83 86 84 40 01 78");
  uint8_t length[hpack::kMaxIntegerSize];
  bytes.insert(bytes.end(), length,
               hpack::write_integer<7>(length, 0, static_cast<uint32_t>(value)));
  bytes.insert(bytes.end(), value, static_cast<uint8_t>(c));
  return bytes;
}

TEST_F(HpackEncoderTest, WhatAClientNamesWithAByteAPodIsToldWithOneHoweverLargeItIs) {
  for (const size_t size : {1'000u, 2'000u, 3'000u, 4'063u}) {
    Decoder client(shared);
    Encoder pod(shared, 4096);
    relay(client, pod, large_field(size));
    const auto again = hex("83 86 84 be be be");
    relay(client, pod, again);
    EXPECT_EQ(relay(client, pod, again), to_hex(again)) << size;
  }
}

TEST_F(HpackEncoderTest, LargeTokensOfClientsInTurnLeaveInTheTableWhatAllShare) {
  Encoder pod(shared, 4096);
  std::vector<std::unique_ptr<Decoder>> clients;
  for (const char c : {'a', 'b', 'c'}) {
    clients.push_back(std::make_unique<Decoder>(shared));
    relay(*clients.back(), pod, large_field(3'000, c));
  }
  OracleEncoder encoder;
  Decoder other(shared);
  const PlainFields shared_fields{{":method", "POST"}, {"x-all", "of them"}};
  for (int i = 0; i < 4; ++i) relay(other, pod, encoder.encode(shared_fields));
  for (int i = 0; i < 5; ++i) {
    for (auto& c : clients) relay(*c, pod, hex("83 86 84 be"));
    EXPECT_EQ(relay(other, pod, encoder.encode(shared_fields)), "83be");
  }
}

// A list of 16 KB can be named with a few bytes, and coding it would take ten times as long as all
// else that a call costs.
TEST_F(HpackEncoderTest, AKilobyteOfABlockIsHuffmanCodedAndNoMore) {
  Encoder e(shared, 4096);
  const auto size = [&](std::initializer_list<size_t> values) {
    FieldList fields;
    for (const size_t n : values) fields.add("x", std::string(n, 'e'));
    const buf::View block = e.encode(fields);
    OracleDecoder at_pod;
    PlainFields got;
    EXPECT_TRUE(at_pod.decode(block, got));
    EXPECT_EQ(got, plain(fields));
    return block.size();
  };
  EXPECT_LT(size({1'000}), 650u);
  EXPECT_GT(size({1'100}), 1'100u);
  EXPECT_LT(size({600, 400}), 650u);
  EXPECT_GT(size({600, 600, 600}), 375u + 1'200u);
  EXPECT_LT(size({600, 600, 400}), 375u + 600u + 250u + 20u) << "a shorter one still fits";
}

TEST_F(HpackEncoderTest, AShrunkTableIsAnnouncedAndEmptied) {
  Decoder client(shared);
  Encoder pod(shared, 4096);
  OracleEncoder encoder;
  OracleDecoder at_pod;
  const auto call = [&] {
    FieldList fields;
    EXPECT_EQ(client.decode(encoder.encode(grpc_call("9S")), 16'384, fields), Result::kOk);
    const buf::View block = pod.encode(fields);
    PlainFields got;
    EXPECT_TRUE(at_pod.decode({block.data(), block.size()}, got));
    EXPECT_EQ(got, grpc_call("9S"));
    return to_hex(block);
  };
  for (int i = 0; i < 4; ++i) call();
  EXPECT_GT(pod.table().count(), 0u);
  at_pod.set_limit(0);
  at_pod.set_limit(256);
  pod.set_table_size(0);
  pod.set_table_size(256);
  EXPECT_EQ(call().substr(0, 8), "203fe101");  // the lowest, then the last
  EXPECT_EQ(at_pod.table_max_size(), 256u);
  for (int i = 0; i < 10; ++i) {
    call();
    EXPECT_EQ(at_pod.table_size(), pod.table().size());
  }
}

TEST_F(HpackEncoderTest, ACapBelowTheDefaultIsAnnouncedInTheFirstBlock) {
  Encoder e(shared, 100);
  FieldList fields;
  fields.add(Name::kStatus, "200");
  EXPECT_EQ(to_hex(e.encode(fields)), "3f4588");
  EXPECT_EQ(to_hex(e.encode(fields)), "88");
  e.set_table_size(4096);
  EXPECT_EQ(to_hex(e.encode(fields)), "88") << "nothing changes within the cap";
}

TEST_F(HpackEncoderTest, AFieldThatIsForgottenInBetweenIsALiteral) {
  Encoder pod(shared, 4096);
  FieldList fields;
  {
    Decoder client(shared);
    OracleEncoder encoder;
    for (int i = 0; i < 2; ++i) {
      fields.clear();
      ASSERT_EQ(client.decode(encoder.encode({{"x", "1"}}), 16'384, fields), Result::kOk);
    }
    ASSERT_NE(fields[0].ref.handle, 0u);
  }
  // The client is gone, and its record is another's now.
  Decoder other(shared);
  OracleEncoder encoder;
  for (int i = 0; i < 2; ++i) {
    FieldList ignored;
    ASSERT_EQ(other.decode(encoder.encode({{"x", "2"}}), 16'384, ignored), Result::kOk);
    if (i == 1) {
      ASSERT_EQ(ignored[0].ref.handle, fields[0].ref.handle);
    }
  }
  EXPECT_EQ(decode_fresh(to_hex(pod.encode(fields))), "x: 1\n");
}

TEST_F(HpackEncoderTest, BlocksFieldsAndHitsAreCounted) {
  Decoder client(shared);
  Encoder pod(shared, 4096);
  OracleEncoder encoder;
  PlainFields call = grpc_call("1S");
  for (int i = 0; i < 10; ++i) relay(client, pod, encoder.encode(call));
  EXPECT_EQ(stats.hpack_blocks_in.get(), 10u);
  EXPECT_EQ(stats.hpack_blocks_out.get(), 10u);
  EXPECT_EQ(stats.hpack_fields_in.get(), 80u);
  EXPECT_EQ(stats.hpack_fields_out.get(), 80u);
  EXPECT_GT(stats.hpack_indexed_in.get(), 50u);
  EXPECT_GT(stats.hpack_indexed_out.get(), 40u);
  EXPECT_LT(stats.hpack_indexed_out.get(), 80u);
}

TEST_F(HpackEncoderTest, OneBlockIn256IsTimed) {
  static uint64_t cycles = 0;
  shared.cycles = [] { return cycles += 100; };
  Decoder client(shared);
  Encoder pod(shared, 4096);
  for (int i = 0; i < 512; ++i) relay(client, pod, hex("82"));
  EXPECT_EQ(stats.hpack_timed_in.get(), 2u);
  EXPECT_EQ(stats.hpack_cycles_in.get(), 200u);
  EXPECT_EQ(stats.hpack_timed_out.get(), 2u);
  EXPECT_EQ(stats.hpack_cycles_out.get(), 200u);
}

}  // namespace
}  // namespace sluice::http2
