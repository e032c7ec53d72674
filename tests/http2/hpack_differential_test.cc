// Programs of random bytes, and the stored ones that fuzzing found worth keeping, through the same
// machine as fuzz_hpack.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/random.h"
#include "hpack_machine.h"

namespace sluice::http2 {
namespace {

TEST(HpackDifferential, RandomProgramsGiveWhatNghttp2Gives) {
  constexpr uint64_t kPrograms = 600;
  for (uint64_t seed = 1; seed <= kPrograms; ++seed) {
    Random random(seed);
    std::vector<uint8_t> program(random.below(3000));
    for (uint8_t& b : program) b = static_cast<uint8_t>(random.next());
    ASSERT_EQ(HpackMachine(program).run(), "") << "seed " << seed;
  }
}

// Calls only, of few different fields: tables fill, fields are shared and evicted.
TEST(HpackDifferential, RandomCallsReachThePodAsTheyWereSent) {
  constexpr uint64_t kPrograms = 300;
  for (uint64_t seed = 1; seed <= kPrograms; ++seed) {
    Random random(seed);
    std::vector<uint8_t> program;
    while (program.size() < 4000) {
      program.push_back(static_cast<uint8_t>(random.next() & 0xf8) | 5);
      if (random.chance(0.02)) program.back() = static_cast<uint8_t>(random.next());
      const auto count = static_cast<uint8_t>(random.below(12));
      program.push_back(count);
      for (uint8_t i = 0; i < count; ++i) {
        program.push_back(static_cast<uint8_t>(random.next() & 0xdf));
        program.push_back(static_cast<uint8_t>(random.below(11)));
      }
    }
    ASSERT_EQ(HpackMachine(program).run(), "") << "seed " << seed;
  }
}

// Raw blocks for a list of 1,024 bytes: many go over it, some far.
TEST(HpackDifferential, ListsThatAreTooLongLeaveTheTableAsNghttp2HasIt) {
  constexpr uint64_t kPrograms = 300;
  for (uint64_t seed = 1; seed <= kPrograms; ++seed) {
    Random random(seed);
    std::vector<uint8_t> program;
    while (program.size() < 4000) {
      std::vector<uint8_t> block;
      while (block.size() < 200) {
        const std::initializer_list<uint8_t> kFields[] = {{0x7e, 0x00}, {0x7e, 0x01, 'v'},  {0xbe},
                                                          {0xbf},       {0x0f, 0x2f, 0x00}, {0x82}};
        if (block.empty() || random.chance(0.01)) {
          const auto name = static_cast<uint8_t>(1 + random.below(100));
          block.insert(block.end(), {0x40, name});
          block.insert(block.end(), name, 'n');
          block.push_back(0);
        } else {
          const auto& field = kFields[random.below(random.chance(0.5) ? 1 : std::size(kFields))];
          block.insert(block.end(), field.begin(), field.end());
        }
        if (random.chance(0.01)) break;
      }
      block.resize(std::min<size_t>(block.size(), 255));
      program.insert(program.end(), {0x40, static_cast<uint8_t>(block.size())});
      program.insert(program.end(), block.begin(), block.end());
    }
    ASSERT_EQ(HpackMachine(program).run(), "") << "seed " << seed;
  }
}

TEST(HpackDifferential, TheStoredCorpusGivesWhatNghttp2Gives) {
  size_t programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(HPACK_CORPUS)) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    const std::vector<uint8_t> program(bytes.begin(), bytes.end());
    EXPECT_EQ(HpackMachine(program).run(), "") << entry.path();
    ++programs;
  }
  EXPECT_GT(programs, 0u);
}

}  // namespace
}  // namespace sluice::http2
