#include "engram/recall/page_token.h"

#include <algorithm>

#include "engram/base/bytes.h"
#include "engram/base/hash.h"
#include "engram/model/change.h"

namespace engram::recall {
namespace {

constexpr char kVersion = 1;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";  // base64url, RFC 4648

std::string Encode64(std::string_view bytes) {
  std::string text;
  uint32_t buffer = 0;
  int bits = 0;
  for (const char byte : bytes) {
    buffer = buffer << 8 | static_cast<uint8_t>(byte);
    for (bits += 8; bits >= 6; bits -= 6) text += kAlphabet[buffer >> (bits - 6) & 63];
  }
  if (bits > 0) text += kAlphabet[buffer << (6 - bits) & 63];
  return text;
}

bool Decode64(std::string_view text, std::string* bytes) {
  uint32_t buffer = 0;
  int bits = 0;
  for (const char letter : text) {
    const size_t value = kAlphabet.find(letter);
    if (value == std::string_view::npos) return false;
    buffer = buffer << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      *bytes += static_cast<char>(buffer >> bits);
    }
  }
  return true;
}

void AppendVarint(std::string* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *out += static_cast<char>(value | 0x80);
  *out += static_cast<char>(value);
}

// Reads the fields of a token; `ok` turns false at the first that is cut short.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ >= bytes_.size()) break;
      const uint8_t byte = bytes_[at_++];
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  model::UtcTime Time() {
    const auto seconds = static_cast<int64_t>(Varint());
    return {seconds, static_cast<int32_t>(Varint())};
  }
  bool done() const { return ok_ && at_ == bytes_.size(); }
  bool ok() const { return ok_; }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

Status Invalid(const char* what) {
  return Status(Reason::PAGE_TOKEN_INVALID, what)
      .Expected("the next_page_token of the page before, with the same request")
      .Suggest("begin again without page_token")
      .With("field", "page_token");
}

}  // namespace

uint64_t DigestOf(const google::protobuf::MessageLite& request, Incarnation incarnation) {
  const std::string_view bytes(reinterpret_cast<const char*>(incarnation.bytes.data()),
                               incarnation.bytes.size());
  return Hash64(bytes, model::RequestDigest(request));
}

std::string Format(const PageToken& token) {
  std::string bytes(1, kVersion);
  AppendLe<uint64_t>(&bytes, token.request);
  AppendVarint(&bytes, token.pinned.value());
  for (const model::UtcTime& time : {token.now, token.last_time}) {
    AppendVarint(&bytes, static_cast<uint64_t>(time.seconds));
    AppendVarint(&bytes, static_cast<uint64_t>(time.nanos));
  }
  AppendVarint(&bytes, token.last_turn);
  AppendVarint(&bytes, token.last.value());
  AppendVarint(&bytes, token.last_undated ? 1 : 0);
  uint64_t before = 0;
  for (Sequence sequence : token.shown) {
    AppendVarint(&bytes, sequence.value() - before);
    before = sequence.value();
  }
  AppendLe<uint32_t>(&bytes, Crc32c(bytes));
  return Encode64(bytes);
}

Result<PageToken> ParsePageToken(std::string_view text, uint64_t request) {
  std::string bytes;
  if (!Decode64(text, &bytes) || bytes.size() < 1 + 8 + 4 || bytes[0] != kVersion) {
    return Invalid("The page token is not one of this server.");
  }
  const std::string_view body = std::string_view(bytes).substr(0, bytes.size() - 4);
  if (LoadLe<uint32_t>(bytes.data() + body.size()) != Crc32c(body)) {
    return Invalid("The page token is damaged.");
  }
  PageToken token;
  token.request = LoadLe<uint64_t>(bytes.data() + 1);
  if (token.request != request) return Invalid("The page token belongs to another request.");
  Reader reader(body.substr(9));
  token.pinned = Sequence(reader.Varint());
  token.now = reader.Time();
  token.last_time = reader.Time();
  token.last_turn = reader.Varint();
  token.last = Sequence(reader.Varint());
  token.last_undated = reader.Varint() != 0;
  for (uint64_t sequence = 0; reader.ok() && !reader.done();) {
    sequence += reader.Varint();
    token.shown.push_back(Sequence(sequence));
  }
  if (!reader.done()) return Invalid("The page token is damaged.");
  return token;
}

}  // namespace engram::recall
