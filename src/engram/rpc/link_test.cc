#include "engram/rpc/link.h"

#include <gtest/gtest.h>

#include "engram/rpc/test_kit.h"

namespace engram::rpc {
namespace {

class LinkTest : public testing::Test {
 protected:
  LinkTest() : link_({10'000, 50'000, &clock_}, [this] { ++writable_; }) {}

  bool Send(size_t bytes, const std::string& space = "") {
    runtime::SpaceMessage message = WithBatch(1, std::make_shared<const std::string>(bytes, 'b'));
    if (!space.empty()) message.space = space;
    return link_.Send(message);
  }
  // The spaces of the frame that the wire took last, in order.
  std::string Spaces() {
    pb::StreamMessage message;
    EXPECT_TRUE(ParseFrame(&wire_->last, &message).ok());
    std::string spaces;
    for (const auto& space : message.spaces()) spaces += space.space();
    return spaces;
  }

  env::ManualClock clock_;
  int writable_ = 0;
  std::shared_ptr<FakeWire> wire_ = std::make_shared<FakeWire>(Lane::kLive);
  Link link_;
};

TEST_F(LinkTest, NothingIsSentWithoutAWire) {
  EXPECT_FALSE(Send(10));
  link_.Attach(wire_);
  EXPECT_TRUE(Send(10));
  link_.Detach();
  EXPECT_FALSE(Send(10));
  EXPECT_EQ(wire_->writes, 1);
}

TEST_F(LinkTest, WhatWaitsSharesTheNextFrame) {
  link_.Attach(wire_);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Send(100));
  EXPECT_EQ(wire_->writes, 1);
  link_.OnWritten(wire_);
  EXPECT_EQ(wire_->writes, 2);
  pb::StreamMessage message;
  ASSERT_TRUE(ParseFrame(&wire_->last, &message).ok());
  EXPECT_EQ(message.spaces_size(), 4);
  link_.OnWritten(wire_);
  EXPECT_EQ(wire_->writes, 2);
}

TEST_F(LinkTest, TheQueueIsBoundedAndSaysWhenThereIsRoom) {
  link_.Attach(wire_);
  ASSERT_TRUE(Send(6'000));
  EXPECT_FALSE(Send(6'000));
  ASSERT_TRUE(Send(3'000));
  EXPECT_EQ(writable_, 0);
  EXPECT_GE(link_.bytes_held(), 9'000u);
  link_.OnWritten(wire_);
  EXPECT_EQ(writable_, 1);
  EXPECT_LT(link_.bytes_held(), 6'000u);
  link_.OnWritten(wire_);
  EXPECT_EQ(link_.bytes_held(), 0u);
  EXPECT_EQ(writable_, 1);  // nobody was refused meanwhile
}

TEST_F(LinkTest, SpacesTakeTurns) {
  link_.Attach(wire_);
  ASSERT_TRUE(Send(10));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Send(100, "a"));
  ASSERT_TRUE(Send(100, "b"));
  ASSERT_TRUE(Send(100, "c"));
  ASSERT_TRUE(Send(100, "b"));
  link_.OnWritten(wire_);
  EXPECT_EQ(Spaces(), "abcaba");
}

TEST_F(LinkTest, ABusySpaceLeavesHalfOfTheQueueToOthers) {
  link_.Attach(wire_);
  ASSERT_TRUE(Send(10));
  ASSERT_TRUE(Send(3'000, "busy"));
  EXPECT_FALSE(Send(3'000, "busy"));
  ASSERT_TRUE(Send(3'000, "quiet"));
  link_.OnWritten(wire_);
  EXPECT_EQ(writable_, 0);  // both are under way
  link_.OnWritten(wire_);
  EXPECT_EQ(writable_, 1);
  EXPECT_TRUE(Send(3'000, "busy"));
}

TEST_F(LinkTest, OneMessageAlwaysFindsRoomInAnEmptyQueue) {
  link_.Attach(wire_);
  ASSERT_TRUE(Send(40'000));
  EXPECT_FALSE(Send(1));
}

TEST_F(LinkTest, AMessageOverTheLimitIsDropped) {
  link_.Attach(wire_);
  EXPECT_TRUE(Send(50'001));
  EXPECT_EQ(wire_->writes, 0);
}

TEST_F(LinkTest, AnIdleLinkGivesSignsOfLife) {
  link_.Attach(wire_);
  link_.Heartbeat(clock_.Now(), 1s);
  EXPECT_EQ(wire_->writes, 0);
  clock_.Advance(1s);
  link_.Heartbeat(clock_.Now(), 1s);
  EXPECT_EQ(wire_->writes, 1);
  clock_.Advance(1s);
  link_.Heartbeat(clock_.Now(), 1s);  // the first is still under way
  EXPECT_EQ(wire_->writes, 1);
}

TEST_F(LinkTest, AWriteThatTakesTooLongIsSeen) {
  link_.Attach(wire_);
  clock_.Advance(1h);
  EXPECT_FALSE(link_.Stuck(clock_.Now(), 10s));
  ASSERT_TRUE(Send(10));
  clock_.Advance(10s);
  EXPECT_FALSE(link_.Stuck(clock_.Now(), 10s));
  clock_.Advance(1s);
  EXPECT_TRUE(link_.Stuck(clock_.Now(), 10s));
  link_.OnWritten(wire_);
  EXPECT_FALSE(link_.Stuck(clock_.Now(), 10s));
}

TEST_F(LinkTest, AnotherWiresWordCountsForNothing) {
  link_.Attach(wire_);
  ASSERT_TRUE(Send(10));
  ASSERT_TRUE(Send(10));
  link_.OnWritten(std::make_shared<FakeWire>(Lane::kLive));
  EXPECT_EQ(wire_->writes, 1);
}

}  // namespace
}  // namespace engram::rpc
