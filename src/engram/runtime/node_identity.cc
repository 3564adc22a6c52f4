// node.meta: magic, version, node id, incarnation, deleted space incarnations, CRC32C of all
// before.
#include "engram/base/hash.h"
#include "engram/runtime/node.h"

namespace engram::runtime {
namespace {

constexpr ByteView kNodeMagic = "ENGRNODE";
constexpr uint32_t kNodeVersion = 1;
constexpr size_t kFixedSize = 8 + 4 + 16 + 16 + 4;

std::string EncodeIdentity(const NodeIdentity& identity) {
  std::string bytes(kNodeMagic);
  AppendLe<uint32_t>(&bytes, kNodeVersion);
  bytes.append(identity.id.bytes.begin(), identity.id.bytes.end());
  bytes.append(identity.incarnation.bytes.begin(), identity.incarnation.bytes.end());
  AppendLe<uint32_t>(&bytes, 0);  // deleted incarnations: only nodes with peers keep them
  AppendLe<uint32_t>(&bytes, Crc32c(bytes));
  return bytes;
}

Status Damaged(const std::string& path, const std::string& what) {
  return Status(Reason::CORRUPTION_DETECTED, path + " is damaged: " + what + ".")
      .Expected("the identity that this directory was made with")
      .Suggest("restore node.meta from a backup of this directory; spaces/ is not touched")
      .With("file", path);
}

Result<NodeIdentity> DecodeIdentity(const std::string& path, ByteView bytes) {
  if (bytes.size() < kFixedSize + 4 || bytes.substr(0, 8) != kNodeMagic) {
    return Damaged(path, "it does not begin as a node.meta does");
  }
  const uint32_t version = LoadLe<uint32_t>(bytes.data() + 8);
  if (version != kNodeVersion) {
    return Status(Reason::UNSUPPORTED_VERSION,
                  path + " has format version " + std::to_string(version) + ".")
        .Expected("version " + std::to_string(kNodeVersion))
        .Suggest("start it with the engram that wrote it")
        .With("actual", version);
  }
  const ByteView body = bytes.substr(0, bytes.size() - 4);
  if (LoadLe<uint32_t>(bytes.data() + body.size()) != Crc32c(body)) {
    return Damaged(path, "its checksum does not match");
  }
  NodeIdentity identity;
  std::copy_n(bytes.begin() + 12, 16, identity.id.bytes.begin());
  std::copy_n(bytes.begin() + 28, 16, identity.incarnation.bytes.begin());
  return identity;
}

}  // namespace

Result<NodeIdentity> LoadNodeIdentity(env::FileSystem& fs, const std::string& data_dir,
                                      env::Entropy& entropy) {
  const std::string path = env::JoinPath(data_dir, "node.meta");
  ASSIGN_OR_RETURN(bool exists, fs.Exists(path));
  if (exists) {
    ASSIGN_OR_RETURN(std::string bytes, env::ReadWholeFile(fs, path));
    return DecodeIdentity(path, bytes);
  }
  NodeIdentity identity{env::MakeNodeId(entropy), env::MakeIncarnation(entropy), true};
  RETURN_IF_ERROR(env::ReplaceFile(fs, path, EncodeIdentity(identity)));
  return identity;
}

}  // namespace engram::runtime
