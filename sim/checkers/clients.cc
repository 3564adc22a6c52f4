// What clients may conclude: linearizable, local-loss-accounted.
#include <algorithm>

#include "sim/checkers/checker.h"

namespace engram::sim {

namespace {

// The versions of each id, as the final log tells them.
struct Version {
  Sequence at;
  uint64_t version = 0;
  std::string text;
  bool deleted = false;
};
using Versions = std::map<std::string, std::vector<Version>>;

Versions VersionsOf(const DiskLog& log) {
  Versions versions;
  for (const DiskEntry& entry : log.entries) {
    const bool deleted = entry.type == record::EntryType::kMemoryDelete;
    for (const std::string& id : entry.ids) {
      versions[id].push_back({entry.sequence, entry.version, entry.text, deleted});
    }
  }
  return versions;
}

const Version* VersionAt(const Versions& versions, const std::string& id, Sequence visible) {
  const auto it = versions.find(id);
  if (it == versions.end()) return nullptr;
  const Version* newest = nullptr;
  for (const Version& version : it->second) {
    if (version.at <= visible) newest = &version;
  }
  return newest;
}

// One order of all `replicated` operations explains every answer: the final log. What was answered
// stands in it where the answer said, in the order of real time; what was refused does not; a key
// stands in it once; and every read shows a state that it has passed through.
class Linearizable : public Checker {
 public:
  explicit Linearizable(Scene& scene) : Checker(scene, "linearizable") {}
  void AtRest(const Rest& rest) override {
    if (!rest.converged) return;
    for (const auto& [space, primary] : rest.primary) {
      const DiskLog& log = rest.poll.logs.at(space)[primary];
      JudgeWrites(space, log);
      JudgeOrder(space, log);
      JudgeKeys(space, log);
      JudgeReads(space, log);
    }
  }

 private:
  void JudgeWrites(const std::string& space, const DiskLog& log) {
    std::map<std::string, Sequence> texts;
    for (const DiskEntry& entry : log.entries) texts[entry.text] = entry.sequence;
    for (const Operation& operation : scene_.history.operations) {
      if (operation.space != space) continue;
      if (operation.outcome == Operation::Outcome::kFailed) {
        for (const std::string& text : operation.texts) {
          if (!texts.contains(text)) continue;
          return Fail(space + ": '" + text + "' was refused with " +
                      std::string(InfoOf(operation.reason).name) + " and happened");
        }
      }
      if (!operation.replicated() || scene_.facts.Doubt(space)) continue;
      for (const Written& written : operation.written) {
        const DiskEntry* entry = log.At(written.at.sequence);
        if (entry != nullptr && entry->text == written.text && entry->epoch == written.at.epoch &&
            (written.version == 0 || entry->version == written.version)) {
          continue;
        }
        return Fail(space + ": '" + written.text + "' was answered as entry " +
                    ToString(written.at.sequence) + ", version " + std::to_string(written.version) +
                    ", and is not there");
      }
    }
  }
  // What was answered before another was asked stands before it.
  void JudgeOrder(const std::string& space, const DiskLog& log) {
    std::vector<std::pair<Instant, Sequence>> returned;
    std::vector<const Operation*> asked;
    for (const Operation& operation : scene_.history.operations) {
      if (operation.space != space || !operation.replicated()) continue;
      const DiskEntry* entry = log.At(operation.written[0].at.sequence);
      if (entry == nullptr || entry->text != operation.written[0].text) continue;
      returned.emplace_back(operation.returned, operation.written[0].at.sequence);
      asked.push_back(&operation);
    }
    std::sort(returned.begin(), returned.end());
    std::sort(asked.begin(), asked.end(),
              [](const Operation* a, const Operation* b) { return a->invoked < b->invoked; });
    size_t next = 0;
    Sequence before;
    for (const Operation* operation : asked) {
      while (next < returned.size() && returned[next].first < operation->invoked) {
        before = std::max(before, returned[next++].second);
      }
      if (operation->written[0].at.sequence > before) continue;
      return Fail(space + ": '" + operation->texts[0] + "' was asked after entry " +
                  ToString(before) + " was answered, and stands before it");
    }
  }
  void JudgeKeys(const std::string& space, const DiskLog& log) {
    std::map<std::pair<std::string, uint32_t>, Sequence> keys;
    for (const DiskEntry& entry : log.entries) {
      if (entry.key.empty()) continue;
      const auto [it, fresh] = keys.try_emplace({entry.key, entry.item}, entry.sequence);
      if (fresh) continue;
      return Fail(space + ": " + entry.key + " happened twice, as entries " + ToString(it->second) +
                  " and " + ToString(entry.sequence));
    }
  }
  void JudgeReads(const std::string& space, const DiskLog& log) {
    const Versions versions = VersionsOf(log);
    for (const Reading& reading : scene_.history.readings) {
      if (reading.space != space || scene_.facts.Doubt(space)) continue;
      if (reading.write_lost) {
        if (reading.token_of->replicated()) {
          return Fail(space + ": a token of a replicated write was answered WRITE_LOST");
        }
        continue;
      }
      JudgeToken(reading);
      if (reading.visible.sequence.is_zero()) continue;
      const DiskEntry* entry = log.At(reading.visible.sequence);
      if (entry == nullptr || entry->epoch != reading.visible.epoch) {
        // Nothing that was shown may be gone, but with what a single copy had.
        if (scene_.facts.MayPart(space) || log.StatesLossOf(reading.visible)) continue;
        return Fail(space + ": " + NameOf(reading.place) + " showed entry " +
                    ToString(reading.visible.sequence) + " of epoch " +
                    ToString(reading.visible.epoch) + ", which was never committed");
      }
      JudgeContent(reading, VersionAt(versions, reading.id, reading.visible.sequence));
    }
  }
  void JudgeToken(const Reading& reading) {
    if (reading.token_of == nullptr) return;
    const Written& written = reading.token_of->written[0];
    if (reading.visible.sequence < written.at.sequence || !reading.found ||
        reading.version < written.version) {
      Fail(reading.space + ": " + NameOf(reading.place) + " was asked for '" + written.text +
           "' at least, and does not show it");
    }
  }
  void JudgeContent(const Reading& reading, const Version* expected) {
    const std::string where = reading.space + ": " + NameOf(reading.place) + " at " +
                              ToString(reading.visible.sequence) + " shows " + reading.id;
    const bool deleted = expected != nullptr && expected->deleted;
    if (reading.found != (expected != nullptr)) return Fail(where + " when it should not, or not");
    if (expected == nullptr) return;
    if (reading.version != expected->version || (!deleted && reading.text != expected->text)) {
      Fail(where + " as '" + reading.text + "', version " + std::to_string(reading.version) +
           " instead of '" + expected->text + "', version " + std::to_string(expected->version));
    }
  }
};

// Every acknowledged write that the cluster no longer has lies in a quarantine file, and the metric
// counts it; or in a directory that the operator has put aside.
class LossAccounted : public Checker {
 public:
  explicit LossAccounted(Scene& scene) : Checker(scene, "local-loss-accounted") {}
  void OnPoll(const Poll& poll) override {
    for (size_t place = 0; place < poll.states.size(); ++place) {
      for (const runtime::SpaceState& state : poll.states[place]) {
        counted_[state.space][{place, scene_.world.life(place)}] = state.writes_lost;
      }
    }
  }
  void AtRest(const Rest& rest) override {
    if (!rest.converged) return;
    for (const auto& [space, primary] : rest.primary) {
      Judge(space, rest.poll.logs.at(space)[primary]);
    }
  }

