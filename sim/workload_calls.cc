// How an operation becomes a call of a space, and an answer what the client remembers.
#include "sim/workload.h"

namespace engram::sim {

namespace {

Written WrittenOf(const v1::WriteResult& result, const std::string& id, const std::string& text) {
  return {{Epoch(result.epoch()), Sequence(result.sequence())}, result.version(), id, text};
}

v1::Episode EpisodeOf(const Operation& operation, size_t item) {
  v1::Episode episode;
  episode.set_id(operation.memory_id);
  episode.set_what(operation.texts[item]);
  if (operation.id % 4 == 0) {
    for (int i = 0; i < 4; ++i) {
      episode.add_embedding(static_cast<float>((operation.id >> i) % 7) + 0.5f);
    }
  }
  return episode;
}

v1::WriteOptions OptionsOf(const Operation& operation) {
  v1::WriteOptions options;
  options.set_durability(operation.asked);
  options.set_idempotency_key(operation.key);
  if (operation.create_only) options.set_create_only(true);
  return options;
}

using Answer = std::function<void(const Status&, const v1::WriteResult&, std::vector<Written>)>;

void Remember(space::Space& space, const Operation& operation, const Answer& answer) {
  const std::string text = operation.texts[0];
  space.Remember(EpisodeOf(operation, 0), OptionsOf(operation),
                 [answer, text](Result<v1::RememberResponse> reply) {
                   if (!reply.ok()) return answer(reply.status(), {}, {});
                   answer(OkStatus(), reply->write(),
                          {WrittenOf(reply->write(), reply->memory_id(), text)});
                 });
}

void Batch(space::Space& space, const Operation& operation, const Answer& answer) {
  v1::RememberBatchRequest request;
  for (size_t i = 0; i < operation.texts.size(); ++i) {
    *request.add_episodes() = EpisodeOf(operation, i);
    request.mutable_episodes(static_cast<int>(i))->clear_id();
  }
  request.set_atomic(operation.id % 2 == 0);
  *request.mutable_options() = OptionsOf(operation);
  space.RememberBatch(request, [answer, texts = operation.texts](auto reply) {
    if (!reply.ok()) return answer(reply.status(), {}, {});
    std::vector<Written> written;
    for (size_t i = 0; i < texts.size(); ++i) {
      const v1::RememberResponse& item = reply->results(static_cast<int>(i));
      if (item.has_error()) {
        return answer(Status(Reason::COMMIT_UNKNOWN, item.error().reason()), {}, {});
      }
      written.push_back(WrittenOf(item.write(), item.memory_id(), texts[i]));
    }
    answer(OkStatus(), reply->write(), std::move(written));
  });
}

void Update(space::Space& space, const Operation& operation, const Answer& answer) {
  v1::UpdateRequest request;
  request.mutable_episode()->set_id(operation.memory_id);
  request.mutable_episode()->set_what(operation.texts[0]);
  request.mutable_update_mask()->add_paths("what");
  *request.mutable_options() = OptionsOf(operation);
  space.Update(request, [answer, operation](Result<v1::UpdateResponse> reply) {
    if (!reply.ok()) return answer(reply.status(), {}, {});
    answer(OkStatus(), reply->write(),
           {WrittenOf(reply->write(), operation.memory_id, operation.texts[0])});
  });
}

void Delete(space::Space& space, const Operation& operation, const Answer& answer) {
  space::ForgetCommand command;
  command.ids = {operation.memory_id};
  command.mode = v1::FORGET_MODE_DELETE;
  command.reason = operation.texts[0];
  command.options = OptionsOf(operation);
  command.request_digest = operation.id;
  space.Forget(command, [answer, operation](Result<v1::ForgetResponse> reply) {
    if (!reply.ok()) return answer(reply.status(), {}, {});
    answer(OkStatus(), reply->write(),
           {WrittenOf(reply->write(), operation.memory_id, operation.texts[0])});
  });
}

}  // namespace

// Opening a failed log again waits for what is on its way, which on one thread has to run first.
void Workload::MakeWay(size_t place, const std::string& name) {
  bool failed = false;
  for (const auto& space : world_.node(place).spaces().Opened()) {
    failed = failed || (space->id() == name && space->NeedsReopening());
  }
  if (failed) world_.scheduler().Drain(static_cast<Owner>(place));
}

void Workload::Call(size_t place, Operation* operation, Answer answer) {
  MakeWay(place, operation->space);
  const auto space = world_.node(place).spaces().Get(operation->space);
  if (!space.ok()) return answer(space.status(), {}, {});
  switch (operation->kind) {
    case Operation::Kind::kRemember:
      return Remember(**space, *operation, answer);
    case Operation::Kind::kBatch:
      return Batch(**space, *operation, answer);
    case Operation::Kind::kUpdate:
      return Update(**space, *operation, answer);
    case Operation::Kind::kDelete:
      return Delete(**space, *operation, answer);
  }
}

void Workload::ReadAt(size_t place, Reading reading) {
  MakeWay(place, reading.space);
  const auto space = world_.node(place).spaces().Get(reading.space);
  if (!space.ok()) return;
  auto view = reading.token_of == nullptr
                  ? (*space)->NewView()
                  : (*space)->NewViewAtLeast(reading.token_of->token, Duration(0));
  reading.place = place;
  reading.write_lost = !view.ok() && view.status().reason() == Reason::WRITE_LOST;
  if (!view.ok() && !reading.write_lost) return;
  if (view.ok()) {
    reading.visible = {(*view)->epoch(), (*view)->visible_through()};
    const auto found = (*view)->FindId(reading.id);
    if (!found.ok()) return;
    reading.found = found->has_value();
    if (reading.found) {
      reading.version = (*found)->version;
      if ((*found)->row.has_value()) {
        reading.content = (*view)->row(*(*found)->row).content;
        const auto record = (*view)->Load(*(*found)->row);
        if (!record.ok()) return;
        reading.text = record->episode().what();
      }
    }
  }
  history_.readings.push_back(reading);
  if (on_read) on_read(reading);
}

}  // namespace engram::sim
