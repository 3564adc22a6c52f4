// Golden bytes of what is kept in a configuration store outside: tests/golden/store, written by a
// second implementation (wire_golden.py). Nodes of different versions read each other's values.
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "engram/internal/v1/store.pb.h"
#include "engram/record/golden.h"
#include "engram/replication/space_record.h"

namespace engram::runtime {
namespace {

namespace pb = engram::internal::v1;

std::string Text(const std::string& name) {
  std::ifstream file(ENGRAM_SOURCE_DIR "/tests/golden/store/" + name + ".txtpb");
  EXPECT_TRUE(file.good()) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The text and the bytes are one; what is set of it goes into `fields`.
template <class Message>
Message Check(const std::string& name, std::set<std::string>* fields) {
  Message written, read;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(Text(name), &written)) << name;
  const std::string bytes = record::Golden("store/" + name);
  EXPECT_EQ(written.SerializeAsString(), bytes) << name;
  EXPECT_TRUE(read.ParseFromString(bytes)) << name;
  EXPECT_EQ(read.DebugString(), written.DebugString());
  std::vector<const google::protobuf::FieldDescriptor*> set;
  read.GetReflection()->ListFields(read, &set);
  for (const auto* field : set) fields->insert(field->full_name());
  return read;
}

TEST(StoreGoldenTest, TextAndBytesAreOne) {
  std::set<std::string> golden;
  Check<pb::StoredNode>("stored_node", &golden);
  const auto space = Check<pb::StoredSpace>("stored_space", &golden);
  EXPECT_TRUE(Check<pb::StoredSpace>("stored_space_resigned", &golden).resigned());
  EXPECT_TRUE(Check<pb::StoredSpace>("stored_space_deleted", &golden).deleted());
  const auto record = replication::DecodeRecord(space.record(), Sequence());
  ASSERT_TRUE(record.ok()) << record.status().ToString();
  EXPECT_EQ(record->epoch, Epoch(769));
  EXPECT_EQ(replication::EncodeRecord(*record), space.record());
  const auto* file = pb::StoredSpace::descriptor()->file();
  for (int i = 0; i < file->message_type_count(); ++i) {
    const auto* message = file->message_type(i);
    for (int k = 0; k < message->field_count(); ++k) {
      EXPECT_TRUE(golden.contains(message->field(k)->full_name()))
          << message->field(k)->full_name() << " has no golden bytes";
    }
  }
}

}  // namespace
}  // namespace engram::runtime
