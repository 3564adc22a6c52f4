// Golden bytes of everything that nodes say to each other: tests/golden/wire, written by a second
// implementation (wire_golden.py). A field of replication.proto that no golden file sets fails
// here.
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/message_differencer.h>

#include "engram/record/golden.h"
#include "engram/rpc/codec.h"
#include "engram/rpc/frame.h"

namespace engram::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;

constexpr const char* kFolder = ENGRAM_SOURCE_DIR "/tests/golden/wire";

struct GoldenCase {
  std::string name, bytes;
  std::unique_ptr<Message> message;  // of the text
};

std::unique_ptr<Message> NewMessage(const std::string& type) {
  const Descriptor* descriptor =
      pb::StreamMessage::descriptor()->file()->FindMessageTypeByName(type);
  if (descriptor == nullptr) return nullptr;
  return std::unique_ptr<Message>(
      MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
}

GoldenCase Load(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string head;
  std::getline(file, head);  // # proto-message: engram.internal.v1.Type
  std::stringstream text;
  text << file.rdbuf();
  GoldenCase one{path.stem(), record::Golden("wire/" + path.stem().string()), nullptr};
  one.message = NewMessage(head.substr(head.rfind('.') + 1));
  EXPECT_NE(one.message, nullptr) << path;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text.str(), one.message.get())) << path;
  return one;
}

std::vector<GoldenCase> Cases() {
  std::vector<GoldenCase> cases;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".txtpb") cases.push_back(Load(entry.path()));
  }
  return cases;
}

// Names of all fields that are set in it, also further inside.
void NoteFields(const Message& message, std::set<std::string>* names) {
  const auto* reflection = message.GetReflection();
  EXPECT_TRUE(reflection->GetUnknownFields(message).empty());
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    names->insert(field->full_name());
    if (field->message_type() == nullptr) continue;
    if (!field->is_repeated()) {
      NoteFields(reflection->GetMessage(message, field), names);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i)
      NoteFields(reflection->GetRepeatedMessage(message, field, i), names);
  }
}

void AllFields(const Descriptor& message, std::set<std::string>* names) {
  for (int i = 0; i < message.field_count(); ++i) names->insert(message.field(i)->full_name());
  for (int i = 0; i < message.nested_type_count(); ++i) AllFields(*message.nested_type(i), names);
}

TEST(WireGoldenTest, TextAndBytesAreOne) {
  for (const GoldenCase& one : Cases()) {
    EXPECT_EQ(one.message->SerializeAsString(), one.bytes) << one.name;
    const std::unique_ptr<Message> read(one.message->New());
    EXPECT_TRUE(read->ParseFromString(one.bytes)) << one.name;
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*read, *one.message))
        << one.name << "\n"
        << read->DebugString();
  }
}

TEST(WireGoldenTest, NoFieldIsWithoutGoldenBytes) {
  std::set<std::string> golden, all;
  for (const GoldenCase& one : Cases()) NoteFields(*one.message, &golden);
  const auto* file = pb::StreamMessage::descriptor()->file();
  for (int i = 0; i < file->message_type_count(); ++i) AllFields(*file->message_type(i), &all);
  for (const std::string& name : all) EXPECT_TRUE(golden.contains(name)) << name;
}

std::string Flat(const grpc::ByteBuffer& frame) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(frame.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// What the codec makes of them, and back into a frame.
TEST(WireGoldenTest, TheCodecGivesBackEachMessageOfASpace) {
  std::set<size_t> kinds;
  for (GoldenCase& one : Cases()) {
    auto* space = dynamic_cast<pb::SpaceMessage*>(one.message.get());
    if (space == nullptr) continue;
    const Result<runtime::SpaceMessage> decoded = Decode(std::move(*space));
    ASSERT_TRUE(decoded.ok()) << one.name << decoded.status().ToString();
    kinds.insert(decoded->message.body.index());
    const Parcel parcels[] = {MakeParcel(*decoded)};
    pb::StreamMessage golden;
    ASSERT_TRUE(golden.add_spaces()->ParseFromString(one.bytes));
    EXPECT_EQ(Flat(FrameOf(parcels)), golden.SerializeAsString()) << one.name;
  }
  EXPECT_EQ(kinds.size(), std::variant_size_v<replication::Body>);
}

TEST(WireGoldenTest, TheCodecGivesBackTheStatusOfACopy) {
  pb::GetStatusResponse response;
  ASSERT_TRUE(response.ParseFromString(record::Golden("wire/get_status_response")));
  const Result<runtime::CopyStatus> status = Decode(response.copies(0));
  ASSERT_TRUE(status.ok()) << status.status().ToString();
  pb::CopyStatus back;
  Encode(*status, &back);
  EXPECT_EQ(back.SerializeAsString(), response.copies(0).SerializeAsString());
}

}  // namespace
}  // namespace engram::rpc
