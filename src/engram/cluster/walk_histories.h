// What becomes of single nodes: for the explorer (walk_explore.h). A node does the same whenever it
// is told the same in the same order, so what it comes to is a function of its history: a Place,
// made once, by the inputs that lead there on a stage on which only this node is alive. A state of
// the whole is then a Place of each node and what is under way between them, and two states are
// the same when these are: no field of a Copy has to be read. A Place also keeps what the checks
// of the whole ask for. Whatever the little world draws by chance is drawn from one fixed seed.
// For tests; one thread.
#pragma once

#include <array>
#include <optional>

#include "engram/cluster/walk_kit.h"

namespace engram::cluster::walk {

// One thing that happens to one node.
struct Input {
  enum class Kind : uint8_t {
    kCreate,   // it makes the space and leads it
    kUp,       // a connection to `peer`, in that node's life number `number`
    kDown,     // … is gone
    kDeliver,  // the packet `number`
    kSync,
    kAppend,
    kStand,  // an operator's word; `number` 1: in a pair, with the statement
    kCrash,
    kRestart,
    kTick,
  };
  Kind kind;
  uint8_t ticks = 0;  // what time it is: so many rounds of kTickRound
  uint8_t peer = 0;
  uint32_t number = 0;

  bool operator==(const Input&) const = default;
};
constexpr Duration kTickRound = std::chrono::milliseconds(600);

// What one node did as the primary of one epoch.
struct Reign {
  Epoch epoch;
  std::shared_ptr<const Log> begins;  // its log before the EpochStart
  std::shared_ptr<const Log> commit;  // what it has committed
  size_t counted = 0;                 // members that were counted for it
  bool stated = false;                // it began by an operator's statement
};

// A node after some inputs.
struct Place {
  uint32_t before = 0;  // a first one: itself
  Input input = {};
  uint8_t node = 0;
  bool alive = true, leads = false, unsynced = false, has_copy = false;
  uint8_t life = 1;
  uint8_t in_sync = 0;              // members, of a primary
  std::vector<uint32_t> sent = {};  // packets, by the last input
  std::shared_ptr<const Log> log = {};
  size_t synced = 0, commit = 0;
  std::shared_ptr<const std::vector<Reign>> reigns = {};  // in their order
  std::string alarm = {};                                 // the last that tells of two histories
  std::string wrong = {};                                 // by the last input, whatever others did
  std::vector<std::string> words = {};                    // of the last input, with a trace
  std::vector<std::pair<Input, uint32_t>> next = {};
};

class Histories : public World {
 public:
  explicit Histories(WorldOptions options);

  // Node n when nothing has happened yet.
  uint32_t First(size_t n) const { return static_cast<uint32_t>(n); }
  // Where `input` leads from there; what is known is not played again.
  uint32_t After(uint32_t place, const Input& input);
  const Place& at(uint32_t place) const { return places_[place]; }
  const Packet& packet(uint32_t number) const { return packets_[number]; }
  size_t places() const { return places_.size(); }

 private:
  std::unique_ptr<Store> MakeStore(size_t n) override;
  void OnBegin(size_t n, const Begin& begin) override;
  void OnCommit(size_t n, const CommitMove& move) override;
  void OnCut(size_t n, const Rewind& rewind) override;
  void OnAlarm(size_t n, const Alarm& alarm) override;

  void Replay(uint32_t place);
  void Play(size_t n, const Input& input, uint32_t place);
  void Keep(size_t n, Place* place);
  std::shared_ptr<const Log> Shared(const Log& log, const std::shared_ptr<const Log>& before) const;

  std::deque<Place> places_;
  std::vector<Packet> packets_;
  uint64_t seed_ = 0;
  // ---- of the node on the stage ----
  std::vector<Reign> reigns_;
  bool ruled_ = false;  // reigns_ changed by the last input
  std::string alarm_;
};

}  // namespace engram::cluster::walk
