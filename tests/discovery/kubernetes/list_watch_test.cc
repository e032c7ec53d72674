#include "discovery/kubernetes/list_watch.h"

#include <regex>
#include <sstream>

#include "discovery/kubernetes/endpoint_slices.h"
#include "support.h"

namespace sluice::discovery::kubernetes {
namespace {

class ListWatchTest : public testing::Test {
 protected:
  // An answer to the next request; the request.
  std::string answer(unsigned status, const std::string& body, bool whole = true) {
    const std::string target = state.target();
    state.head(now, status, {});
    const bool wanted = state.body(now, body);
    state.end(now, whole && wanted, "connection reset");
    return target;
  }
  std::string refuse() {
    const std::string target = state.target();
    state.end(now, false, "connect: connection refused");
    return target;
  }
  // A watch that is open, with these events.
  void watch(const std::string& events) {
    state.target();
    state.head(now, 200, {});
    state.body(now, events);
  }
  static std::string list(const std::string& items, const std::string& version,
                          const std::string& next = "") {
    return R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":")" + version +
           R"(","continue":")" + next + R"("},"items":)" + items + "}";
  }
  static std::string event(const std::string& type, const std::string& object) {
    return R"({"type":")" + type + R"(","object":)" + object + "}\n";
  }
  bool asks(const std::string& target, const char* pattern) const {
    return std::regex_match(target, std::regex(std::string("/slices") + pattern));
  }

  static constexpr const char* kFirstPage = "\\?limit=200";
  static constexpr const char* kWatchFrom7 =
      "\\?watch=1&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=\\d+";

  Time now{1h};
  SliceStore store;
  std::vector<std::string> complaints;
  EndpointSlices kind{store, "", [this](const std::string& why) { complaints.push_back(why); }};
  ListWatch state{"/slices", kind, 1};
};

TEST_F(ListWatchTest, after_a_list_comes_a_watch_from_its_version_on) {
  EXPECT_FALSE(state.listed());
  EXPECT_TRUE(asks(answer(200, list("[" + slice("a", "10.0.0.1") + "]", "7")), kFirstPage));
  EXPECT_TRUE(state.listed() && state.synced());
  EXPECT_EQ(pods(store), "10.0.0.1:8080");
  EXPECT_EQ(state.delay(), 0s);
  EXPECT_TRUE(asks(state.target(), kWatchFrom7)) << state.target();
}

TEST_F(ListWatchTest, a_recorded_list_and_a_recorded_rollout_are_read) {
  answer(200, recorded_body("list.http"));
  EXPECT_EQ(pods(store), "10.244.0.11:8080 10.244.0.12:8080");
  const ServicePort server{{"default", "addr-server"}, "grpc"};
  state.target();
  state.head(now, 200, {});
  std::istringstream lines(recording("watch-scale-roll-kill.tsv"));
  std::set<size_t> counts;
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, line.find('\t') + 1);
    if (!line.starts_with("{")) continue;
    ASSERT_TRUE(state.body(now, line + "\n"));
    counts.insert(pods_of(store.endpoints(server)).size());
  }
  EXPECT_TRUE(complaints.empty()) << complaints.at(0);
  EXPECT_EQ(state.garbage(), 0u);
  EXPECT_EQ(counts, (std::set<size_t>{0, 1, 2, 3, 4, 5, 6, 7})) << "five, and up to three more";
  EXPECT_EQ(store.endpoints(server).size(), 0u) << "deleted at the end";
}

TEST_F(ListWatchTest, a_watch_stream_may_be_cut_anywhere) {
  std::string stream;
  std::istringstream lines(recording("watch-scale-roll-kill.tsv"));
  for (std::string line; std::getline(lines, line);)
    if (const size_t at = line.find("\t{"); at != std::string::npos)
      stream += line.substr(at + 1) + "\n";
  answer(200, list("[]", "7"));
  // In pieces of every size the events are the same, and a cut event leaves its version unseen.
  for (size_t piece = 1; piece < 5000; piece = piece * 3 + 1) {
    watch("");
    for (size_t at = 0; at < stream.size(); at += piece)
      ASSERT_TRUE(state.body(now, stream.substr(at, piece)));
    state.end(now, true, "");
    EXPECT_EQ(state.garbage(), 0u);
    EXPECT_NE(state.target().find("resourceVersion=427&"), std::string::npos);
  }
}

TEST_F(ListWatchTest, events_change_the_objects_and_bookmarks_the_version) {
  answer(200, list("[]", "5"));
  watch(event("ADDED", slice("a", "10.0.0.1", "6")));
  EXPECT_EQ(pods(store), "10.0.0.1:8080");
  state.body(now, event("MODIFIED", slice("a", "10.0.0.1 10.0.0.2", "6")));
  EXPECT_EQ(pods(store), "10.0.0.1:8080 10.0.0.2:8080");
  state.body(now, event("DELETED", slice("a", "10.0.0.1", "6")));
  EXPECT_EQ(pods(store), "");
  state.body(now, event("BOOKMARK", R"({"metadata":{"resourceVersion":"7"},"endpoints":null})"));
  state.end(now, true, "");
  EXPECT_TRUE(asks(state.target(), kWatchFrom7));
  EXPECT_EQ(state.delay(), 0s);
}

