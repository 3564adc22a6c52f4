#include "engram/rpc/delivery.h"

#include <gtest/gtest.h>

#include "engram/rpc/frame.h"
#include "engram/rpc/test_kit.h"

namespace engram::rpc {
namespace {

grpc::ByteBuffer FrameWith(uint64_t first, uint64_t last, size_t batch_bytes = 0) {
  std::vector<Parcel> parcels;
  for (uint64_t number = first; number <= last; ++number) {
    parcels.push_back(
        MakeParcel(batch_bytes == 0
                       ? Numbered(number)
                       : WithBatch(number, std::make_shared<const std::string>(batch_bytes, 'b'))));
  }
  return FrameOf(parcels);
}

class DeliveryTest : public testing::Test {
 protected:
  DeliveryTest() : delivery_(1, recorder_, 1000) { NewWires(); }
  ~DeliveryTest() override {
    recorder_.Note([&] { recorder_.held = {}; });
    delivery_.Stop();
  }

  void NewWires() {
    live_ = std::make_shared<FakeWire>(Lane::kLive);
    bulk_ = std::make_shared<FakeWire>(Lane::kBulk);
  }
  void Up() { delivery_.Up({}, {live_, bulk_}); }
  void Hold(Lane lane, bool held) {
    recorder_.Note([&] { recorder_.held[static_cast<int>(lane)] = held; });
  }

  Recorder recorder_;
  std::shared_ptr<FakeWire> live_, bulk_;
  Delivery delivery_;
};

TEST_F(DeliveryTest, UpComesBeforeTheMessagesOfBothLanes) {
  Up();
  delivery_.Push(bulk_, FrameWith(1, 3));
  delivery_.Push(live_, FrameWith(4, 6));
  ASSERT_TRUE(recorder_.Await([&] { return recorder_.count == 6; }));
  EXPECT_EQ(recorder_.ups, 1);
  EXPECT_EQ(recorder_.astray, 0);
}

TEST_F(DeliveryTest, WhatWasQueuedBeforeADownIsDropped) {
  Hold(Lane::kBulk, true);
  Up();
  delivery_.Push(bulk_, FrameWith(1, 100));
  delivery_.Push(bulk_, FrameWith(101, 200));
  ASSERT_TRUE(recorder_.Await([&] { return recorder_.ups == 1; }));
  delivery_.Down(Status(Reason::IO, "x"));
  NewWires();
  Up();
  delivery_.Push(bulk_, FrameWith(500, 500));
  // The call that is under way ends in the old connection; Down waits for it.
  Hold(Lane::kBulk, false);
  ASSERT_TRUE(recorder_.Await(
      [&] { return !recorder_.got.empty() && NumberOf(recorder_.got.back().message) == 500; }));
  EXPECT_LE(recorder_.got.size(), 2u);
  EXPECT_EQ(recorder_.ups, 2);
  EXPECT_EQ(recorder_.downs, 1);
  EXPECT_EQ(recorder_.astray, 0);
}

TEST_F(DeliveryTest, FramesOfAnotherConnectionAreDropped) {
  const auto old = live_;
  NewWires();
  Up();
  delivery_.Push(old, FrameWith(1, 1));
  delivery_.Push(live_, FrameWith(2, 2));
  ASSERT_TRUE(recorder_.Await([&] { return recorder_.count > 0; }));
  EXPECT_EQ(NumberOf(recorder_.got[0].message), 2u);
  EXPECT_EQ(old->reads, 0);
}

TEST_F(DeliveryTest, AnUpThatNobodyHeardOfNeedsNoDown) {
  Hold(Lane::kBulk, true);
  Up();
  delivery_.Push(bulk_, FrameWith(1, 1));
  // The bulk lane's thread is in the listener now, so that no notice can be told.
  ASSERT_TRUE(recorder_.Await([&] { return recorder_.waiting == 1; }));
  delivery_.Down(Status(Reason::IO, "first"));
  EXPECT_FALSE(recorder_.Await([&] { return recorder_.downs > 0; }, 50ms));
  for (int i = 0; i < 3; ++i) {
    Up();
    delivery_.Down(Status(Reason::IO, "later"));
  }
  Hold(Lane::kBulk, false);
  ASSERT_TRUE(recorder_.Await([&] { return recorder_.downs == 1; }));
  EXPECT_EQ(recorder_.ups, 1);
  EXPECT_EQ(recorder_.last_why.message(), "first");
}

TEST_F(DeliveryTest, AFullLaneIsNotReadUntilThereIsRoom) {
  Hold(Lane::kLive, true);
  Up();
  delivery_.Push(live_, FrameWith(1, 1));
  ASSERT_TRUE(recorder_.Await([&] { return recorder_.waiting == 1; }));
  EXPECT_EQ(live_->reads, 1);
  delivery_.Push(live_, FrameWith(2, 2, 2000));
  EXPECT_EQ(live_->reads, 1);
  EXPECT_TRUE(delivery_.paused(Lane::kLive));
  EXPECT_GT(delivery_.bytes_held(), 2000u);
  Hold(Lane::kLive, false);
  ASSERT_TRUE(recorder_.Await([&] { return recorder_.count == 2; }));
  EXPECT_TRUE(Becomes([&] { return live_->reads == 2; }));
  EXPECT_FALSE(delivery_.paused(Lane::kLive));
  EXPECT_TRUE(Becomes([&] { return delivery_.bytes_held() == 0; }));
}

TEST_F(DeliveryTest, AFrameThatIsNoMessageClosesItsWire) {
  Up();
  const grpc::Slice garbage("\xff\xff\xff");
  delivery_.Push(bulk_, grpc::ByteBuffer(&garbage, 1));
  EXPECT_TRUE(Becomes([&] { return bulk_->closes == 1; }));
  EXPECT_EQ(live_->closes, 0);
}

TEST_F(DeliveryTest, WritableIsToldOnceAndOnlyWhileUp) {
  delivery_.Writable(Lane::kLive);
  Up();
  delivery_.Writable(Lane::kBulk);
  ASSERT_TRUE(recorder_.Await([&] { return recorder_.writable[1] == 1; }));
  EXPECT_EQ(recorder_.writable[0], 0);
}

TEST_F(DeliveryTest, NothingIsToldAfterStop) {
  Up();
  delivery_.Stop();
  delivery_.Push(live_, FrameWith(1, 1));
  recorder_.Note([&] { EXPECT_EQ(recorder_.count, 0u); });
}

}  // namespace
}  // namespace engram::rpc
