#include "engram/rpc/fetch.h"

#include <chrono>

#include "engram/internal/v1/replication.grpc.pb.h"
#include "engram/rpc/codec.h"
#include "engram/rpc/errors.h"

namespace engram::rpc {
namespace {

constexpr int kThreads = 2;
constexpr auto kAnswerWithin = std::chrono::seconds(10);

Status TooMuch(uint64_t limit) {
  return Status(Reason::TOO_LARGE, "The answer to a fetch is larger than what it is for.")
      .Expected("at most " + std::to_string(limit) + " bytes")
      .With("limit", limit);
}

Status Unfinished() {
  return Status(Reason::UNSUPPORTED_VERSION, "The answer to a fetch ends without floors.")
      .Expected("a last message that says which floors the log has")
      .Suggest("run the same version of engram on every node");
}

}  // namespace

Fetcher::Fetcher() : executor_(env::MakeThreadPool("replication-fetch", kThreads)) {}

Fetcher::~Fetcher() {
  Stop();
}

void Fetcher::Ask(Question question, Done done) {
  MutexLock lock(mutex_);
  if (stopped_) return;
  executor_->Post([this, question = std::move(question), done = std::move(done)] {
    Result<runtime::FetchAnswer> answer = Run(question);
    {
      MutexLock lock(mutex_);
      if (stopped_) return;
    }
    done(answer.ok() ? std::move(answer)
                     : Result<runtime::FetchAnswer>(answer.status().Annotate(question.node)));
  });
}

void Fetcher::Stop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    for (grpc::ClientContext* context : live_) context->TryCancel();
  }
  executor_.reset();
}

Result<runtime::FetchAnswer> Fetcher::Run(const Question& question) {
  grpc::ClientContext context;
  const auto mebibytes = static_cast<int64_t>(question.bytes_max >> 20);
  context.set_deadline(std::chrono::system_clock::now() + kAnswerWithin +
                       std::chrono::seconds(mebibytes));
  {
    MutexLock lock(mutex_);
    if (stopped_) return Status(Reason::SHUTTING_DOWN, "The node stops.");
    live_.insert(&context);
  }
  pb::FetchRequest request;
  request.set_space(question.call.space);
  request.set_incarnation(IdBytes(question.call.incarnation));
  request.set_first(question.call.first.value());
  request.set_last(question.call.last.value());
  request.set_cluster(question.cluster);
  const auto stub = pb::ReplicationService::NewStub(question.channel);
  const auto stream = stub->Fetch(&context, request);
  runtime::FetchAnswer answer;
  bool last = false, too_much = false;
  for (pb::FetchResponse part; !last && stream->Read(&part);) {
    too_much = too_much || answer.records.size() + part.records().size() > question.bytes_max;
    if (too_much) break;
    answer.records += part.records();
    last = part.last();
    if (last) answer.floors = Decode(part.floors());
  }
  if (too_much) context.TryCancel();
  const grpc::Status status = stream->Finish();
  {
    MutexLock lock(mutex_);
    live_.erase(&context);
  }
  if (too_much) return TooMuch(question.bytes_max);
  if (!status.ok()) return FromGrpc(status);
  if (!last) return Unfinished();
  return answer;
}

}  // namespace engram::rpc
