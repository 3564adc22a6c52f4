// Which entries of a key are known, as these come, move into the catalog, and are cut off.
#include "engram/space/keys.h"

#include <gtest/gtest.h>

namespace engram::space {
namespace {

model::Change ItemAt(uint64_t sequence, uint32_t item, uint32_t items, bool last = false) {
  pb::StoreRecord record;
  record.mutable_key()->set_key("k");
  record.mutable_key()->set_request_digest(7);
  record.mutable_key()->set_item(item);
  record.mutable_key()->set_items(items);
  record.mutable_key()->set_last(last);
  model::Change change;
  change.sequence = Sequence(sequence);
  change.decision = std::move(record);
  return change;
}

// What the catalog says that has come to `through`, of the entries (item, sequence).
KeyHint HintOf(uint64_t through, std::vector<std::pair<uint32_t, Sequence>> items = {}) {
  KeyHint hint;
  hint.looked_through = Sequence(through);
  if (items.empty()) return hint;
  hint.use.emplace();
  hint.use->request_digest = 7;
  hint.use->items = std::move(items);
  return hint;
}

class KeyTableTest : public ::testing::Test {
 protected:
  // Sequences of the entries that are known, " whole" when nothing comes behind them, "stale".
  std::string Known(const KeyHint& hint) {
    std::optional<KeyUse> use;
    if (!keys_.Resolve("k", hint, &use)) return "stale";
    if (!use.has_value()) return "none";
    std::string text;
    for (const auto& [item, sequence] : use->items) {
      text += (text.empty() ? "" : " ") + std::to_string(item) + "@" + ToString(sequence);
    }
    return text + (use->whole ? " whole" : "");
  }

  Core core_;
  KeyTable keys_{core_};
};

TEST_F(KeyTableTest, AUseIsWholeWithItsLastItemOrTheOneThatSaysSo) {
  keys_.Note(ItemAt(3, 0, 3), nullptr);
  EXPECT_EQ(Known(HintOf(2)), "0@3");
  keys_.Note(ItemAt(4, 1, 3), nullptr);
  EXPECT_EQ(Known(HintOf(2)), "0@3 1@4");
  keys_.Note(ItemAt(5, 2, 3), nullptr);  // as a log of before has it
  EXPECT_EQ(Known(HintOf(2)), "0@3 1@4 2@5 whole");
  keys_.Reset();
  keys_.Note(ItemAt(3, 0, 3), nullptr);
  keys_.Note(ItemAt(4, 1, 3, /*last=*/true), nullptr);
  EXPECT_EQ(Known(HintOf(2)), "0@3 1@4 whole");
  keys_.Reset();
  keys_.Note(ItemAt(3, 0, 0), nullptr);
  EXPECT_EQ(Known(HintOf(2)), "0@3 whole");
}

TEST_F(KeyTableTest, OfAUseThatIsCutTheBeginningStaysKnown) {
  for (uint32_t i = 0; i < 3; ++i) keys_.Note(ItemAt(3 + i, i, 3, i == 2), nullptr);
  keys_.ForgetAbove(Sequence(4));
  EXPECT_EQ(Known(HintOf(2)), "0@3 1@4");
  keys_.Note(ItemAt(6, 2, 3), nullptr);
  EXPECT_EQ(Known(HintOf(2)), "0@3 1@4 2@6 whole");
  keys_.ForgetAbove(Sequence(2));
  EXPECT_EQ(Known(HintOf(2)), "none");
}

TEST_F(KeyTableTest, TheCatalogAndTheTableAnswerForAUseTogether) {
  for (uint32_t i = 0; i < 3; ++i) keys_.Note(ItemAt(3 + i, i, 3, i == 2), nullptr);
  // The catalog is in the midst of the batch, and the table has not been told.
  EXPECT_EQ(Known(HintOf(3, {{0, Sequence(3)}})), "0@3 1@4 2@5 whole");
  keys_.ForgetThrough(Sequence(4));
  EXPECT_EQ(Known(HintOf(3, {{0, Sequence(3)}})), "stale");
  EXPECT_EQ(Known(HintOf(4, {{0, Sequence(3)}, {1, Sequence(4)}})), "0@3 1@4 2@5 whole");
  // What is left of it is the catalog's.
  keys_.ForgetAbove(Sequence(4));
  EXPECT_EQ(Known(HintOf(4, {{0, Sequence(3)}, {1, Sequence(4)}})), "0@3 1@4");
  EXPECT_EQ(Known(HintOf(4)), "none");
  keys_.Note(ItemAt(6, 2, 3), nullptr);
  EXPECT_EQ(Known(HintOf(4, {{0, Sequence(3)}, {1, Sequence(4)}})), "0@3 1@4 2@6 whole");
  keys_.ForgetThrough(Sequence(6));
  EXPECT_EQ(Known(HintOf(6)), "none");
}

}  // namespace
}  // namespace engram::space
