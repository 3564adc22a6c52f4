// What a replica does with input that no primary sends: each kind is refused, most with an alarm,
// nothing of it gets into the log, and as soon as it ends the pair goes on.
#include <gtest/gtest.h>

#include "engram/cluster/store.h"
#include "engram/record/batch.h"
#include "sim/world.h"

namespace engram::sim {
namespace {

using namespace std::chrono_literals;
using replication::Entries;
using runtime::SpaceMessage;

struct BadInput {
  const char* name;
  std::function<void(SpaceMessage*)> spoil;  // what n1 sends to n2, with entries
  const char* alarm;                         // in n2's history; "": none
};

void Rewrite(SpaceMessage* message, const std::function<void(std::string*)>& change) {
  auto& entries = std::get<Entries>(message->message.body);
  std::string batch = *entries.batch;
  change(&batch);
  entries.batch = std::make_shared<const std::string>(std::move(batch));
}

// Its checksum is right again afterwards: only what the header says is wrong.
void Reheader(SpaceMessage* message, const std::function<void(record::BatchHeader*)>& change) {
  Rewrite(message, [&](std::string* batch) {
    Result<record::BatchHeader> header = record::DecodeBatchHeader(*batch, UINT64_MAX);
    ASSERT_TRUE(header.ok()) << header.status().ToString();
    change(&*header);
    *batch = record::EncodeBatch(*header, record::BatchRecords(*batch));
  });
}

void MoveEpoch(SpaceMessage* message, uint64_t by) {
  replication::Stamp& stamp = message->message.stamp;
  stamp.epoch = Epoch(stamp.epoch.value() + by);
}

const BadInput kBadInputs[] = {
    {"AFlippedByte",
     [](SpaceMessage* m) { Rewrite(m, [](std::string* batch) { batch->back() ^= 1; }); },
     "bad_batch"},
    {"ACutBatch", [](SpaceMessage* m) { Rewrite(m, [](std::string* b) { b->pop_back(); }); },
     "bad_batch"},
    {"NoBatchAtAll", [](SpaceMessage* m) { Rewrite(m, [](std::string* b) { *b = "batch"; }); },
     "bad_batch"},
    {"ABatchOfAnotherSpace",
     [](SpaceMessage* m) { Reheader(m, [](auto* header) { header->space = {{7}}; }); },
     "bad_batch"},
    {"ABatchOfAnotherPlace",
     [](SpaceMessage* m) { Reheader(m, [](auto* h) { h->start = h->start.next(); }); },
     "bad_batch"},
    {"ABatchThatGrowsWithoutBound",
     [](SpaceMessage* m) { Reheader(m, [](auto* header) { header->size = uint64_t{1} << 40; }); },
     "bad_batch"},
    {"ACompressedBatch",
     [](SpaceMessage* m) {
       Reheader(m, [](auto* header) { header->compression = record::Compression::kZstd; });
     },
     "bad_batch"},
    {"AGap",
     [](SpaceMessage* m) {
       auto& entries = std::get<Entries>(m->message.body);
       entries.first = Sequence(entries.first.value() + 7);
       entries.last = Sequence(entries.last.value() + 7);
     },
     ""},
    {"ALowerEpoch", [](SpaceMessage* m) { m->message.stamp.epoch = Epoch(1); }, ""},
    {"AnAbsurdlyHighEpoch", [](SpaceMessage* m) { MoveEpoch(m, uint64_t{1} << 40); }, "bad_epoch"},
    {"AnEpochOfTheOtherNode", [](SpaceMessage* m) { MoveEpoch(m, 257); }, ""},
    {"AMessageOfAnotherSpace", [](SpaceMessage* m) { m->message.stamp.space = {{7}}; }, ""},
    {"AMessageOfAnotherLife", [](SpaceMessage* m) { m->message.stamp.sender = {{7}}; }, ""},
};

class BadInputTest : public testing::TestWithParam<BadInput> {
 protected:
  BadInputTest() {
    WorldOptions options;
    options.space_defaults.set_dimension(4);
    world_ = std::make_unique<World>(options);
  }
  ~BadInputTest() override { world_->network().tamper = nullptr; }

