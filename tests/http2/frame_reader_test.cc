// http2::FrameReader, http2::FieldBlock and http2::OpenFrame: frames by their bytes alone.

#include "http2/frame_reader.h"

#include "fixture.h"
#include "http2/field_block.h"
#include "http2/open_frame.h"
#include "http2/preface.h"

namespace sluice::http2 {
namespace {

using State = FrameReader::State;

// What the reader makes of bytes, whatever the pieces in which they come.
struct Reading {
  explicit Reading(Buffers& b, State first = State::kHeader) : buffers(b), reader(first) {}

  void read(std::string_view bytes, size_t chunk) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(chunk, bytes.size()))) {
      buf::Slice data = buffers.slice(bytes.substr(0, chunk));
      while (data.size() > 0) step(data);
    }
  }
  void step(buf::Slice& data) {
    switch (reader.state()) {
      case State::kHeader:
        if (!reader.read_header(data)) return;
        log += "[" + std::to_string(static_cast<int>(reader.frame().type)) + " on " +
               std::to_string(reader.frame().stream) + "]";
        if (reader.frame().type != FrameType::kData) {
          reader.expect_payload();
        } else if (!reader.expect_data()) {
          log += "no pad length";
        } else if (reader.data_left() == 0) {
          reader.end_data();
        }
        return;
      case State::kPayload:
        if (reader.holds_payload(data)) {
          add(reader.take_payload(data));
        } else if (reader.collect_payload(data)) {
          add(reader.collected_payload());
          reader.release_collected();
        }
        return;
      case State::kData:
        if (reader.pad_length_due()) {
          if (!reader.read_pad_length(data)) log += "too much padding";
        } else {
          const buf::Slice piece = reader.read_data(data);
          add(piece.view());
        }
        if (reader.data_left() == 0) reader.end_data();
        return;
      case State::kPadding:
        reader.skip_padding(data);
        return;
      case State::kPreface:
        if (reader.read_preface(data) == FrameReader::Preface::kDiffers) {
          log += std::string("differs after ") + static_cast<char>(reader.first_byte(data));
          reader.begin_first_line();
        }
        return;
      case State::kFirstLine:
        line = reader.read_first_line(data);
        return;
    }
  }
  void add(buf::View bytes) {
    log.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  Buffers& buffers;
  FrameReader reader;
  std::string log;
  std::string line;
};

struct FrameReaderTest : testing::Test {
  // However the bytes are split.
  void expect(const std::string& bytes, const std::string& log) {
    for (size_t chunk = 1; chunk <= bytes.size(); ++chunk) {
      Reading r(buffers);
      r.read(bytes, chunk);
      EXPECT_EQ(r.log, log) << "in pieces of " << chunk;
      EXPECT_EQ(r.reader.state(), State::kHeader);
      EXPECT_FALSE(r.reader.unfinished());
      EXPECT_EQ(r.reader.heap(), 0u);
    }
  }
  Buffers buffers{1023};
};

TEST_F(FrameReaderTest, a_frame_comes_whole_however_its_bytes_are_split) {
  expect(frame(FrameType::kPing, 0, 0, "12345678") + frame(FrameType::kSettings, kFlagAck, 0) +
             frame(FrameType::kGoaway, 0, 0, "lastcodedebug"),
         "[6 on 0]12345678[4 on 0][7 on 0]lastcodedebug");
}

TEST_F(FrameReaderTest, data_passes_on_without_its_padding) {
  expect(frame(FrameType::kData, 0, 1, "abc") +
             frame(FrameType::kData, kFlagPadded, 3, std::string("\4defg", 5) + "pads") +
             frame(FrameType::kData, kFlagPadded, 3, std::string("\3", 1) + "pad") +
             frame(FrameType::kData, 0, 5, ""),
         "[0 on 1]abc[0 on 3]defg[0 on 3][0 on 5]");
}

TEST_F(FrameReaderTest, data_passes_on_as_it_arrives) {
  Reading r(buffers);
  r.read(frame(FrameType::kData, 0, 1, "abcdef").substr(0, kFrameHeaderSize + 2), 100);
  EXPECT_EQ(r.log, "[0 on 1]ab");
  EXPECT_EQ(r.reader.data_left(), 4u);
  EXPECT_FALSE(r.reader.unfinished()) << "DATA may take its time";
}

TEST_F(FrameReaderTest, padded_data_needs_a_pad_length) {
  Reading r(buffers);
  r.read(frame(FrameType::kData, kFlagPadded, 1, ""), 100);
  EXPECT_EQ(r.log, "[0 on 1]no pad length");
}

