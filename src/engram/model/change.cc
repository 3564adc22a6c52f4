#include "engram/model/change.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "engram/base/hash.h"

namespace engram::model {
namespace {

template <class Record>
Result<Decision> Parse(std::string_view name, ByteView payload) {
  Record record;
  if (record.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return Decision(std::move(record));
  }
  return Status(Reason::CORRUPTION_DETECTED,
                "The payload of an entry is no " + std::string(name) + ".")
      .Expected("bytes that the writer's version of this record made")
      .With("actual", payload.size());
}

}  // namespace

Result<Decision> DecodeDecision(uint32_t entry_type, ByteView payload) {
  switch (entry_type) {
    case 1:
      return Parse<pb::StoreRecord>("StoreRecord", payload);
    case 2:
      return Parse<pb::UpdateRecord>("UpdateRecord", payload);
    case 3:
      return Parse<pb::DeleteRecord>("DeleteRecord", payload);
    case 4:
      return Parse<pb::ConsolidationRecord>("ConsolidationRecord", payload);
    case 5:
      return Parse<pb::CheckpointRecord>("CheckpointRecord", payload);
    case 7:
      return Parse<pb::EpochStartRecord>("EpochStartRecord", payload);
    case 11:
      return Parse<pb::SettingsRecord>("SettingsRecord", payload);
    default:
      break;
  }
  return Status(Reason::UNSUPPORTED_VERSION,
                "Entry type " + std::to_string(entry_type) + " is no decision known here.")
      .Expected("one of the types 1 to 5, 7 and 11")
      .Suggest("read this log with the version of engram that wrote it")
      .With("expected", "1 to 5, 7, 11")
      .With("actual", entry_type);
}

std::string Encode(const google::protobuf::MessageLite& message) {
  std::string out(message.ByteSizeLong(), '\0');
  google::protobuf::io::ArrayOutputStream array(out.data(), static_cast<int>(out.size()));
  google::protobuf::io::CodedOutputStream coded(&array);
  coded.SetSerializationDeterministic(true);
  message.SerializeWithCachedSizes(&coded);
  coded.Trim();
  return out;
}

uint64_t RequestDigest(const google::protobuf::MessageLite& message) {
  return Hash64(Encode(message));
}

}  // namespace engram::model
