#include "engram/runtime/outer_configuration.h"

#include <algorithm>
#include <future>

#include "engram/cluster/static_store.h"
#include "engram/internal/v1/store.pb.h"

namespace engram::runtime {
namespace {

namespace pb = engram::internal::v1;
using cluster::Outcome;
using cluster::StoreAnswered;
using cluster::StoreCall;
using replication::SpaceRecord;

constexpr std::chrono::milliseconds kLetGoWithin{500};
constexpr Duration kDeleteAgain = std::chrono::seconds(1);

std::string NodeKey(const std::string& node) {
  return "nodes/" + node;
}

std::string SpaceKey(const std::string& space) {
  return "spaces/" + space;
}

std::string BytesOf(const std::array<uint8_t, 16>& bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Incarnation IncarnationOf(const std::string& bytes) {
  Incarnation incarnation;
  if (bytes.size() == incarnation.bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), incarnation.bytes.begin());
  }
  return incarnation;
}

std::string ValueOf(Incarnation space, const SpaceRecord& record, int64_t lease, bool resigned) {
  pb::StoredSpace stored;
  stored.set_incarnation(BytesOf(space.bytes));
  stored.set_record(replication::EncodeRecord(record));
  stored.set_primary_lease(lease);
  stored.set_resigned(resigned);
  return stored.SerializeAsString();
}

Incarnation NodeIncarnationOf(const std::string& value) {
  pb::StoredNode node;
  return node.ParseFromString(value) ? IncarnationOf(node.incarnation()) : Incarnation();
}

// Nothing when it cannot be read.
std::optional<pb::StoredSpace> Decode(const StoredKey& key, SpaceRecord* record) {
  pb::StoredSpace stored;
  if (!stored.ParseFromString(key.value)) return std::nullopt;
  Result<SpaceRecord> decoded = replication::DecodeRecord(stored.record(), Sequence());
  if (!decoded.ok()) return std::nullopt;
  *record = *std::move(decoded);
  return stored;
}

LeaseOptions LeaseOptionsOf(const OuterOptions& options, std::string key) {
  pb::StoredNode node;
  node.set_node_id(BytesOf(options.self.id.bytes));
  node.set_incarnation(BytesOf(options.self.incarnation.bytes));
  node.set_replication(options.replication);
  LeaseOptions lease;
  lease.key = std::move(key);
  lease.value = node.SerializeAsString();
  lease.ttl = options.lease_ttl;
  lease.margin = options.lease_margin;
  lease.is_own = [own = options.self.incarnation](const std::string& value) {
    return NodeIncarnationOf(value) == own;
  };
  lease.mutant = options.mutant;
  return lease;
}

}  // namespace

OuterConfiguration::OuterConfiguration(std::unique_ptr<ConfigStore> store, env::Clock& clock,
                                       env::Executor& executor, OuterOptions options,
                                       std::function<void()> lease_changed)
    : store_(std::move(store)), executor_(executor), options_(std::move(options)) {
  lease_ = std::make_shared<LeaseKeeper>(*store_, clock, executor,
                                         LeaseOptionsOf(options_, NodeKey(options_.self.node)),
                                         std::move(lease_changed));
}

OuterConfiguration::~OuterConfiguration() {
  Stop();
}

void OuterConfiguration::Stop() {
  if (stopped_.exchange(true)) return;
  auto let_go = std::make_shared<std::promise<void>>();
  lease_->Stop([let_go] { let_go->set_value(); });
  if (options_.may_wait) (void)let_go->get_future().wait_for(kLetGoWithin);
  store_->Stop();
}

void OuterConfiguration::Count(Outcome outcome) {
  ++(outcome == Outcome::kDone       ? counts_.done
     : outcome == Outcome::kConflict ? counts_.conflict
                                     : counts_.unknown);
}

void OuterConfiguration::Commit(StoreTransaction transaction,
                                std::function<void(Result<StoreResult>)> done) {
  store_->Commit(std::move(transaction), options_.call_timeout,
                 [this, done = std::move(done)](Result<StoreResult> result) {
                   executor_.Post([done, result = std::move(result)] { done(result); });
                 });
}

StoreTransaction OuterConfiguration::TransactionOf(const std::string& space,
                                                   Incarnation incarnation, const StoreCall& call,
                                                   int64_t lease) const {
  using What = StoreCompare::What;
  StoreTransaction transaction;
  for (const std::string& node : options_.nodes) transaction.reads.push_back(NodeKey(node));
  transaction.reads.push_back(SpaceKey(space));
  if (!call.write.has_value()) return transaction;
  const StoreCall::Write& write = *call.write;
  transaction.compares = {{SpaceKey(space), What::kChanged, true, write.over},
                          {NodeKey(options_.self.node), What::kCreated, true, lease}};
  if (write.deposes.has_value()) {
    transaction.compares.push_back(
        {NodeKey(*write.deposes), What::kCreated, false, write.deposes_lease});
  }
  transaction.put = {{SpaceKey(space), ValueOf(incarnation, write.record, lease, write.resigned)}};
  return transaction;
}