TEST_F(FrameReaderTest, padding_longer_than_its_frame_is_told) {
  Reading r(buffers);
  r.read(frame(FrameType::kData, kFlagPadded, 1, std::string("\4abc", 4)), kFrameHeaderSize + 1);
  EXPECT_TRUE(r.log.starts_with("[0 on 1]too much padding"));
}

TEST_F(FrameReaderTest, a_header_or_payload_without_its_end_is_unfinished) {
  const std::string ping = frame(FrameType::kPing, 0, 0, "12345678");
  for (size_t n = 1; n < ping.size(); ++n) {
    Reading r(buffers);
    r.read(ping.substr(0, n), n);
    EXPECT_TRUE(r.reader.unfinished()) << n;
  }
}

TEST_F(FrameReaderTest, only_a_payload_in_pieces_takes_heap) {
  Reading r(buffers);
  const std::string ping = frame(FrameType::kPing, 0, 0, "12345678");
  r.read(ping, ping.size());
  EXPECT_EQ(r.reader.heap(), 0u);
  r.read(ping.substr(0, 12), 12);
  EXPECT_GE(r.reader.heap(), 3u);
  EXPECT_TRUE(r.reader.collected());
  r.read(ping.substr(12), 12);
  EXPECT_EQ(r.reader.heap(), 0u);
}

TEST_F(FrameReaderTest, a_preface_comes_before_the_first_frame_however_it_is_split) {
  const std::string bytes = std::string(kPreface) + frame(FrameType::kSettings, 0, 0);
  for (size_t chunk = 1; chunk <= bytes.size(); ++chunk) {
    Reading r(buffers, State::kPreface);
    EXPECT_TRUE(r.reader.before_first_frame());
    r.read(bytes, chunk);
    EXPECT_EQ(r.log, "[4 on 0]");
    EXPECT_FALSE(r.reader.before_first_frame());
  }
}

TEST_F(FrameReaderTest, a_line_that_begins_like_the_preface_is_kept_whole) {
  for (const std::string line :
       {"POST / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n", "PRI * HTTP/1.1\r\n"}) {
    for (size_t chunk = 1; chunk <= line.size(); ++chunk) {
      Reading r(buffers, State::kPreface);
      r.read(line, chunk);
      EXPECT_EQ(r.line, line) << "in pieces of " << chunk;
      EXPECT_EQ(r.log, std::string("differs after ") + line[0]);
      EXPECT_TRUE(r.reader.before_first_frame());
    }
  }
}

buf::View view(std::string_view s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

TEST(FieldBlock, is_the_bytes_of_headers_and_its_continuations) {
  FieldBlock block;
  block.begin(3, true, false);
  EXPECT_FALSE(block.open());
  block.keep(view("head"));
  EXPECT_TRUE(block.open());
  EXPECT_EQ(block.count_continuation(), 1u);
  block.append(view("ers"));
  EXPECT_EQ(block.size(), 7u);
  const buf::View whole = block.close();
  EXPECT_EQ(std::string(whole.begin(), whole.end()), "headers");
  EXPECT_FALSE(block.open());
  block.release();
  EXPECT_EQ(block.heap(), 0u);
  EXPECT_EQ(block.stream(), 3u);
  EXPECT_TRUE(block.ends_stream());
}

TEST(FieldBlock, each_block_counts_its_own_continuations) {
  FieldBlock block;
  block.begin(1, false, true);
  block.count_continuation();
  EXPECT_EQ(block.count_continuation(), 2u);
  EXPECT_TRUE(block.depends_on_itself());
  block.begin(3, false, false);
  EXPECT_EQ(block.count_continuation(), 1u);
  EXPECT_FALSE(block.depends_on_itself());
}

TEST(OpenFrame, becomes_longer_for_its_own_stream_at_the_end_of_the_output_only) {
  uint8_t header[kFrameHeaderSize];
  OpenFrame open;
  EXPECT_FALSE(open.lengthen(1, 10, false, 0)) << "there is none";
  open.begin(header, 1, 100);
  open.ends_at(500);
  EXPECT_FALSE(open.lengthen(3, 10, false, 500)) << "another stream";
  EXPECT_FALSE(open.lengthen(1, 10, false, 501)) << "something follows";
  EXPECT_FALSE(open.lengthen(1, kDefaultMaxFrameSize - 99, false, 500)) << "too long";
  EXPECT_TRUE(open.lengthen(1, 10, true, 500));
  EXPECT_EQ(FrameHeader::parse(header).size, 110u);
  EXPECT_EQ(FrameHeader::parse(header).stream, 1u);
  EXPECT_EQ(FrameHeader::parse(header).flags, kFlagEndStream);
  open.ends_at(510);
  open.close();
  EXPECT_FALSE(open.lengthen(1, 10, false, 510)) << "it may have left";
}

}  // namespace
}  // namespace sluice::http2