 private:
  void Judge(const std::string& space, const DiskLog& log) {
    std::set<std::string> kept, saved, aside, lost;
    const auto add = [](const std::vector<DiskEntry>& entries, std::set<std::string>* texts) {
      for (const DiskEntry& entry : entries) texts->insert(entry.text);
    };
    add(log.entries, &kept);
    for (size_t place = 0; place < scene_.world.size(); ++place) {
      add(ReadQuarantineIn(scene_.world.files(place), SpaceDirectory(space)), &saved);
    }
    for (const World::Aside& put : scene_.world.put_aside()) {
      if (put.space != space) continue;
      add(ReadLogIn(scene_.world.files(put.place), put.directory).entries, &aside);
      add(ReadQuarantineIn(scene_.world.files(put.place), put.directory), &saved);
    }
    for (const Operation& operation : scene_.history.operations) {
      if (operation.space != space || !operation.ok()) continue;
      for (const Written& written : operation.written) {
        if (kept.contains(written.text)) continue;
        if (!saved.contains(written.text)) {
          if (aside.contains(written.text)) continue;
          // With the disk went the entry.
          if (operation.disk_life != scene_.world.disk_life(operation.place)) continue;
          if (scene_.facts.Doubt(space)) continue;
          return Fail(space + ": '" + written.text + "', entry " + ToString(written.at.sequence) +
                      ", was acknowledged as local by " + NameOf(operation.place) +
                      ", and is neither in the log nor in quarantine");
        }
        lost.insert(written.text);
      }
    }
    uint64_t counted = 0;
    for (const auto& [life, count] : counted_[space]) counted += count;
    if (counted >= lost.size() || !scene_.facts.crashed.empty()) return;
    Fail(space + ": " + std::to_string(lost.size()) + " acknowledged writes are lost, " +
         std::to_string(counted) + " are counted");
  }
  std::map<std::string, std::map<std::pair<size_t, uint64_t>, uint64_t>> counted_;
};

}  // namespace

std::unique_ptr<Checker> MakeLinearizable(Scene& scene) {
  return std::make_unique<Linearizable>(scene);
}
std::unique_ptr<Checker> MakeLossAccounted(Scene& scene) {
  return std::make_unique<LossAccounted>(scene);
}

}  // namespace engram::sim
