// Making a space: its directory, its log and what the log begins with. While a marker stands beside
// it, what is under the name is not a space yet.

#include "engram/index/analyzer.h"
#include "engram/model/episode.h"
#include "engram/space/epoch.h"
#include "engram/space/space_impl.h"
#include "engram/wal/names.h"
#include "engram/wal/space_meta.h"

namespace engram::space {
namespace {

// Brings a fresh log to where the space can be opened.
using Begin = std::function<Status(wal::Log& log)>;

Status AppendSettings(const SpaceEnvironment& environment, const v1::SpaceSettings& settings,
                      wal::Log& log) {
  const auto now = model::UtcTime::FromNs(environment.clock->WallNs()).ToProto();
  pb::SettingsRecord record;
  *record.mutable_settings() = settings;
  *record.mutable_created_at() = now;
  *record.mutable_at() = now;
  std::vector<wal::Draft> drafts;
  drafts.push_back({record::EntryType::kSpaceSettings, model::Encode(record)});
  return log.AppendAndWait(std::move(drafts)).status();
}

std::string MarkerOf(const SpaceEnvironment& environment, const std::string& id) {
  return env::JoinPath(environment.spaces_directory, std::string(kUnfinished) + id);
}

Status CheckFree(const SpaceEnvironment& environment, const std::string& id) {
  RETURN_IF_ERROR(model::CheckSpaceId(id));
  env::FileSystem& fs = *environment.fs;
  ASSIGN_OR_RETURN(const bool exists, fs.Exists(env::JoinPath(environment.spaces_directory, id)));
  ASSIGN_OR_RETURN(const bool unfinished, fs.Exists(MarkerOf(environment, id)));
  if (!exists || unfinished) return OkStatus();
  return Status(Reason::SPACE_EXISTS, "The space '" + id + "' exists.")
      .Suggest("if_not_exists makes this no error")
      .With("space", id);
}

Result<v1::SpaceSettings> Complete(const v1::SpaceSettings& settings) {
  RETURN_IF_ERROR(model::CheckSettings(settings));
  v1::SpaceSettings complete = model::WithDefaults(settings);
  RETURN_IF_ERROR(index::Analyzer::CheckName(complete.analyzer()));
  return complete;
}

Result<std::unique_ptr<wal::Log>> MakeLog(const SpaceEnvironment& environment,
                                          const std::string& id, Incarnation incarnation,
                                          const Begin& begin) {
  const std::string directory = env::JoinPath(environment.spaces_directory, id);
  ASSIGN_OR_RETURN(std::unique_ptr<wal::Log> log,
                   wal::Log::Create(LogOptionsOf(environment, id, directory), incarnation));
  RETURN_IF_ERROR(begin(*log));
  return log;
}

Result<std::shared_ptr<Space>> Make(const SpaceEnvironment& environment, const std::string& id,
                                    Incarnation incarnation, const Begin& begin, bool epoch_begun) {
  RETURN_IF_ERROR(CheckFree(environment, id));
  RETURN_IF_ERROR(RemoveUnfinished(environment, id));
  env::FileSystem& fs = *environment.fs;
  const std::string marker = MarkerOf(environment, id);
  RETURN_IF_ERROR(fs.CreateDirectory(marker));
  RETURN_IF_ERROR(fs.SyncDirectory(environment.spaces_directory));
  Result<std::unique_ptr<wal::Log>> log = MakeLog(environment, id, incarnation, begin);
  if (!log.ok()) {
    (void)RemoveUnfinished(environment, id);  // else by the next start
    return log.status();
  }
  RETURN_IF_ERROR(fs.Remove(marker));
  RETURN_IF_ERROR(fs.SyncDirectory(environment.spaces_directory));
  auto space = std::make_shared<SpaceImpl>(environment, id);
  RETURN_IF_ERROR(space->Start(*std::move(log), epoch_begun));
  return std::shared_ptr<Space>(std::move(space));
}

}  // namespace

Result<std::shared_ptr<Space>> Space::Create(const SpaceEnvironment& environment,
                                             const std::string& id,
                                             const v1::SpaceSettings& settings) {
  return CreateFirst(environment, id, settings, env::MakeIncarnation(*environment.entropy),
                     Epoch(1), EpochStartPayload(environment, Epoch(1), {}));
}

Result<std::shared_ptr<Space>> Space::CreateFirst(const SpaceEnvironment& environment,
                                                  const std::string& id,
                                                  const v1::SpaceSettings& settings,
                                                  Incarnation incarnation, Epoch epoch,
                                                  std::string epoch_start_payload) {
  ASSIGN_OR_RETURN(const v1::SpaceSettings complete, Complete(settings));
  const Begin begin = [&](wal::Log& log) {
    RETURN_IF_ERROR(log.BeginEpoch(epoch, epoch_start_payload));
    return AppendSettings(environment, complete, log);
  };
  return Make(environment, id, incarnation, begin, /*epoch_begun=*/true);
}

Result<std::shared_ptr<Space>> Space::CreateCopy(const SpaceEnvironment& environment,
                                                 const std::string& id, Incarnation incarnation) {
  const Begin begin = [](wal::Log&) { return OkStatus(); };
  return Make(environment, id, incarnation, begin, /*epoch_begun=*/false);
}

Result<std::shared_ptr<Space>> Space::Open(const SpaceEnvironment& environment,
                                           const std::string& id) {
  RETURN_IF_ERROR(model::CheckSpaceId(id));
  const std::string directory = env::JoinPath(environment.spaces_directory, id);
  const Status taken = CheckFree(environment, id);
  if (taken.ok()) return NoSuchSpace(id);
  if (taken.reason() != Reason::SPACE_EXISTS) return taken;
  auto space = std::make_shared<SpaceImpl>(environment, id);
  ASSIGN_OR_RETURN(std::unique_ptr<wal::Log> log,
                   wal::Log::Open(LogOptionsOf(environment, id, directory)));
  RETURN_IF_ERROR(space->Start(std::move(log), /*epoch_begun=*/false));
  return std::shared_ptr<Space>(std::move(space));
}

Result<std::string> MoveToForeign(const SpaceEnvironment& environment, const std::string& id) {
  env::FileSystem& fs = *environment.fs;
  const std::string& spaces = environment.spaces_directory;
  const std::string foreign = env::JoinPath(spaces.substr(0, spaces.rfind('/')), "foreign");
  RETURN_IF_ERROR(fs.CreateDirectories(foreign));
  const std::string from = env::JoinPath(spaces, id);
  std::string name = id;
  const auto meta =
      wal::SpaceMetaFile::Open(fs, env::JoinPath(from, wal::kMetaName), /*writable=*/false);
  if (meta.ok()) name += "-" + FormatBase32(meta->meta().incarnation.bytes, false);
  std::string to = env::JoinPath(foreign, name);
  for (int number = 2;; ++number) {
    ASSIGN_OR_RETURN(const bool taken, fs.Exists(to));
    if (!taken) break;
    to = env::JoinPath(foreign, name + "-" + std::to_string(number));
  }
  RETURN_IF_ERROR(fs.Rename(from, to));
  RETURN_IF_ERROR(fs.SyncDirectory(foreign));
  RETURN_IF_ERROR(fs.SyncDirectory(spaces));
  return to;
}

Status RemoveUnfinished(const SpaceEnvironment& environment, const std::string& id) {
  env::FileSystem& fs = *environment.fs;
  const std::string marker = MarkerOf(environment, id);
  ASSIGN_OR_RETURN(const bool unfinished, fs.Exists(marker));
  if (!unfinished) return OkStatus();
  RETURN_IF_ERROR(fs.RemoveAll(env::JoinPath(environment.spaces_directory, id)));
  RETURN_IF_ERROR(fs.SyncDirectory(environment.spaces_directory));
  RETURN_IF_ERROR(fs.Remove(marker));
  return fs.SyncDirectory(environment.spaces_directory);
}

}  // namespace engram::space
