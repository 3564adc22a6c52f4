// A node that speaks a newer minor version: what this one does not know is passed over, what both
// know works, and a batch that cannot be what it says breaks the connection.
#include <gmock/gmock.h>
#include <google/protobuf/unknown_field_set.h>

#include "engram/record/compress.h"
#include "engram/rpc/played_kit.h"

namespace engram::rpc {
namespace {

using testing::HasSubstr;

constexpr int kNewField = 1000;

template <class Message>
void AddNewField(Message* message) {
  Message::GetReflection()->MutableUnknownFields(message)->AddVarint(kNewField, 42);
}

class NewerPeerTest : public PlayedTest {
 protected:
  std::unique_ptr<HandMade> SayNewHello(Lane lane) {
    auto stream = Dial();
    pb::StreamMessage message;
    pb::Hello* hello = message.mutable_hello();
    *hello = MakeHello(local_, 1, lane, 7);
    hello->set_protocol_max(9);
    hello->add_compressions(static_cast<pb::BatchCompression>(77));
    AddNewField(hello);
    AddNewField(hello->mutable_node());
    AddNewField(&message);
    EXPECT_TRUE(stream->Write(message));
    const pb::StreamMessage reply = stream->Read();
    EXPECT_EQ(reply.hello_reply().protocol_version(), 1u);
    return stream;
  }
  void BeUp() {
    StartNode();
    live_ = SayNewHello(Lane::kLive);
    bulk_ = SayNewHello(Lane::kBulk);
    EXPECT_TRUE(cluster_.AwaitUp(1, 1));
  }
  Recorder& recorder() { return *cluster_.recorders[1]; }

  std::unique_ptr<HandMade> live_, bulk_;
};

TEST_F(NewerPeerTest, IsAcceptedWithTheVersionThatBothKnow) {
  BeUp();
  EXPECT_EQ(recorder().last_identity.protocol_version, 1u);
  EXPECT_EQ(recorder().last_identity.compressions, record::kEveryCompression);  // 77 is nothing
}

TEST_F(NewerPeerTest, WhatOnlyItKnowsIsPassedOver) {
  BeUp();
  pb::StreamMessage message;
  AddNewField(&message);
  AddNewField(message.add_spaces());  // a body of a new kind
  pb::SpaceMessage* known = message.add_spaces();
  Encode(Numbered(5), known);
  AddNewField(known);
  AddNewField(known->mutable_confirm());
  pb::SpaceMessage* refused = message.add_spaces();
  refused->set_space("space");
  refused->mutable_refused()->set_why(static_cast<pb::Refused::Why>(99));
  refused->mutable_refused()->set_text("a new cause");
  ASSERT_TRUE(live_->Write(message));
  ASSERT_TRUE(recorder().Await([&] { return recorder().got.size() == 2; }));
  EXPECT_EQ(NumberOf(recorder().got[0].message), 5u);
  const auto& why = std::get<replication::Refused>(recorder().got[1].message.message.body);
  EXPECT_EQ(why.why, replication::Refused::Why::kBroken);
  EXPECT_EQ(why.text, "a new cause");
  EXPECT_EQ(recorder().downs, 0);
}

TEST_F(NewerPeerTest, AMessageThatSaysNothingIsNoNewKind) {
  BeUp();
  pb::StreamMessage message;
  message.add_spaces()->set_space("space");
  ASSERT_TRUE(live_->Write(message));
  EXPECT_EQ(live_->End().reason(), Reason::INVALID_REQUEST);
}

std::string TextBatch(uint64_t stated) {
  const std::string records(5000, 'x');
  record::BatchHeader header;
  header.start = Sequence(1);
  header.count = 1;
  header.size = records.size();
  std::string batch =
      *record::CompressBatch(record::EncodeBatch(header, records), record::Compression::kZstd);
  StoreLe<uint64_t>(batch.data() + record::batch_offset::kSize, stated);
  record::SealBatch(&batch);
  return batch;
}

pb::StreamMessage Carrying(std::string batch) {
  pb::StreamMessage message;
  pb::SpaceMessage* space = message.add_spaces();
  space->set_space("space");
  space->mutable_entries()->set_first(1);
  space->mutable_entries()->set_last(1);
  space->set_batch(std::move(batch));
  return message;
}

TEST_F(NewerPeerTest, ABombOrAWrongLengthBreaksTheConnection) {
  for (const uint64_t stated : {uint64_t{1} << 40, uint64_t{kBatchBytesMax} + 1, uint64_t{5001}}) {
    NewerPeerTest::cluster_.Stop(1);
    recorder().Note([&] { recorder().ups = 0; });
    BeUp();
    ASSERT_TRUE(bulk_->Write(Carrying(TextBatch(stated))));
    EXPECT_EQ(bulk_->End().reason(), Reason::INVALID_BATCH_SIZE) << stated;
    EXPECT_EQ(recorder().count, 0u);
  }
}

// Damage on the way is for the space to refuse, which says so and stays connected.
TEST_F(NewerPeerTest, ADamagedBatchReachesTheSpaceAsItIs) {
  BeUp();
  std::string batch = TextBatch(5000);
  ASSERT_TRUE(bulk_->Write(Carrying(batch)));
  batch.back() = static_cast<char>(batch.back() ^ 1);
  ASSERT_TRUE(bulk_->Write(Carrying(batch)));
  ASSERT_TRUE(recorder().Await([&] { return recorder().got.size() == 2; }));
  const auto received = [&](size_t i) {
    return *std::get<replication::Entries>(recorder().got[i].message.message.body).batch;
  };
  EXPECT_EQ(received(0).size(), record::kBatchHeaderSize + 5000);
  EXPECT_EQ(received(1), batch);
  EXPECT_EQ(recorder().downs, 0);
}

}  // namespace
}  // namespace engram::rpc
