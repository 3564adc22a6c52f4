#include "engram/model/change.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "engram/model/testing.h"

namespace engram::model {
namespace {

std::string ReadGolden(const std::string& name) {
  std::ifstream file(std::string(ENGRAM_SOURCE_DIR) + "/tests/golden/model/" + name);
  EXPECT_TRUE(file.good()) << name;
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

std::string ToHex(const std::string& bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    out += Hex(static_cast<uint8_t>(bytes[i]), 2);
    if (i % 32 == 31 || i + 1 == bytes.size()) out += '\n';
  }
  return out;
}

std::string FromHex(const std::string& text) {
  std::string out, digits;
  for (char c : text) {
    if (c == '\n') continue;
    digits += c;
    if (digits.size() < 2) continue;
    out += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  return out;
}

// The bytes in the log must be read for ever: a value written as text, and its bytes.
template <class Record>
void ExpectGolden(const std::string& name, uint32_t type) {
  auto record = Proto<Record>(ReadGolden(name + ".txtpb"));
  std::string golden = ReadGolden(name + ".hex");
  EXPECT_EQ(ToHex(Encode(record)), golden) << name;
  auto decision = DecodeDecision(type, FromHex(golden));
  ASSERT_TRUE(decision.ok()) << name;
  ASSERT_TRUE(std::holds_alternative<Record>(*decision)) << name;
  EXPECT_EQ(std::get<Record>(*decision).DebugString(), record.DebugString());
  EXPECT_EQ(Encode(std::get<Record>(*decision)), FromHex(golden));
}

TEST(GoldenTest, StoreRecord) {
  ExpectGolden<pb::StoreRecord>("store_record", 1);
}
TEST(GoldenTest, StoreRecordThatEndsABatch) {
  ExpectGolden<pb::StoreRecord>("store_record_last", 1);
}
TEST(GoldenTest, UpdateOfState) {
  ExpectGolden<pb::UpdateRecord>("update_state", 2);
}
TEST(GoldenTest, UpdateOfAccess) {
  ExpectGolden<pb::UpdateRecord>("update_access", 2);
}
TEST(GoldenTest, UpdateOfContent) {
  ExpectGolden<pb::UpdateRecord>("update_content", 2);
}
TEST(GoldenTest, DeleteRecord) {
  ExpectGolden<pb::DeleteRecord>("delete_record", 3);
}
TEST(GoldenTest, Consolidation) {
  ExpectGolden<pb::ConsolidationRecord>("consolidation", 4);
}
TEST(GoldenTest, Checkpoint) {
  ExpectGolden<pb::CheckpointRecord>("checkpoint", 5);
}
TEST(GoldenTest, EpochStart) {
  ExpectGolden<pb::EpochStartRecord>("epoch_start", 7);
}
TEST(GoldenTest, EpochStartOfASwitchover) {
  ExpectGolden<pb::EpochStartRecord>("epoch_start_handed_over", 7);
}
TEST(GoldenTest, Settings) {
  ExpectGolden<pb::SettingsRecord>("settings", 11);
}

TEST(EncodeTest, MapsAreInKeyOrderWhateverTheOrderOfInsertion) {
  engram::v1::Episode up, down;
  for (int i = 0; i < 200; ++i) (*up.mutable_metadata())["k" + std::to_string(i)] = "v";
  for (int i = 199; i >= 0; --i) (*down.mutable_metadata())["k" + std::to_string(i)] = "v";
  EXPECT_EQ(Encode(up), Encode(down));
  EXPECT_EQ(RequestDigest(up), RequestDigest(down));
  (*down.mutable_metadata())["k7"] = "w";
  EXPECT_NE(RequestDigest(up), RequestDigest(down));
}

TEST(EncodeTest, NothingIsNothing) {
  EXPECT_EQ(Encode(engram::v1::Episode()), "");
  EXPECT_EQ(Encode(Proto<engram::v1::Episode>("id: 'a'")), std::string("\x0a\x01"
                                                                       "a"));
}

TEST(DecodeTest, TypesThatAreNoDecisionsAreTooNew) {
  for (uint32_t type : {0u, 6u, 8u, 9u, 10u, 12u, 4711u}) {
    auto decision = DecodeDecision(type, "");
    EXPECT_EQ(ReasonOf(decision.status()), "UNSUPPORTED_VERSION") << type;
    EXPECT_EQ(FactOf(decision.status(), "actual"), std::to_string(type));
  }
}

TEST(DecodeTest, BytesThatDoNotParseAreDamage) {
  for (uint32_t type : {1u, 2u, 3u, 4u, 5u, 7u, 11u}) {
    EXPECT_TRUE(DecodeDecision(type, "").ok()) << type;
    EXPECT_EQ(ReasonOf(DecodeDecision(type, "\xff").status()), "CORRUPTION_DETECTED") << type;
  }
  std::string bytes = FromHex(ReadGolden("store_record.hex"));
  EXPECT_EQ(ReasonOf(DecodeDecision(1, ByteView(bytes).substr(0, bytes.size() - 1)).status()),
            "CORRUPTION_DETECTED");
}

TEST(DecodeTest, UnknownFieldsAreKept) {
  std::string bytes = Encode(Proto<pb::DeleteRecord>("ids: 'a'")) + "\xf8\x3f\x05";  // field 1023
  auto decision = DecodeDecision(3, bytes);
  ASSERT_TRUE(decision.ok());
  EXPECT_EQ(Encode(std::get<pb::DeleteRecord>(*decision)), bytes);
}

}  // namespace
}  // namespace engram::model
