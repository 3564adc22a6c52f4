#include "sim/workload.h"

namespace engram::sim {

using namespace std::chrono_literals;

struct Workload::Attempt {
  Client* client;
  Operation* operation;
  Instant give_up;   // no further attempt after this
  Instant deadline;  // of this one
  size_t place;
  uint64_t life;  // of the node
  bool over = false;
};

namespace {

constexpr Duration kRoundTrip = 200us;
constexpr Duration kPatience = 7s;  // more than the commit timeout

// Nothing was written by an attempt that ended like this.
bool Definite(Reason reason) {
  switch (reason) {
    case Reason::NOT_PRIMARY:
    case Reason::NO_PRIMARY:
    case Reason::NOT_ENOUGH_IN_SYNC:
    case Reason::RECOVERING:
    case Reason::SPACE_NOT_FOUND:
    case Reason::ALREADY_EXISTS:
    case Reason::VERSION_CONFLICT:
    case Reason::MEMORY_NOT_FOUND:
    case Reason::DISK_FULL:
    case Reason::OVERLOADED:
      return true;
    default:
      return false;
  }
}

bool WorthAnother(Reason reason) {
  return reason != Reason::ALREADY_EXISTS && reason != Reason::VERSION_CONFLICT &&
         reason != Reason::MEMORY_NOT_FOUND;
}

}  // namespace

Workload::Workload(World& world, const Plan& plan, History& history)
    : world_(world), plan_(plan), history_(history), prng_(world.prng().Next()) {
  for (size_t i = 0; i < plan.clients; ++i) {
    clients_.push_back(std::make_unique<Client>());
    clients_.back()->number = i;
  }
}

void Workload::Start() {
  for (const auto& client : clients_) Next(client.get());
}

void Workload::Next(Client* client) {
  const auto most = static_cast<uint64_t>(plan_.think.count()) * 2;
  const Duration think(static_cast<int64_t>(prng_.Below(most)));
  world_.scheduler().After(think, kWorld, [this, client] {
    if (stopped_) return;
    if (prng_.OneIn(3)) {
      Read(client);
      return Next(client);
    }
    Try(client, NewOperation(client), world_.scheduler().now() + 4s);
  });
}

Operation* Workload::NewOperation(Client* client) {
  Operation& operation = history_.operations.emplace_back();
  operation.id = next_id_++;
  operation.space = plan_.spaces[prng_.Below(plan_.spaces.size())].name;
  operation.invoked = world_.scheduler().now();
  static constexpr v1::Durability kLevels[] = {
      v1::DURABILITY_UNSPECIFIED, v1::DURABILITY_UNSPECIFIED, v1::DURABILITY_UNSPECIFIED,
      v1::DURABILITY_LOCAL,       v1::DURABILITY_REPLICATED,  v1::DURABILITY_AUTO};
  operation.asked = kLevels[prng_.Below(6)];
  ChooseTarget(&operation);
  const size_t items = operation.kind == Operation::Kind::kBatch ? 2 + prng_.Below(4) : 1;
  for (size_t i = 0; i < items; ++i) {
    operation.texts.push_back(operation.space + " " + std::to_string(operation.id) + " item " +
                              std::to_string(i));
  }
  // Without a key it is not tried again once it may have happened.
  if (!prng_.OneIn(4)) {
    operation.key = "key-" + std::to_string(client->number) + "-" + std::to_string(operation.id);
  }
  return &operation;
}

void Workload::ChooseTarget(Operation* operation) {
  const uint64_t dice = prng_.Below(20);
  if (dice < 7) {
    operation->memory_id = "m" + std::to_string(operation->id);
    operation->create_only = prng_.OneIn(2);
  } else if (dice >= 9) {
    operation->memory_id = "shared" + std::to_string(prng_.Below(6));
  }
  if (dice >= 18) {
    operation->kind = Operation::Kind::kBatch;
  } else if (dice >= 16) {
    operation->kind = Operation::Kind::kDelete;
  } else if (dice >= 13) {
    operation->kind = Operation::Kind::kUpdate;
  }
}

void Workload::WriteOnce(const std::string& space, v1::Durability level, Instant until) {
  Operation& operation = history_.operations.emplace_back();
  operation.id = next_id_++;
  operation.space = space;
  operation.asked = level;
  operation.invoked = world_.scheduler().now();
  operation.memory_id = "last" + std::to_string(operation.id);
  operation.key = "key-last-" + std::to_string(operation.id);
  operation.texts = {space + " " + std::to_string(operation.id) + " last"};
  Try(clients_[0].get(), &operation, until);
}

const Operation& Workload::AskOnce(size_t place, const std::string& space, const std::string& id,
                                   Operation::Kind kind, v1::Durability level) {
  Operation& operation = history_.operations.emplace_back();
  operation.id = next_id_++;
  operation.space = space;
  operation.kind = kind;
  operation.asked = level;
  operation.invoked = world_.scheduler().now();
  operation.memory_id = id;
  operation.texts = {space + " " + std::to_string(operation.id) + " asked"};
  clients_[0]->primary[space] = place;
  Try(clients_[0].get(), &operation, world_.scheduler().now());
  return operation;
}

void Workload::Try(Client* client, Operation* operation, Instant give_up) {
  if (operation->attempts++ == 0) ++busy_;
  auto attempt = std::make_shared<Attempt>();
  const auto believed = client->primary.find(operation->space);
  const size_t place =
      believed != client->primary.end() ? believed->second : prng_.Below(world_.size());
  const Instant now = world_.scheduler().now();
  *attempt = {client, operation, give_up, now + kPatience, place, world_.life(place)};
  if (!world_.up(place)) {
    world_.scheduler().After(kRoundTrip, kWorld, [this, attempt] {
      OnAnswer(attempt, Status(Reason::NO_PRIMARY, "nobody listens there"), {}, {});
    });
    return;
  }
  world_.scheduler().After(kRoundTrip, static_cast<Owner>(place), [this, attempt, place] {
    Call(place, attempt->operation,
         [this, attempt](const Status& status, const v1::WriteResult& result,
                         std::vector<Written> written) {
           // Who is dead says nothing.
           if (attempt->over || world_.life(attempt->place) != attempt->life) return;
           OnAnswer(attempt, status, result, std::move(written));
         });
  });
  Watch(attempt);
}

// Gives an attempt up whose node died, or says nothing for too long.
void Workload::Watch(const std::shared_ptr<Attempt>& attempt) {
  world_.scheduler().After(20ms, kWorld, [this, attempt] {
    if (attempt->over) return;
    const bool dead = world_.life(attempt->place) != attempt->life;
    if (!dead && world_.scheduler().now() < attempt->deadline) return Watch(attempt);
    OnAnswer(attempt, Status(Reason::CONNECTION_TIMEOUT, "no answer"), {}, {});
  });
}

void Workload::OnAnswer(const std::shared_ptr<Attempt>& attempt, const Status& status,
                        const v1::WriteResult& result, std::vector<Written> written) {
  if (attempt->over) return;
  attempt->over = true;
  Operation& operation = *attempt->operation;
  operation.returned = world_.scheduler().now();
  operation.place = attempt->place;
  operation.disk_life = world_.disk_life(attempt->place);
  if (!status.ok()) operation.reason = status.reason();
  const std::string name = operation.space + " op " + std::to_string(operation.id);
  if (!status.ok()) {
    world_.scheduler().Trace(name + " at " + world_.NameOf(attempt->place) + ": " +
                             std::string(InfoOf(status.reason()).name));
    if (!Definite(status.reason())) operation.any_unknown = true;
    return Again(attempt, status);
  }
  operation.reached = result.durability();
  operation.wrote = result.outcome();
  operation.token = result.token();
  operation.written = std::move(written);
  attempt->client->primary[operation.space] = attempt->place;
  world_.scheduler().Trace(name + " at " + world_.NameOf(attempt->place) + ": " +
                           v1::Durability_Name(operation.reached) + " " + operation.token);
  End(attempt, Operation::Outcome::kOk);
  if (on_reply) on_reply(operation);
}

void Workload::Again(const std::shared_ptr<Attempt>& attempt, const Status& status) {
  Operation* operation = attempt->operation;
  Client* client = attempt->client;
  client->primary.erase(operation->space);
  const auto named = status.metadata().find("primary");
  if (status.reason() == Reason::NOT_PRIMARY && named != status.metadata().end()) {
    for (size_t place = 0; place < world_.size(); ++place) {
      if (world_.NameOf(place) == named->second) client->primary[operation->space] = place;
    }
  }
  const bool may_repeat = !operation->any_unknown || !operation->key.empty();
  if (!may_repeat || !WorthAnother(status.reason()) ||
      world_.scheduler().now() >= attempt->give_up) {
    return End(attempt,
               operation->any_unknown ? Operation::Outcome::kUnknown : Operation::Outcome::kFailed);
  }
  const Duration wait(static_cast<int64_t>(prng_.Below(60'000'000)));
  world_.scheduler().After(wait, kWorld, [this, client, operation, give_up = attempt->give_up] {
    Try(client, operation, give_up);
  });
}

void Workload::End(const std::shared_ptr<Attempt>& attempt, Operation::Outcome outcome) {
  attempt->operation->outcome = outcome;
  --busy_;
  if (!stopped_) Next(attempt->client);
}

void Workload::Read(Client*) {
  if (history_.operations.empty()) return;
  // Something recent, or one of the ids that everybody writes.
  const size_t back = prng_.Below(std::min<size_t>(history_.operations.size(), 30));
  const Operation& about = history_.operations[history_.operations.size() - 1 - back];
  Reading reading;
  reading.space = about.space;
  reading.id = about.memory_id;
  reading.began = world_.scheduler().now();
  if (about.ok() && !about.token.empty() && prng_.OneIn(2)) {
    reading.token_of = &about;
    reading.id = about.written[0].id;
  }
  if (reading.id.empty()) reading.id = "shared" + std::to_string(prng_.Below(6));
  const size_t place = prng_.Below(world_.size());
  if (!world_.up(place)) return;
  const uint64_t life = world_.life(place);
  world_.scheduler().After(kRoundTrip, static_cast<Owner>(place), [this, place, reading, life] {
    if (world_.life(place) == life) ReadAt(place, reading);  // who is dead shows nothing
  });
}

}  // namespace engram::sim
