// What was deleted: deleted-stays-deleted.
#include "sim/checkers/checker.h"

namespace engram::sim {

namespace {

// Once a deletion was answered as `replicated`, no copy that shows at least that point of the log
// shows what the id was before.
class DeletedStaysDeleted : public Checker {
 public:
  explicit DeletedStaysDeleted(Scene& scene) : Checker(scene, "deleted-stays-deleted") {}
  void OnReply(const Operation& operation) override {
    if (operation.kind != Operation::Kind::kDelete || !operation.replicated()) return;
    const Written& written = operation.written[0];
    Position& newest = deleted_[{operation.space, written.id}];
    newest = std::max(newest, written.at);
  }
  void OnRead(const Reading& reading) override {
    const auto it = deleted_.find({reading.space, reading.id});
    if (it == deleted_.end() || reading.content.is_zero() || scene_.facts.Doubt(reading.space)) {
      return;
    }
    const Position deleted = it->second;
    const bool behind =
        reading.visible.epoch < deleted.epoch || reading.visible.sequence < deleted.sequence;
    if (behind || reading.content > deleted.sequence) return;
    Fail(reading.space + ": " + NameOf(reading.place) + " at " +
         ToString(reading.visible.sequence) + " shows " + reading.id + " as it was at " +
         ToString(reading.content) + ", and it was deleted at " + ToString(deleted.sequence));
  }

 private:
  std::map<std::pair<std::string, std::string>, Position> deleted_;
};

}  // namespace

std::unique_ptr<Checker> MakeDeletedStaysDeleted(Scene& scene) {
  return std::make_unique<DeletedStaysDeleted>(scene);
}

}  // namespace engram::sim
