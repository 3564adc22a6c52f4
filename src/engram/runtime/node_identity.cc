// node.meta: magic, version, node id, incarnation, deleted space incarnations, the node's name in a
// cluster (absent on a single node), CRC32C of all before.
#include "engram/runtime/node_identity.h"

#include <algorithm>

#include "engram/base/hash.h"

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
  AppendLe<uint32_t>(&bytes, static_cast<uint32_t>(identity.deleted.size()));
  for (const Incarnation& deleted : identity.deleted) {
    bytes.append(deleted.bytes.begin(), deleted.bytes.end());
  }
  if (!identity.name.empty()) {
    AppendLe<uint32_t>(&bytes, static_cast<uint32_t>(identity.name.size()));
    bytes += identity.name;
  }
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
  const uint64_t deleted = LoadLe<uint32_t>(bytes.data() + 44);
  size_t at = kFixedSize;
  if (body.size() < at + deleted * 16) return Damaged(path, "its list of deleted spaces is cut");
  for (uint64_t i = 0; i < deleted; ++i, at += 16) {
    identity.deleted.emplace_back();
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(at), 16,
                identity.deleted.back().bytes.begin());
  }
  if (at == body.size()) return identity;
  const uint64_t length = body.size() >= at + 4 ? LoadLe<uint32_t>(bytes.data() + at) : 0;
  if (length == 0 || body.size() != at + 4 + length) return Damaged(path, "its name is cut");
  identity.name = std::string(body.substr(at + 4));
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
  NodeIdentity identity;
  identity.id = env::MakeNodeId(entropy);
  identity.incarnation = env::MakeIncarnation(entropy);
  identity.created = true;
  RETURN_IF_ERROR(SaveNodeIdentity(fs, data_dir, identity));
  return identity;
}

Status SaveNodeIdentity(env::FileSystem& fs, const std::string& data_dir,
                        const NodeIdentity& identity) {
  return env::ReplaceFile(fs, env::JoinPath(data_dir, "node.meta"), EncodeIdentity(identity));
}

Status ClaimName(env::FileSystem& fs, const std::string& data_dir, const std::string& name,
                 NodeIdentity* identity) {
  if (identity->name == name) return OkStatus();
  if (!identity->name.empty()) {
    return Status(Reason::CONFIGURATION, "The directory " + data_dir + " belongs to node '" +
                                             identity->name + "', this one is '" + name + "'.")
        .Expected("a directory of this node, or an empty one")
        .Suggest(
            "set node.data_dir, or node.name, to what belongs together; never copy a directory")
        .With("path", data_dir)
        .With("expected", name)
        .With("actual", identity->name);
  }
  identity->name = name;
  return SaveNodeIdentity(fs, data_dir, *identity);
}

}  // namespace engram::runtime