StoreAnswered OuterConfiguration::AnswerOf(const std::string& space, Incarnation incarnation,
                                           const StoreCall& call, int64_t lease,
                                           const Result<StoreResult>& result) const {
  StoreAnswered answered{.id = call.id};
  if (!result.ok()) return answered;
  for (const std::string& node : options_.nodes) {
    const auto it = result->read.find(NodeKey(node));
    answered.leases.emplace_back();
    if (it == result->read.end()) continue;
    answered.leases.back() = {NodeIncarnationOf(it->second.value), it->second.created};
  }
  // Without its lease this node may write nothing: it asks again when it has one.
  const int64_t own = answered.leases[options_.me].number;
  if (!result->done && call.write.has_value() && own != lease) return StoreAnswered{.id = call.id};
  answered.outcome = result->done ? Outcome::kDone : Outcome::kConflict;
  const auto it = result->read.find(SpaceKey(space));
  if (it == result->read.end()) return answered;
  cluster::StoredSpace& out = answered.space;
  const std::optional<pb::StoredSpace> stored = Decode(it->second, &out.record);
  if (!stored.has_value()) return answered;
  out.there = !stored->deleted() && IncarnationOf(stored->incarnation()) == incarnation;
  out.lease = stored->primary_lease();
  out.resigned = stored->resigned();
  out.revision = it->second.changed;
  return answered;
}

void OuterConfiguration::Carry(const std::string& space, Incarnation incarnation,
                               const StoreCall& call, std::function<void(StoreAnswered)> done) {
  const int64_t lease = lease_->number();
  const bool may = !stopped_ && (lease != 0 || !call.write.has_value());
  if (!may) {
    return executor_.Post([done = std::move(done), id = call.id] { done({.id = id}); });
  }
  Commit(TransactionOf(space, incarnation, call, lease),
         [this, space, incarnation, call, lease, done = std::move(done)](const auto& result) {
           StoreAnswered answered = AnswerOf(space, incarnation, call, lease, result);
           Count(answered.outcome);
           done(std::move(answered));
         });
}

// Over nothing first; what is there is looked at, and taken the place of when it is free.
void OuterConfiguration::WriteNew(const std::string& space, const std::string& value, int64_t over,
                                  int64_t lease, std::function<bool(const StoredKey&)> is_free,
                                  std::function<void(Result<int64_t>)> done) {
  using What = StoreCompare::What;
  StoreTransaction transaction;
  transaction.compares = {{SpaceKey(space), What::kChanged, true, over},
                          {NodeKey(options_.self.node), What::kCreated, true, lease}};
  transaction.put = {{SpaceKey(space), value}};
  transaction.reads = {SpaceKey(space)};
  Commit(std::move(transaction), [this, space, value, over, lease, is_free = std::move(is_free),
                                  done = std::move(done)](const Result<StoreResult>& result) {
    if (!result.ok()) return done(result.status());
    Count(result->done ? Outcome::kDone : Outcome::kConflict);
    const auto it = result->read.find(SpaceKey(space));
    if (result->done || (it != result->read.end() && it->second.value == value)) {
      return done(lease);
    }
    if (it == result->read.end() || it->second.changed == over) {
      return done(Status(Reason::STORE_UNAVAILABLE, "This node has lost its lease.")
                      .Expected("a lease in the configuration store")
                      .Suggest("try again in a moment"));
    }
    if (is_free(it->second)) {
      return WriteNew(space, value, it->second.changed, lease, is_free, done);
    }
    SpaceRecord record;
    (void)Decode(it->second, &record);
    done(Status(Reason::SPACE_EXISTS,
                "The space '" + space + "' exists on " + record.primary.node + ".")
             .Suggest("if_not_exists makes this no error")
             .With("space", space));
  });
}

void OuterConfiguration::Create(const std::string& space, Incarnation incarnation,
                                const SpaceRecord& record, std::function<bool(Incarnation)> is_gone,
                                std::function<void(Result<int64_t>)> done) {
  const int64_t lease = lease_->number();
  if (lease == 0) {
    const std::string trouble = lease_->trouble();
    return done(
        Status(Reason::STORE_UNAVAILABLE, "This node has no lease in the configuration store" +
                                              (trouble.empty() ? "." : ": " + trouble + "."))
            .Expected("one, before it may lead a space")
            .Suggest("see whether " + Describe() + " runs and is reached from here")
            .Example("engram cluster explain"));
  }
  const auto is_free = [this, is_gone = std::move(is_gone)](const StoredKey& key) {
    SpaceRecord before;
    const std::optional<pb::StoredSpace> stored = Decode(key, &before);
    if (!stored.has_value()) return false;
    if (stored->deleted() || is_gone(IncarnationOf(stored->incarnation()))) return true;
    // Begun by this node and not finished: nobody else can have it, and nor has this one.
    return before.primary == options_.self && before.in_sync.size() == 1 &&
           cluster::EpochNumber(before.epoch) == 1;
  };
  WriteNew(space, ValueOf(incarnation, record, lease, false), 0, lease, is_free, std::move(done));
}

void OuterConfiguration::Delete(const std::string& space, Incarnation incarnation) {
  StoreTransaction read;
  read.reads = {SpaceKey(space)};
  const auto again = [this, space, incarnation] {
    executor_.PostAfter(kDeleteAgain, [this, space, incarnation] {
      if (!stopped_) Delete(space, incarnation);
    });
  };
  Commit(std::move(read), [this, space, incarnation, again](const Result<StoreResult>& result) {
    if (!result.ok()) return again();
    const auto it = result->read.find(SpaceKey(space));
    pb::StoredSpace stored;
    const bool there = it != result->read.end() && stored.ParseFromString(it->second.value) &&
                       IncarnationOf(stored.incarnation()) == incarnation && !stored.deleted();
    if (!there) return;
    stored.set_deleted(true);
    StoreTransaction write;
    write.compares = {{SpaceKey(space), StoreCompare::What::kChanged, true, it->second.changed}};
    write.put = {{SpaceKey(space), stored.SerializeAsString()}};
    Commit(std::move(write), [again](const Result<StoreResult>& written) {
      if (!written.ok() || !written->done) again();
    });
  });
}

}  // namespace engram::runtime
