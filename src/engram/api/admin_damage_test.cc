// Damage as operators see it: a log read through by VerifyLog, what GetCluster, Explain and
// Introspect say of it, and who may ask. A node alone: nobody mends.
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/api/admin.h"
#include "engram/api/json.h"
#include "engram/api/replica_state.h"
#include "engram/api/test_kit.h"

namespace engram::api {
namespace {

using testing::Contains;
using testing::HasSubstr;

class AdminDamageTest : public testing::Test {
 protected:
  template <class Request, class Response>
  Result<Response> Call(void (Admin::*call)(const CallContext&, Request, Reply<Response>),
                        Request request, bool loopback = true) {
    CallContext context = node_.Context();
    context.principal.loopback = loopback;
    auto promise = std::make_shared<std::promise<Result<Response>>>();
    (admin_.get()->*call)(context, std::move(request), [promise](Result<Response> result) {
      promise->set_value(std::move(result));
    });
    return promise->get_future().get();
  }
  static admin_v1::DamagedRange Range() {
    return ToProto(runtime::DamagedRange{.file = "0000000000000001.log",
                                         .offset = 400,
                                         .first = Sequence(7),
                                         .last = Sequence(9),
                                         .why = "payload checksum",
                                         .since_wall_ns = 1'750'000'000'000'000'000,
                                         .state = "not mended yet: n2: damaged there, too"});
  }

  TestNode node_;
  std::unique_ptr<Admin> admin_ = Admin::Make(node_.node(), nullptr);
};

TEST_F(AdminDamageTest, ALogIsReadThrough) {
  ASSERT_TRUE(node_.Remember("a", "one").ok());
  const auto read = Call(&Admin::VerifyLog, admin_v1::VerifyLogRequest());
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->segments(), 1u);
  EXPECT_EQ(read->entries(), 3u);
  EXPECT_EQ(read->last(), 3u);
  EXPECT_EQ(read->next(), 0u);
  EXPECT_GT(read->bytes(), 0u);
  EXPECT_EQ(read->bytes(), read->bytes_total());
  EXPECT_TRUE(read->damage().empty());
}

TEST_F(AdminDamageTest, WhoMayNotAskAndWhatIsNotThere) {
  EXPECT_EQ(Call(&Admin::VerifyLog, {}, false).status().reason(), Reason::PERMISSION_DENIED);
  admin_v1::VerifyLogRequest request;
  request.set_memory_space_id("none");
  EXPECT_EQ(Call(&Admin::VerifyLog, request).status().reason(), Reason::SPACE_NOT_FOUND);
}

TEST_F(AdminDamageTest, StatusAndClusterSayWhatIsKnown) {
  ASSERT_TRUE(node_.Remember("a", "one").ok());
  const Status why = Status(Reason::CORRUPTION_DETECTED, "told by a test");
  node_.node().mending().Tell("default", why);  // nothing is found: it is left as it is
  const auto shown = Call(&Admin::GetCluster, admin_v1::GetClusterRequest());
  ASSERT_TRUE(shown.ok());
  EXPECT_TRUE(shown->spaces(0).damage().empty());
  ASSERT_TRUE(node_.Remember("b", "two").ok());
}

TEST_F(AdminDamageTest, InWords) {
  EXPECT_EQ(InWords(Range()),
            "entries 7 to 9 of 0000000000000001.log, found 15:06:40 UTC: payload checksum; "
            "not mended yet: n2: damaged there, too");
  admin_v1::DamagedRange range = Range();
  range.set_last(7);
  EXPECT_THAT(InWords(range), HasSubstr("entry 7 of"));
  range.set_last(6);
  EXPECT_THAT(InWords(range), HasSubstr("bytes at 400 of"));
}

TEST_F(AdminDamageTest, ExplainAndJsonShowIt) {
  admin_v1::SpaceState state;
  state.set_memory_space_id("default");
  *state.add_damage() = Range();
  const auto words = ExplainInWords(state, admin_v1::GetClusterResponse(), 0);
  EXPECT_THAT(words, Contains(HasSubstr("damaged           entries 7 to 9")));
  EXPECT_THAT(MessageToJson(state), HasSubstr(R"("damage":[{"file":"0000000000000001.log")"));
}

}  // namespace
}  // namespace engram::api
