// The mending of one space: runs cluster::Mender with what the files, the other nodes and the clock
// say, and carries out its effects. See mending.h.
//
// Owned by Mending; kept alive by its tasks. Thread-safe: what happens passes through a strand of
// its own on the executor, so that only tasks of this space wait for its files.
//
// Invariants: the files are written only while the space is closed, and only with records that
// were checked; an answer is taken only for the question that is open.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engram/base/thread_annotations.h"
#include "engram/cluster/mend.h"
#include "engram/runtime/mending.h"
#include "engram/runtime/strand.h"
#include "engram/wal/mend.h"

namespace engram::runtime {

class MendingCase : public std::enable_shared_from_this<MendingCase> {
 public:
  MendingCase(const MendingContext& context, space::Registry& registry, std::string space);

  void Tell(const Status& why);
  void TellDigestDiffers(replication::EntryRange range);
  void OnPeer(size_t peer, bool up);
  void Stop() { stopped_ = true; }

  bool busy() const { return busy_; }
  std::optional<Status> KnownDamage() const EXCLUDES(mutex_);
  std::vector<DamagedRange> Describe() const EXCLUDES(mutex_);
  uint64_t mended_entries() const { return mended_entries_; }

 private:
  // What is known of the log beside its segments.
  struct Facts {
    bool open = false;       // the space is
    bool read_only = false;  // its log found damage
    Status why;              // … namely
    Incarnation incarnation;
    record::History history;
    Sequence commit;
    replication::Floors floors;
    std::optional<wal::EntryIdentity> end;  // where it is known to end
  };
  struct Place {  // one damage, and what was fetched for it
    wal::Damage damage;
    int64_t since_wall_ns = 0;
    std::optional<wal::Patch> patch;
    replication::Floors floors;  // of whoever gave it
    bool holes = false;
    std::string giver;
  };

  // ---- on the strand ----
  void Post(void (MendingCase::*work)());
  void PostAfter(Duration delay, void (MendingCase::*work)());
  // mending_look.cc
  void Look();
  std::optional<Facts> ReadFacts();
  static std::optional<wal::EntryIdentity> EndOf(wal::Log& log);
  Status LookAt(const Facts& facts, std::vector<Place>* found);
  void NoteUnfit(const Facts& facts, const std::vector<Place>& found);
  void NothingFound(const Facts& facts);
  void GiveUp();
  void OpenAgain();
  bool Appending() const;
  // mending_case.cc
  void Take(const cluster::Mender::Event& event);
  void AskFor(const cluster::Mender::Ask& ask);
  void OnAnswer(uint64_t question, const cluster::Mender::Ask& ask, Result<FetchAnswer> answer);
  std::string TakeAnswer(const cluster::Mender::Ask& ask, FetchAnswer answer);
  void Replace();
  Status WriteAnew(space::Space* closed);
  void TellMended();
  void Tick();
  void End();
  void Complain(const std::string& what);
  void SetPlaces(std::vector<Place> places) EXCLUDES(mutex_);
  void SetState(std::string state) EXCLUDES(mutex_);
  std::string Giver(size_t peer) const { return context_.nodes[peer]; }
  // mending_digest.cc
  void ReadAtOthers(replication::EntryRange range, size_t peer);
  void OnRead(replication::EntryRange range, size_t peer, Result<FetchAnswer> answer);
  void CompareWithOwn(const std::string& records, replication::EntryRange range, size_t peer);

  const MendingContext context_;
  space::Registry& registry_;
  const std::string space_;
  const std::string directory_;
  const std::shared_ptr<Strand> strand_;
  std::atomic<bool> stopped_{false}, busy_{false};
  std::atomic<uint64_t> mended_entries_{0};

  cluster::Mender mender_;         // of the strand
  std::set<Sequence> suspects_;    // segments to look at
  bool suspect_all_ = false;       // … or all
  Facts facts_;                    // of the last look
  std::vector<size_t> asked_for_;  // places by index of the mender's ranges
  uint64_t question_ = 0;          // the one that is open; answers to others are late
  bool ticking_ = false;
  bool was_open_ = false;   // it was closed here, and is to be opened again
  bool wrote_ = false;      // a segment, since it was last at rest
  std::string complaint_;   // the last
  int openings_ = 0;        // in a row, that helped nothing
  bool replacing_ = false;  // what was taken is to be put in its place, unless it is looked again
  bool comparing_ = false;
  bool looked_again_ = false;  // since the log was told that it is unfit

  mutable Mutex mutex_;
  std::vector<Place> places_ GUARDED_BY(mutex_);
  std::string state_ GUARDED_BY(mutex_);
  std::optional<Status> stuck_ GUARDED_BY(mutex_);  // damage that no segment shows
};

}  // namespace engram::runtime
