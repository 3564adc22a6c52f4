#include "engram/cli/import_debian.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <unordered_set>
#include <vector>

#include <sys/stat.h>
#include <zlib.h>

#include "engram/cli/debian_changelog.h"
#include "engram/model/episode.h"

namespace engram::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = 256u << 20;
constexpr size_t kMaxTagBytes = 128;
constexpr size_t kMaxNameBytes = 256;

// A whole file, unpacked if it is packed; nullopt when it cannot be read to its end.
std::optional<std::string> ReadGz(const std::string& path) {
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (file == nullptr) return std::nullopt;
  std::string out;
  std::vector<char> block(256u << 10);
  while (true) {
    int size = gzread(file.get(), block.data(), static_cast<unsigned>(block.size()));
    if (size < 0) return std::nullopt;
    if (size == 0) break;
    out.append(block.data(), static_cast<size_t>(size));
    if (out.size() > kMaxFileBytes) return std::nullopt;
  }
  int error = Z_OK;
  gzerror(file.get(), &error);  // a file cut short reads to its end and says so here
  return error == Z_OK ? std::optional(std::move(out)) : std::nullopt;
}

// changelog.Debian.gz, and changelog.Debian.amd64.gz of a rebuild; changelog.gz only without the
// first: then the package is native, else that one is its upstream's.
std::vector<std::string> ChangelogsOf(const fs::path& directory) {
  std::vector<std::string> debian, plain;
  bool native = true;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    std::string name = entry.path().filename();
    if (name.starts_with("changelog.Debian")) debian.push_back(entry.path());
    if (name == "changelog.Debian.gz" || name == "changelog.Debian") native = false;
    if (name == "changelog.gz" || name == "changelog") plain.push_back(entry.path());
  }
  if (native) debian.insert(debian.end(), plain.begin(), plain.end());
  std::sort(debian.begin(), debian.end());
  return debian;
}

class Reader {
 public:
  explicit Reader(const EpisodeSink& sink) : sink_(sink) {}

  Status Package(const fs::path& directory) {
    for (const std::string& path : ChangelogsOf(directory)) {
      RETURN_IF_ERROR(File(directory.filename(), path));
    }
    return OkStatus();
  }

  ImportCounts counts() const { return counts_; }

 private:
  void Skip(const std::string& where, const std::string& why) {
    ++counts_.skipped;
    if (!counts_.first_skipped.ok()) return;
    counts_.first_skipped = Status(Reason::INVALID_EPISODE, where + ": " + why + ".");
  }

  Status File(const std::string& package, const std::string& path) {
    struct stat info;
    if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return OkStatus();
    // Packages of one source often share a file, by a hard link or a link to the directory.
    if (!files_.emplace(info.st_dev, info.st_ino).second) return OkStatus();
    std::optional<std::string> text = ReadGz(path);
    if (!text) {
      Skip(path, "it cannot be unpacked");
      return OkStatus();
    }
    if (!LooksLikeChangelog(*text)) return OkStatus();  // the upstream's, in a form of its own
    ++counts_.files;
    std::vector<ChangelogStanza> stanzas;
    ParseChangelog(*text, {[&](ChangelogStanza stanza) { stanzas.push_back(std::move(stanza)); },
                           [&](int line, const std::string& why) {
                             Skip(path + ":" + std::to_string(line), why);
                           }});
    // Oldest first, so that the order of storing is that of the events.
    for (auto stanza = stanzas.rbegin(); stanza != stanzas.rend(); ++stanza) {
      RETURN_IF_ERROR(Give(package, path, std::move(*stanza)));
    }
    return OkStatus();
  }

  Status Give(const std::string& package, const std::string& path, ChangelogStanza stanza) {
    std::string where = path + ":" + std::to_string(stanza.line);
    std::string id = "deb:" + stanza.source + ":" + stanza.version;
    if (!ids_.insert(id).second) return OkStatus();  // another package of the source has it too
    if (id.size() > model::kMaxIdBytes || stanza.text.size() > model::kMaxWhatBytes) {
      Skip(where, "the stanza is too large");
      return OkStatus();
    }
    v1::Episode episode;
    episode.set_id(id);
    episode.set_what(std::move(stanza.text));
    episode.mutable_event_time()->set_text(stanza.time);
    episode.set_where_location(package);
    episode.set_session(stanza.source);
    episode.set_source(path);
    for (std::string& name : stanza.names) {
      if (!name.empty() && name.size() <= kMaxNameBytes) episode.add_who(std::move(name));
    }
    for (const std::string& tag : stanza.distributions) AddTag(tag, &episode);
    if (!stanza.urgency.empty()) AddTag("urgency:" + stanza.urgency, &episode);
    (*episode.mutable_metadata())["version"] = stanza.version;
    ++counts_.read;
    return sink_(std::move(episode));
  }

  static void AddTag(const std::string& tag, v1::Episode* episode) {
    constexpr int kMaxTags = 64;
    if (tag.size() <= kMaxTagBytes && episode->tags_size() < kMaxTags) episode->add_tags(tag);
  }

  const EpisodeSink& sink_;
  ImportCounts counts_;
  std::set<std::pair<dev_t, ino_t>> files_;
  std::unordered_set<std::string> ids_;
};

}  // namespace

Result<ImportCounts> ReadDebianChangelogs(const std::string& root, const EpisodeSink& sink) {
  std::error_code error;
  std::vector<fs::path> packages;
  for (fs::directory_iterator at(root, error), end; !error && at != end; at.increment(error)) {
    if (at->is_directory(error)) packages.push_back(at->path());
  }
  if (error) {
    return Status(Reason::IO, root + " cannot be read: " + error.message() + ".")
        .Expected("a directory with one directory per package")
        .Example("engram import debian-changelogs /usr/share/doc");
  }
  std::sort(packages.begin(), packages.end());
  Reader reader(sink);
  for (const fs::path& package : packages) RETURN_IF_ERROR(reader.Package(package));
  return reader.counts();
}

}  // namespace engram::cli
