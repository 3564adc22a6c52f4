#include "engram/rpc/codec.h"

#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include "engram/base/prng.h"
#include "engram/rpc/frame.h"

namespace engram::rpc {
namespace {

using replication::Body;
using runtime::SpaceMessage;

// ---- random messages ----

template <class Id>
Id RandomId(Prng& prng) {
  Id id;
  if (prng.OneIn(5)) return id;
  for (uint8_t& byte : id.bytes) byte = static_cast<uint8_t>(prng.Next());
  return id;
}

std::string RandomBytes(Prng& prng, size_t max) {
  std::string bytes(prng.Below(max + 1), '\0');
  for (char& byte : bytes) byte = static_cast<char>(prng.Next());
  return bytes;
}

// Small and huge ones alike.
uint64_t RandomNumber(Prng& prng) {
  return prng.Next() >> prng.Below(64);
}
Sequence RandomSequence(Prng& prng) {
  return Sequence(RandomNumber(prng));
}
Position RandomPosition(Prng& prng) {
  return {Epoch(RandomNumber(prng)), RandomSequence(prng)};
}
replication::Floors RandomFloors(Prng& prng) {
  return {RandomSequence(prng), RandomPosition(prng)};
}
replication::Member RandomMember(Prng& prng) {
  return {"n" + std::to_string(prng.Below(9)), RandomId<Incarnation>(prng), RandomId<NodeId>(prng)};
}

replication::SpaceRecord RandomRecord(Prng& prng) {
  replication::SpaceRecord record;
  record.epoch = Epoch(RandomNumber(prng));
  record.at = RandomSequence(prng);
  record.primary = RandomMember(prng);
  record.fork = RandomPosition(prng);
  for (uint64_t i = prng.Below(4); i > 0; --i) Add(&record.in_sync, RandomMember(prng));
  for (uint64_t i = prng.Below(4); i > 0; --i) Add(&record.voters, RandomMember(prng));
  if (prng.OneIn(2)) record.loss_after = RandomPosition(prng);
  if (record.loss_after) record.loss_why = "forced";
  if (prng.OneIn(2)) record.handed_by = RandomMember(prng);
  record.wall_ns = static_cast<int64_t>(prng.Below(1'800'000'000'000'000'000));
  return record;
}

replication::Open RandomOpen(Prng& prng) {
  replication::Open open;
  uint64_t epoch = 0, first = 0;
  for (uint64_t i = prng.Below(20); i > 0; --i) {
    epoch += prng.Below(300);
    first += 1 + prng.Below(1000);
    open.history.push_back({Epoch(epoch), Sequence(first)});
  }
  open.end = {Epoch(epoch), Sequence(first + prng.Below(1000))};
  open.id = RandomNumber(prng);
  open.end_crc = static_cast<uint32_t>(prng.Next());
  open.commit = RandomSequence(prng);
  open.replicated_end = RandomSequence(prng);
  open.floors = RandomFloors(prng);
  for (uint64_t i = prng.Below(4); i > 0; --i)
    open.losses.push_back({RandomSequence(prng), RandomPosition(prng)});
  return open;
}

replication::Entries RandomEntries(Prng& prng) {
  replication::Entries entries;
  if (!prng.OneIn(3))
    entries.batch =
        std::make_shared<const std::string>(RandomBytes(prng, prng.OneIn(9) ? 0 : 5000));
  entries.first = Sequence(1 + prng.Below(1u << 30));
  entries.last = Sequence(entries.first.value() + prng.Below(100));
  entries.last_crc = static_cast<uint32_t>(prng.Next());
  entries.commit = RandomSequence(prng);
  entries.replicated_end = RandomSequence(prng);
  entries.end = RandomSequence(prng);
  entries.floors = RandomFloors(prng);
  return entries;
}

replication::Answer RandomAnswer(Prng& prng) {
  replication::Answer answer;
  answer.round = RandomNumber(prng);
  answer.granted = prng.OneIn(2);
  answer.has_space = prng.OneIn(2);
  answer.fit = prng.OneIn(2);
  answer.promised = Epoch(RandomNumber(prng));
  answer.end = RandomPosition(prng);
  answer.floor = RandomSequence(prng);
  if (prng.OneIn(2)) answer.record = RandomRecord(prng);
  return answer;
}

replication::Page RandomPage(Prng& prng) {
  replication::Page page;
  page.after = "a";
  page.through = "z";
  page.last = prng.OneIn(2);
  for (uint64_t i = 0, rows = prng.Below(5); i < rows; ++i) {
    replication::Summary& row = page.spaces.emplace_back();
    row.space = "space-" + std::to_string(i);
    row.incarnation = RandomId<Incarnation>(prng);
    row.end = {Epoch(RandomNumber(prng)), RandomSequence(prng)};
    row.end_crc = static_cast<uint32_t>(prng.Next());
    row.clean = prng.OneIn(2);
  }
  return page;
}

Body RandomBody(Prng& prng) {
  switch (prng.Below(std::variant_size_v<Body>)) {
    case 0:
      return RandomOpen(prng);
    case 1:
      return RandomEntries(prng);
    case 2:
      return replication::Confirm{RandomNumber(prng)};
    case 3:
      return replication::Joined{RandomPosition(prng), static_cast<uint32_t>(prng.Next()),
                                 RandomSequence(prng), RandomSequence(prng),
                                 RandomNumber(prng),   RandomNumber(prng)};
    case 4:
      return replication::Ack{RandomSequence(prng), RandomSequence(prng)};
    case 5:
      return replication::Gap{RandomSequence(prng)};
    case 6:
      return replication::Refused{static_cast<replication::Refused::Why>(prng.Below(6)),
                                  Epoch(RandomNumber(prng)), RandomBytes(prng, 100)};
    case 7:
      return replication::Confirmed{RandomNumber(prng), Epoch(RandomNumber(prng))};
    case 8:
      return replication::Ask{RandomNumber(prng), prng.OneIn(2), prng.OneIn(2)};
    case 9:
      return RandomAnswer(prng);
    case 10:
      return RandomPage(prng);
    case 11:
      return replication::HandOver{RandomPosition(prng), prng.Below(1u << 20)};
    default:
      return replication::Deleted();
  }
}

SpaceMessage RandomMessage(Prng& prng) {
  SpaceMessage message;
  message.space = "space-" + std::to_string(prng.Below(1000));
  message.message.stamp = {RandomId<Incarnation>(prng), Epoch(RandomNumber(prng)),
                           RandomId<Incarnation>(prng)};
  message.message.body = RandomBody(prng);
  return message;
}

// ---- equality, field by field ----

bool Same(const replication::Open& a, const replication::Open& b) {
  return a.id == b.id && a.history == b.history && a.end == b.end && a.end_crc == b.end_crc &&
         a.commit == b.commit && a.replicated_end == b.replicated_end && a.floors == b.floors &&
         a.losses == b.losses;
}
bool Same(const replication::Entries& a, const replication::Entries& b) {
  if ((a.batch == nullptr) != (b.batch == nullptr)) return false;
  return (a.batch == nullptr || *a.batch == *b.batch) && a.first == b.first && a.last == b.last &&
         a.last_crc == b.last_crc && a.commit == b.commit && a.replicated_end == b.replicated_end &&
         a.end == b.end && a.floors == b.floors;
}
bool Same(const replication::Confirm& a, const replication::Confirm& b) {
  return a.id == b.id;
}
bool Same(const replication::Joined& a, const replication::Joined& b) {
  return a.end == b.end && a.end_crc == b.end_crc && a.durable == b.durable &&
         a.visible == b.visible && a.id == b.id && a.rewound == b.rewound;
}
bool Same(const replication::Ack& a, const replication::Ack& b) {
  return a.durable == b.durable && a.visible == b.visible;
}
bool Same(const replication::Gap& a, const replication::Gap& b) {
  return a.expected == b.expected;
}
bool Same(const replication::Refused& a, const replication::Refused& b) {
  return a.why == b.why && a.promised == b.promised && a.text == b.text;
}
bool Same(const replication::Confirmed& a, const replication::Confirmed& b) {
  return a.id == b.id && a.promised == b.promised;
}
bool Same(const replication::Ask& a, const replication::Ask& b) {
  return a.round == b.round && a.dry_run == b.dry_run && a.handed_over == b.handed_over;
}
bool Same(const replication::Answer& a, const replication::Answer& b) {
  return a.round == b.round && a.granted == b.granted && a.has_space == b.has_space &&
         a.fit == b.fit && a.promised == b.promised && a.end == b.end && a.floor == b.floor &&
         a.record == b.record;
}
bool Same(const replication::Page& a, const replication::Page& b) {
  return a.after == b.after && a.through == b.through && a.last == b.last && a.spaces == b.spaces;
}
bool Same(const replication::HandOver& a, const replication::HandOver& b) {
  return a.end == b.end && a.within_ms == b.within_ms;
}
bool Same(const replication::Deleted&, const replication::Deleted&) {
  return true;
}

bool SameMessage(const SpaceMessage& a, const SpaceMessage& b) {
  if (a.space != b.space || !(a.message.stamp == b.message.stamp)) return false;
  if (a.message.body.index() != b.message.body.index()) return false;
  return std::visit(
      [&](const auto& body) {
        return Same(body, std::get<std::decay_t<decltype(body)>>(b.message.body));
      },
      a.message.body);
}

std::string Flat(const grpc::ByteBuffer& frame) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(frame.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

Status ParseBytes(const std::string& bytes, pb::StreamMessage* message) {
  const grpc::Slice slice(bytes);
  grpc::ByteBuffer frame(&slice, 1);
  return ParseFrame(&frame, message);
}

// ---- tests ----

TEST(CodecTest, EveryMessageGoesThereAndBackInFrames) {
  Prng prng(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<SpaceMessage> sent;
    std::vector<Parcel> parcels;
    for (uint64_t i = prng.Below(12); i > 0; --i) {
      sent.push_back(RandomMessage(prng));
      parcels.push_back(MakeParcel(sent.back()));
    }
    pb::StreamMessage frame;
    ASSERT_TRUE(ParseBytes(Flat(FrameOf(parcels)), &frame).ok());
    ASSERT_EQ(frame.spaces_size(), static_cast<int>(sent.size()));
    for (size_t i = 0; i < sent.size(); ++i) {
      const auto got = Decode(std::move(*frame.mutable_spaces(static_cast<int>(i))));
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      EXPECT_TRUE(SameMessage(sent[i], *got)) << "round " << round << ", message " << i;
    }
  }
}

TEST(CodecTest, ABatchIsSentFromWhereItLies) {
  const auto batch = std::make_shared<const std::string>(100'000, 'b');
  replication::Entries entries;
  entries.batch = batch;
  const std::vector<Parcel> parcels{MakeParcel({"s", {{}, entries}})};
  const grpc::ByteBuffer frame = FrameOf(parcels);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(frame.Dump(&slices).ok());
  const bool borrowed = std::any_of(slices.begin(), slices.end(), [&](const grpc::Slice& slice) {
    return reinterpret_cast<const char*>(slice.begin()) == batch->data();
  });
  EXPECT_TRUE(borrowed);
}

TEST(CodecTest, RandomAndDamagedBytesNeverDoHarm) {
  google::protobuf::SetLogHandler(nullptr);  // it complains of every name that is not UTF-8
  Prng prng(11);
  int decoded = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes;
    if (prng.OneIn(2)) {
      bytes = RandomBytes(prng, 60);
    } else {
      bytes = Flat(FrameOf(std::vector<Parcel>{MakeParcel(RandomMessage(prng))}));
      for (uint64_t i = 1 + prng.Below(3); i > 0; --i)
        bytes[prng.Below(bytes.size())] = static_cast<char>(prng.Next());
      if (prng.OneIn(3)) bytes.resize(prng.Below(bytes.size()));
    }
    pb::StreamMessage frame;
    if (!ParseBytes(bytes, &frame).ok()) continue;
    for (pb::SpaceMessage& space : *frame.mutable_spaces()) {
      const auto message = Decode(std::move(space));
      if (message.ok() && message->space.size() <= kNameBytesMax) ++decoded;
    }
  }
  EXPECT_GT(decoded, 100);
}

Reason ReasonFor(const std::function<void(pb::SpaceMessage*)>& spoil) {
  pb::SpaceMessage message;
  Encode(SpaceMessage{"s", {{}, replication::Ack{Sequence(1), Sequence(1)}}}, &message);
  spoil(&message);
  const auto got = Decode(std::move(message));
  EXPECT_FALSE(got.ok());
  return got.ok() ? Reason::IO : got.status().reason();
}

TEST(CodecTest, LimitsAndFormAreChecked) {
  EXPECT_EQ(ReasonFor([](auto* m) { m->clear_space(); }), Reason::INVALID_REQUEST);
  EXPECT_EQ(ReasonFor([](auto* m) { m->set_space(std::string(257, 'x')); }), Reason::TOO_LARGE);
  EXPECT_EQ(ReasonFor([](auto* m) { m->set_sender("15 bytes or so."); }), Reason::INVALID_REQUEST);
  EXPECT_EQ(ReasonFor([](auto* m) { m->set_incarnation("x"); }), Reason::INVALID_REQUEST);
  EXPECT_EQ(ReasonFor([](auto* m) { m->clear_body(); }), Reason::INVALID_REQUEST);
  EXPECT_EQ(ReasonFor([](auto* m) { m->set_batch("x"); }), Reason::INVALID_REQUEST);
  EXPECT_EQ(ReasonFor([](auto* m) { m->mutable_refused(); }), Reason::INVALID_REQUEST);
  EXPECT_EQ(ReasonFor([](auto* m) { m->mutable_answer()->set_record("\xff"); }),
            Reason::CORRUPTION_DETECTED);
  EXPECT_EQ(ReasonFor([](auto* m) { m->mutable_answer()->set_record(std::string(1 << 20, 'r')); }),
            Reason::TOO_LARGE);
}

TEST(CodecTest, BatchesAreCheckedToo) {
  EXPECT_EQ(ReasonFor([](auto* m) {
              m->mutable_entries();
              m->set_batch("x");  // of which sequences?
            }),
            Reason::INVALID_REQUEST);
  EXPECT_EQ(ReasonFor([](auto* m) {
              m->mutable_entries()->set_first(1);
              m->mutable_entries()->set_last(1);
              m->set_batch(std::string(kBatchBytesMax + 1, 'b'));
            }),
            Reason::TOO_LARGE);
}

TEST(CodecTest, HistoriesAreCheckedToo) {
  const auto rows = [](int count, bool rising) {
    return [=](pb::SpaceMessage* m) {
      for (int i = 0; i < count; ++i) {
        pb::EpochBegin* row = m->mutable_open()->add_history();
        row->set_epoch(1);
        row->set_first(rising ? i + 1 : 5);
      }
      m->mutable_open()->set_end_sequence(rising ? 1 : 5);
    };
  };
  EXPECT_EQ(ReasonFor(rows(1001, true)), Reason::TOO_LARGE);
  EXPECT_EQ(ReasonFor(rows(2, false)), Reason::INVALID_REQUEST);
  EXPECT_EQ(ReasonFor(rows(2, true)), Reason::INVALID_REQUEST);  // beyond its end
}

TEST(CodecTest, OfALongHistoryTheNewestRowsAreSent) {
  replication::Open open;
  for (uint64_t i = 1; i <= 1500; ++i) open.history.push_back({Epoch(i), Sequence(i)});
  open.end = {Epoch(1500), Sequence(1500)};
  pb::SpaceMessage message;
  Encode(SpaceMessage{"s", {{}, open}}, &message);
  const auto got = Decode(std::move(message));
  ASSERT_TRUE(got.ok());
  const auto& history = std::get<replication::Open>(got->message.body).history;
  ASSERT_EQ(history.size(), 1000u);
  EXPECT_EQ(history.front().epoch, Epoch(501));
  EXPECT_EQ(history.back().epoch, Epoch(1500));
}

TEST(CodecTest, StatusOfACopyGoesThereAndBack) {
  Prng prng(3);
  runtime::CopyStatus sent;
  sent.space = "notes";
  sent.incarnation = RandomId<Incarnation>(prng);
  sent.role = "primary";
  sent.epoch = Epoch(256);
  sent.promised = Epoch(512);
  sent.end = {Epoch(256), Sequence(9)};
  sent.end_crc = 77;
  sent.durable = Sequence(8);
  sent.commit = Sequence(7);
  sent.replicated_end = Sequence(6);
  sent.floors = RandomFloors(prng);
  sent.phase = "catching_up";
  sent.record = RandomRecord(prng);
  sent.trouble = "the disk is full";
  pb::CopyStatus message;
  Encode(sent, &message);
  const auto got = Decode(message);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->space, sent.space);
  EXPECT_EQ(got->incarnation, sent.incarnation);
  EXPECT_EQ(got->role, sent.role);
  EXPECT_EQ(got->epoch, sent.epoch);
  EXPECT_EQ(got->promised, sent.promised);
  EXPECT_EQ(got->end, sent.end);
  EXPECT_EQ(got->end_crc, sent.end_crc);
  EXPECT_EQ(got->durable, sent.durable);
  EXPECT_EQ(got->commit, sent.commit);
  EXPECT_EQ(got->replicated_end, sent.replicated_end);
  EXPECT_EQ(got->floors, sent.floors);
  EXPECT_EQ(got->phase, sent.phase);
  EXPECT_EQ(got->record, sent.record);
  EXPECT_EQ(got->trouble, sent.trouble);
}

}  // namespace
}  // namespace engram::rpc