TEST_F(ListWatchTest, half_an_event_at_the_end_is_asked_for_again) {
  answer(200, list("[]", "7"));
  const std::string whole = event("ADDED", slice("a", "10.0.0.1", "8"));
  watch(whole.substr(0, whole.size() / 2));
  state.end(now, false, "connection reset");
  EXPECT_EQ(pods(store), "");
  EXPECT_TRUE(asks(state.target(), kWatchFrom7)) << state.target();
  EXPECT_EQ(state.garbage(), 0u);
}

TEST_F(ListWatchTest, pages_become_one_list) {
  answer(200, list("[" + slice("a", "10.0.0.1") + "]", "7", "to+ken"));
  EXPECT_EQ(pods(store), "") << "not before the last page";
  EXPECT_TRUE(asks(answer(200, list("[" + slice("b", "10.0.0.2") + "]", "7")),
                   "\\?limit=200&continue=to%2Bken"));
  EXPECT_EQ(pods(store), "10.0.0.1:8080 10.0.0.2:8080");
}

TEST_F(ListWatchTest, a_list_that_breaks_off_is_discarded_whole) {
  answer(200, list("[" + slice("a", "10.0.0.1") + "]", "7"));
  watch("");
  state.body(now, recorded_body("watch-too-old.http"));
  state.end(now, true, "");
  answer(200, list("[" + slice("b", "10.0.0.2") + "]", "8", "more"));
  answer(200, list("[" + slice("c", "10.0.0.3"), "8"), false);
  EXPECT_EQ(pods(store), "10.0.0.1:8080");
  EXPECT_GT(state.delay(), 0s);
  EXPECT_TRUE(asks(answer(200, list("[" + slice("c", "10.0.0.3") + "]", "9")), kFirstPage));
  EXPECT_EQ(pods(store), "10.0.0.3:8080") << "nothing of the list that broke off";
}

TEST_F(ListWatchTest, a_watch_from_a_version_that_is_too_old_lists_again_and_changes_nothing) {
  answer(200, list("[" + slice("a", "10.0.0.1") + "]", "7"));
  EXPECT_TRUE(asks(answer(200, recorded_body("watch-too-old.http")), kWatchFrom7));
  EXPECT_EQ(pods(store), "10.0.0.1:8080");
  EXPECT_FALSE(state.synced());
  EXPECT_LE(state.delay(), Backoff::kFirst) << "that is no failure";
  EXPECT_TRUE(asks(answer(200, list("[]", "9")), kFirstPage));
  EXPECT_EQ(pods(store), "");
}

TEST_F(ListWatchTest, a_continue_token_that_has_expired_begins_the_list_again) {
  answer(200, list("[" + slice("a", "10.0.0.1") + "]", "7", "old"));
  answer(410, recorded_body("list-continue-expired.http"));
  EXPECT_LE(state.delay(), Backoff::kFirst);
  EXPECT_TRUE(asks(answer(200, list("[]", "9")), kFirstPage));
  EXPECT_EQ(pods(store), "");
}

TEST_F(ListWatchTest, a_refusal_is_said_in_the_servers_words) {
  answer(401, recorded_body("list-unauthorized.http"));
  EXPECT_EQ(state.error(), "the API server answers 401: Unauthorized");
  answer(403, recorded_body("list-forbidden.http"));
  EXPECT_NE(state.error().find("User \"lb-token\" cannot list"), std::string::npos);
  answer(502, "<html>");
  EXPECT_EQ(state.error(), "the API server answers 502");
  answer(200, list("[]", "7"));
  EXPECT_EQ(state.error(), "");
}

TEST_F(ListWatchTest, a_watch_that_is_refused_is_asked_for_again) {
  answer(200, list("[" + slice("a", "10.0.0.1") + "]", "7"));
  answer(401, recorded_body("list-unauthorized.http"));
  EXPECT_FALSE(state.synced());
  EXPECT_GT(state.delay(), 0s);
  EXPECT_TRUE(asks(state.target(), kWatchFrom7));
  EXPECT_EQ(pods(store), "10.0.0.1:8080");
}

TEST_F(ListWatchTest, tries_become_rarer_up_to_half_a_minute_and_frequent_again_after_success) {
  Duration longest{};
  for (int i = 0; i < 20; ++i) {
    refuse();
    EXPECT_LE(state.delay(), Backoff::kLongest);
    longest = std::max(longest, state.delay());
  }
  EXPECT_GE(state.delay(), Backoff::kLongest / 2);
  EXPECT_EQ(state.error(), "the list broke off: connect: connection refused");
  answer(200, list("[]", "7"));
  watch(event("BOOKMARK", R"({"metadata":{"resourceVersion":"8"}})"));
  state.end(now, false, "");
  EXPECT_LE(state.delay(), Backoff::kFirst);
}

