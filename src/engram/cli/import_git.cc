#include "engram/cli/import_git.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engram/cli/debian_changelog.h"
#include "engram/model/episode.h"
#include "engram/model/time.h"

extern char** environ;

namespace engram::cli {
namespace {

using Bytes = std::function<Status(std::string_view)>;

// Ends with NUL after each field; a message holds anything but that.
constexpr char kFormat[] = "--format=%H%x00%P%x00%D%x00%aN%x00%aI%x00%cN%x00%cI%x00%B";
enum Field {
  kHash,
  kParents,
  kRefs,
  kAuthor,
  kAuthorTime,
  kCommitter,
  kCommitTime,
  kMessage,
  kFields
};

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() { Close(); }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

Status Errno(const std::string& what) {
  return Status(Reason::IO, what + ": " + std::strerror(errno) + ".");
}

// Starts git without a shell; its output goes to `out`, its complaints to `complaints`.
Result<pid_t> Spawn(const std::string& repository, const std::vector<std::string>& arguments,
                    int out, int complaints) {
  std::vector<std::string> words = {"git", "-C", repository, "--no-pager"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, complaints, STDERR_FILENO);
  pid_t pid = 0;
  errno = posix_spawnp(&pid, "git", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (errno != 0) return Errno("git cannot be started");
  return pid;
}

Status ReadAll(int fd, const Bytes& take) {
  std::vector<char> block(64u << 10);
  while (true) {
    ssize_t size = read(fd, block.data(), block.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Errno("the output of git cannot be read");
    if (size == 0) return OkStatus();
    RETURN_IF_ERROR(take({block.data(), static_cast<size_t>(size)}));
  }
}

std::string FirstLine(std::FILE* file) {
  std::rewind(file);
  char line[512] = "";
  if (std::fgets(line, sizeof line, file) == nullptr) return "no reason given";
  return std::string(line, std::strcspn(line, "\r\n"));
}

// Runs git to its end and gives what it writes to `take`, whose error ends git early.
Status RunGit(const std::string& repository, const std::vector<std::string>& arguments,
              const Bytes& take) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Errno("a pipe to git cannot be made");
  FileDescriptor in(ends[0]), out(ends[1]);
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> complaints(std::tmpfile(), std::fclose);
  if (complaints == nullptr) return Errno("a temporary file cannot be made");
  ASSIGN_OR_RETURN(pid_t pid, Spawn(repository, arguments, out.get(), fileno(complaints.get())));
  out.Close();
  Status taken = ReadAll(in.get(), take);
  in.Close();  // a git that still writes ends with SIGPIPE
  int result = 0;
  while (waitpid(pid, &result, 0) < 0 && errno == EINTR) continue;
  RETURN_IF_ERROR(taken);
  if (WIFEXITED(result) && WEXITSTATUS(result) == 0) return OkStatus();
  return Status(Reason::IO, "git cannot read " + repository + ": " + FirstLine(complaints.get()))
      .Expected("a git repository with at least one commit")
      .Example("engram import git ~/src/project --space git");
}

std::string NameOf(const std::string& repository) {
  std::string top;
  Status found = RunGit(repository, {"rev-parse", "--show-toplevel"}, [&](std::string_view bytes) {
    top += bytes;
    return OkStatus();
  });
  while (!top.empty() && top.back() == '\n') top.pop_back();
  if (!found.ok() || top.empty()) top = repository;  // bare
  std::error_code error;
  std::filesystem::path path = std::filesystem::weakly_canonical(top, error);
  std::string name = ToUtf8((path.has_filename() ? path : path.parent_path()).filename().string());
  if (name.size() > 4 && name.ends_with(".git")) name.resize(name.size() - 4);
  return name.empty() ? "repository" : name;
}

std::string_view TrimEnd(std::string_view text) {
  size_t last = text.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

void AddTag(std::string_view tag, v1::Episode* episode) {
  constexpr size_t kMaxTag = 128;
  constexpr int kMaxTags = 64;
  if (tag.empty() || tag.size() > kMaxTag || episode->tags_size() == kMaxTags) return;
  episode->add_tags(ToUtf8(tag));
}

// "HEAD -> main, tag: v1.2, origin/main": the names of the tags.
void AddRefTags(std::string_view refs, v1::Episode* episode) {
  constexpr std::string_view kTag = "tag: ";
  while (!refs.empty()) {
    size_t end = std::min(refs.find(", "), refs.size());
    std::string_view ref = refs.substr(0, end);
    if (ref.starts_with(kTag)) AddTag(ref.substr(kTag.size()), episode);
    refs.remove_prefix(std::min(end + 2, refs.size()));
  }
}

// "wal: cut a torn tail" is about wal.
std::string_view TopicOf(std::string_view message) {
  constexpr size_t kMaxTopic = 32;
  size_t colon = message.find(": ");
  if (colon == std::string_view::npos || colon == 0 || colon > kMaxTopic) return {};
  std::string_view topic = message.substr(0, colon);
  return topic.find_first_of(" \t\n") == std::string_view::npos ? topic : std::string_view();
}

class Reader {
 public:
  Reader(std::string repository, std::string name, const EpisodeSink& sink)
      : repository_(std::move(repository)), name_(std::move(name)), sink_(sink) {}

  Status Take(std::string_view bytes) {
    while (!bytes.empty()) {
      size_t end = bytes.find('\0');
      fields_[static_cast<size_t>(at_)].append(bytes.substr(0, end));
      if (end == std::string_view::npos) return OkStatus();
      bytes.remove_prefix(end + 1);
      if (++at_ == kFields) RETURN_IF_ERROR(Commit());
    }
    return OkStatus();
  }

  ImportCounts counts() const { return counts_; }

 private:
  std::string& field(Field field) { return fields_[field]; }

  void Skip(const std::string& why) {
    ++counts_.skipped;
    if (!counts_.first_skipped.ok()) return;
    counts_.first_skipped =
        Status(Reason::INVALID_EPISODE, "commit " + field(kHash) + ": " + why + ".");
  }

  Status Commit() {
    at_ = 0;
    Status status;
    std::string_view message = TrimEnd(field(kMessage));
    if (message.empty()) {
      Skip("it has no message");
    } else if (message.size() > model::kMaxWhatBytes) {
      Skip("its message is too large");
    } else if (!model::ParseUtc(field(kAuthorTime)).ok()) {
      Skip("its date '" + field(kAuthorTime) + "' is none");
    } else {
      ++counts_.read;
      status = sink_(ToEpisode(message));
    }
    for (std::string& text : fields_) text.clear();
    return status;
  }

  v1::Episode ToEpisode(std::string_view message) {
    v1::Episode episode;
    episode.set_id("git:" + field(kHash));
    episode.set_what(ToUtf8(message));
    episode.mutable_event_time()->set_text(field(kAuthorTime));
    episode.set_where_location(name_);
    episode.set_session(name_);
    episode.set_source(repository_ + "@" + field(kHash).substr(0, 12));
    AddPerson(field(kAuthor), &episode);
    if (field(kCommitter) != field(kAuthor)) AddPerson(field(kCommitter), &episode);
    AddTag(TopicOf(episode.what()), &episode);
    if (field(kParents).find(' ') != std::string::npos) AddTag("merge", &episode);
    AddRefTags(field(kRefs), &episode);
    (*episode.mutable_metadata())["commit"] = field(kHash);
    (*episode.mutable_metadata())["committed_at"] = field(kCommitTime);
    return episode;
  }

  static void AddPerson(std::string_view name, v1::Episode* episode) {
    constexpr size_t kMaxName = 256;
    if (!TrimEnd(name).empty() && name.size() <= kMaxName) episode->add_who(ToUtf8(name));
  }

  std::string repository_, name_;
  const EpisodeSink& sink_;
  ImportCounts counts_;
  std::string fields_[kFields];
  int at_ = 0;
};

}  // namespace

Result<ImportCounts> ReadGitHistory(const std::string& repository, const EpisodeSink& sink) {
  constexpr size_t kMaxPath = 900;  // `source` takes 1 KiB
  std::error_code error;
  std::string path = ToUtf8(std::filesystem::weakly_canonical(repository, error).string());
  if (error || path.size() > kMaxPath) path = NameOf(repository);
  Reader reader(path, NameOf(repository), sink);
  RETURN_IF_ERROR(RunGit(repository,
                         {"-c", "log.showSignature=false", "log", "-z", "--reverse", "--no-color",
                          "--no-notes", "--decorate=short", "--encoding=UTF-8", kFormat},
                         [&](std::string_view bytes) { return reader.Take(bytes); }));
  ImportCounts counts = reader.counts();
  counts.files = 1;
  return counts;
}

}  // namespace engram::cli