  runtime::SpaceState StateOn(size_t place) {
    for (auto& state : world_->node(place).replication()->Spaces()) {
      if (state.space == "default") return state;
    }
    return {};
  }
  void StartBoth() {
    ASSERT_TRUE(world_->Start(0).ok());
    ASSERT_TRUE(world_->Start(1).ok());
    ASSERT_TRUE(world_->RunUntil([&] { return StateOn(0).writes_replicated; }, 10s));
    ASSERT_TRUE(world_->RunUntil([&] { return StateOn(1).log_end == StateOn(0).log_end; }, 5s));
  }
  void Remember(const std::string& id, std::optional<Result<v1::RememberResponse>>* answer) {
    v1::Episode episode;
    episode.set_id(id);
    episode.set_what("what of " + id);
    const auto space = world_->node(0).spaces().FindOpen("default");
    space->Remember(episode, {}, [answer](auto result) { *answer = std::move(result); });
  }
  bool InHistory(size_t place, const std::string& event) {
    for (const std::string& line : StateOn(place).history) {
      if (line.find(event) != std::string::npos) return true;
    }
    return false;
  }
  // Whatever n1 ships to n2 from now on is spoiled.
  void SpoilWhatIsShipped(const std::function<void(SpaceMessage*)>& spoil) {
    world_->network().tamper = [this, spoil](size_t from, size_t, SpaceMessage* message) {
      const auto* entries = std::get_if<Entries>(&message->message.body);
      if (from != 0 || entries == nullptr || entries->batch == nullptr) return;
      spoil(message);
      ++spoiled_;
    };
  }
  std::unique_ptr<World> world_;
  int spoiled_ = 0;
};

TEST_P(BadInputTest, IsRefusedAndTheRestGoesOn) {
  StartBoth();
  const runtime::SpaceState before = StateOn(1);
  SpoilWhatIsShipped(GetParam().spoil);
  std::optional<Result<v1::RememberResponse>> answer;
  Remember("a", &answer);
  world_->RunFor(500ms);
  ASSERT_GE(spoiled_, 1);
  EXPECT_FALSE(answer.has_value());
  const runtime::SpaceState after = StateOn(1);
  EXPECT_EQ(after.log_end, before.log_end);
  EXPECT_EQ(after.promised, before.promised);
  const std::string alarm = GetParam().alarm;
  EXPECT_EQ(InHistory(1, "bad_"), !alarm.empty());
  if (!alarm.empty()) {
    EXPECT_TRUE(InHistory(1, alarm));
  }
  if (alarm == "bad_batch") {
    ASSERT_EQ(StateOn(0).replicas.size(), 1u);
    EXPECT_EQ(StateOn(0).replicas[0].mode, "refused") << StateOn(0).replicas[0].why;
  }

  world_->network().tamper = nullptr;
  ASSERT_TRUE(world_->RunUntil([&] { return answer.has_value(); }, 4s));
  ASSERT_TRUE(answer->ok()) << answer->status().ToString();
  EXPECT_EQ((*answer)->write().durability(), v1::DURABILITY_REPLICATED);
  EXPECT_EQ(StateOn(1).log_end, StateOn(0).log_end);
}

INSTANTIATE_TEST_SUITE_P(Kinds, BadInputTest, testing::ValuesIn(kBadInputs),
                         [](const auto& tested) { return tested.param.name; });

// What is in the log already is compared, not taken.
TEST_F(BadInputTest, ARepeatIsComparedWithTheLog) {
  StartBoth();
  std::optional<SpaceMessage> shipped;
  SpoilWhatIsShipped([&](SpaceMessage* message) { shipped = *message; });
  std::optional<Result<v1::RememberResponse>> answer;
  Remember("a", &answer);
  ASSERT_TRUE(world_->RunUntil([&] { return answer.has_value(); }, 5s));
  ASSERT_TRUE(answer->ok());
  const Sequence end = StateOn(1).log_end;

  SpoilWhatIsShipped([&](SpaceMessage* message) { *message = *shipped; });
  answer.reset();
  Remember("b", &answer);
  world_->RunFor(300ms);
  EXPECT_EQ(StateOn(1).log_end, end);
  EXPECT_FALSE(InHistory(1, "bad_batch")) << "the same bytes again are no alarm";

  Rewrite(&*shipped, [](std::string* batch) { batch->back() ^= 1; });
  ASSERT_TRUE(world_->RunUntil([&] { return InHistory(1, "bad_batch"); }, 3s));
  EXPECT_EQ(StateOn(1).log_end, end);
  world_->network().tamper = nullptr;
  ASSERT_TRUE(world_->RunUntil([&] { return answer.has_value(); }, 10s));
}

}  // namespace
}  // namespace engram::sim