TEST_F(ListWatchTest, a_server_that_says_when_to_come_back_is_believed) {
  state.target();
  state.head(now, 429, 5s);
  state.end(now, true, "");
  EXPECT_GE(state.delay(), 5s);
}

TEST_F(ListWatchTest, a_server_that_ends_each_watch_at_once_is_asked_more_and_more_rarely) {
  answer(200, list("[]", "7"));
  for (int i = 0; i < 12; ++i) answer(200, "");
  EXPECT_GE(state.delay(), 10s);
  watch("");
  now += ListWatch::kShortWatch;
  state.end(now, true, "");
  EXPECT_EQ(state.delay(), 0s);
}

TEST_F(ListWatchTest, an_object_that_cannot_be_read_keeps_its_last_good_form_alone) {
  answer(200, list("[" + slice("a", "10.0.0.1") + "," + slice("b", "10.0.0.2") + "]", "7"));
  watch(event("MODIFIED", slice("a", "nonsense", "8")));
  state.body(now, event("MODIFIED", slice("b", "10.0.0.3", "9")));
  EXPECT_EQ(pods(store), "10.0.0.1:8080 10.0.0.3:8080");
  EXPECT_EQ(kind.unreadable(), 1u);
  ASSERT_EQ(complaints.size(), 1u);
  EXPECT_EQ(complaints[0],
            "EndpointSlice default/a cannot be read, and stays as it was: \"nonsense\" is not an "
            "address of the slice's addressType");
  EXPECT_EQ(state.garbage(), 0u) << "the watch goes on";
}

TEST_F(ListWatchTest, the_same_in_a_list) {
  answer(200, list("[" + slice("a", "10.0.0.1") + "," + slice("b", "10.0.0.2") + "]", "7"));
  answer(200, recorded_body("watch-too-old.http"));
  answer(200, list("[" + slice("a", "nonsense") + "]", "9"));
  EXPECT_EQ(pods(store), "10.0.0.1:8080") << "a stays, b has gone";
  EXPECT_EQ(kind.unreadable(), 1u);
}

TEST_F(ListWatchTest, a_list_with_an_object_of_unknown_name_removes_nothing) {
  answer(200, list("[" + slice("a", "10.0.0.1") + "]", "7"));
  answer(200, recorded_body("watch-too-old.http"));
  answer(200, list(R"([{"metadata":5}])", "9"));
  EXPECT_EQ(pods(store), "10.0.0.1:8080");
}

TEST_F(ListWatchTest, garbage_in_a_watch_lists_again_and_changes_nothing) {
  answer(200, list("[" + slice("a", "10.0.0.1") + "]", "7"));
  for (const char* garbage : {"not JSON\n", "[]\n", "{\"type\":\"ADDED\"}\n",
                              "{\"type\":\"NEWS\",\"object\":{\"metadata\":{}}}\n"}) {
    EXPECT_TRUE(asks(answer(200, garbage), kWatchFrom7));
    EXPECT_EQ(pods(store), "10.0.0.1:8080");
    EXPECT_GT(state.delay(), 0s);
    EXPECT_NE(state.error(), "");
    EXPECT_TRUE(asks(answer(200, list("[" + slice("a", "10.0.0.1") + "]", "7")), kFirstPage));
  }
  EXPECT_EQ(state.garbage(), 4u);
}

TEST_F(ListWatchTest, garbage_in_the_place_of_a_list_changes_nothing) {
  answer(200, list("[" + slice("a", "10.0.0.1") + "]", "7"));
  answer(200, recorded_body("watch-too-old.http"));
  for (const std::string& garbage :
       {std::string("<html>"), std::string("{}"), list("5", "8"), list("[5]", "8"),
        std::string(R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":"8"}})"),
        recorded_body("list-unauthorized.http")}) {
    EXPECT_TRUE(asks(answer(200, garbage), kFirstPage));
    EXPECT_EQ(pods(store), "10.0.0.1:8080");
    EXPECT_FALSE(state.synced());
  }
}

TEST_F(ListWatchTest, an_event_without_end_is_not_kept) {
  answer(200, list("[]", "7"));
  watch("");
  const std::string piece(1 << 20, ' ');
  int pieces = 0;
  while (state.body(now, piece)) ASSERT_LT(++pieces, 20);
  state.end(now, false, "");
  EXPECT_TRUE(asks(state.target(), kFirstPage));
}

TEST_F(ListWatchTest, items_that_are_null_are_an_empty_list) {
  answer(200, list("[" + slice("a", "10.0.0.1") + "]", "7"));
  answer(200, recorded_body("watch-too-old.http"));
  answer(200, list("null", "9"));
  EXPECT_EQ(pods(store), "");
}

}  // namespace
}  // namespace sluice::discovery::kubernetes
