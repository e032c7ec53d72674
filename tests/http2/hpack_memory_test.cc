// What HPACK holds for a connection, and that calls do not touch the heap.

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "hpack_oracle.h"
#include "http2/hpack/decoder.h"
#include "http2/hpack/encoder.h"

namespace {
uint64_t allocations = 0;
}

// None is inlined: the compiler would see malloc() where its rules ask for a new.
__attribute__((noinline)) void* operator new(size_t n) {
  ++allocations;
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* p) noexcept {
  std::free(p);
}
__attribute__((noinline)) void operator delete(void* p, size_t) noexcept {
  std::free(p);
}

namespace sluice::http2 {
namespace {

PlainFields call(int n, bool deadline) {
  PlainFields f{{":method", "POST"},
                {":scheme", "http"},
                {":path", "/sluice.lab.Echo/Unary"},
                {":authority", "greeter.default.svc.cluster.local:50051"},
                {"content-type", "application/grpc"},
                {"user-agent", "grpc-go/1.60.1"},
                {"te", "trailers"},
                {"x-trace", std::to_string(n) + "-" + std::to_string(n * 7919)}};
  if (deadline) f.push_back({"grpc-timeout", std::to_string(4'999'990 - 37 * n) + "u"});
  return f;
}

// As golang.org/x/net/http2/hpack writes it: all that is not in the table enters it.
class GoEncoder {
 public:
  std::vector<uint8_t> encode(const PlainFields& fields) {
    std::vector<uint8_t> out;
    for (const PlainField& f : fields) {
      const auto known = std::find(table_.rbegin(), table_.rend(), f);
      if (known != table_.rend()) {
        integer(out, 0x80, 7, 62 + static_cast<uint32_t>(known - table_.rbegin()));
        continue;
      }
      out.push_back(0x40);
      for (const std::string* s : {&f.name, &f.value}) {
        integer(out, 0, 7, static_cast<uint32_t>(s->size()));
        out.insert(out.end(), s->begin(), s->end());
      }
      table_.push_back(f);
      size_ += 32 + f.name.size() + f.value.size();
      while (size_ > 4096) {
        size_ -= 32 + table_.front().name.size() + table_.front().value.size();
        table_.erase(table_.begin());
      }
    }
    return out;
  }

 private:
  static void integer(std::vector<uint8_t>& out, uint8_t pattern, unsigned prefix, uint32_t n) {
    const uint32_t max = (1u << prefix) - 1;
    if (n < max) return out.push_back(static_cast<uint8_t>(pattern | n));
    out.push_back(static_cast<uint8_t>(pattern | max));
    for (n -= max; n >= 0x80; n >>= 7) out.push_back(static_cast<uint8_t>(n | 0x80));
    out.push_back(static_cast<uint8_t>(n));
  }
  std::vector<PlainField> table_;
  size_t size_ = 0;
};

struct HpackMemoryTest : testing::Test {
  stats::Http2 stats;
  hpack::Shared shared{stats};
  FieldList fields;

  std::vector<std::vector<uint8_t>> blocks(int n, bool deadline) {
    GoEncoder encoder;
    std::vector<std::vector<uint8_t>> out;
    for (int i = 0; i < n; ++i) out.push_back(encoder.encode(call(i, deadline)));
    return out;
  }
  void run(hpack::Decoder& client, hpack::Encoder& pod, buf::View block) {
    fields.clear();
    ASSERT_EQ(client.decode(block, 16'384, fields), hpack::Decoder::Result::kOk);
    pod.encode(fields);
  }
};

TEST_F(HpackMemoryTest, CallsAllocateNothing) {
  const auto blocks = this->blocks(2000, true);
  hpack::Decoder client(shared);
  hpack::Encoder pod(shared, 4096);
  for (int i = 0; i < 200; ++i) run(client, pod, blocks[i]);
  const uint64_t before = allocations;
  for (size_t i = 200; i < blocks.size(); ++i) run(client, pod, blocks[i]);
  EXPECT_EQ(allocations, before);
}

TEST_F(HpackMemoryTest, ConnectionsThatComeAndGoAllocateNothing) {
  const auto blocks = this->blocks(20, true);
  hpack::Encoder pod(shared, 4096);
  const auto connection = [&] {
    hpack::Decoder client(shared);
    hpack::Encoder answers(shared, 4096);
    for (const auto& b : blocks) {
      run(client, pod, b);
      answers.encode(fields);
    }
  };
  for (int i = 0; i < 10; ++i) connection();
  const uint64_t before = allocations;
  for (int i = 0; i < 200; ++i) connection();
  EXPECT_EQ(allocations, before);
}

TEST_F(HpackMemoryTest, AConnectionHoldsLittleAfter10AndAfter200Calls) {
  const auto blocks = this->blocks(200, true);
  hpack::Decoder client(shared);
  hpack::Encoder pod(shared, 4096);
  hpack::Encoder answers(shared, 4096);
  for (size_t i = 0; i < blocks.size(); ++i) {
    run(client, pod, blocks[i]);
    FieldList answer;
    answer.add(Name::kStatus, "200");
    answers.encode(answer);
    if (i == 10) {
      EXPECT_LE(client.table().memory(), 768u);
    }
  }
  // Two fields in each call are new.
  EXPECT_LE(client.table().memory(), 2560u);
  EXPECT_EQ(answers.table().memory(), 0u);
  EXPECT_LE(sizeof(hpack::Decoder) + sizeof(hpack::Encoder), 272u);
}

struct CountingAccount final : buf::Account {
  void charge(int32_t, int64_t) override { FAIL() << "tables last as long as their connection"; }
  void charge_lasting(int64_t heap) override { lasting += heap; }
  bool overdrawn() const override { return false; }
  int64_t lasting = 0;
};

TEST_F(HpackMemoryTest, TheTablesAreChargedAsTheyGrowAndGivenBack) {
  const auto blocks = this->blocks(200, true);
  CountingAccount of_client, of_pod;
  {
    hpack::Decoder client(shared);
    client.set_account(&of_client);
    hpack::Encoder pod(shared, 4096);
    pod.set_account(&of_pod);
    for (const auto& b : blocks) {
      run(client, pod, b);
      ASSERT_EQ(of_client.lasting, client.table().memory());
      ASSERT_EQ(of_pod.lasting, pod.table().memory());
    }
    EXPECT_GT(of_client.lasting, 1'000);
    EXPECT_GT(of_pod.lasting, 100);
  }
  EXPECT_EQ(of_client.lasting, 0);
  EXPECT_EQ(of_pod.lasting, 0);
}

// A million connections, a thousandth of them.
TEST_F(HpackMemoryTest, ConnectionsWithTheSameFieldsShareThem) {
  std::vector<std::unique_ptr<hpack::Decoder>> clients;
  hpack::Encoder pod(shared, 4096);
  GoEncoder encoder;
  PlainFields fields = call(0, false);
  const auto first = encoder.encode(fields);
  const auto second = encoder.encode(fields);
  uint64_t memory = 0;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(std::make_unique<hpack::Decoder>(shared));
    run(*clients.back(), pod, first);
    run(*clients.back(), pod, second);
    memory += clients.back()->table().memory();
  }
  EXPECT_EQ(shared.fields.records(), fields.size());
  EXPECT_LE(memory / clients.size(), 64u);
}

}  // namespace
}  // namespace sluice::http2
