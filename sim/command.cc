#include "sim/command.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "sim/run.h"

namespace engram::sim {

using replication::Mutant;

namespace {

struct Named {
  const char* name;
  Mutant mutant;
};
constexpr Named kMutants[] = {
    {"resume-epoch", Mutant::kResumeEpoch},
    {"grow-without-counting", Mutant::kGrowWithoutCounting},
    {"grow-to-known-commit", Mutant::kGrowToKnownCommit},
    {"ignore-incarnations", Mutant::kIgnoreIncarnations},
    {"commit-by-majority", Mutant::kCommitByMajority},
    {"accept-lower-epoch", Mutant::kAcceptLowerEpoch},
    {"old-acks-count", Mutant::kOldAcksCount},
    {"ack-before-sync", Mutant::kAckBeforeSync},
    {"commit-counts-unsynced", Mutant::kCommitCountsUnsynced},
    {"record-on-primary-only", Mutant::kRecordOnPrimaryOnly},
    {"wiped-answers-count", Mutant::kWipedAnswersCount},
    {"ask-without-promise", Mutant::kAskWithoutPromise},
    {"no-majority", Mutant::kNoMajority},
    {"own-record", Mutant::kOwnRecord},
    {"shrink-by-timeout", Mutant::kShrinkByTimeout},
    {"create-without-asking", Mutant::kCreateWithoutAsking},
    {"plain-epochs", Mutant::kPlainEpochs},
    {"cut-below-commit", Mutant::kCutBelowCommit},
    {"set-of-all-answers", Mutant::kSetOfAllAnswers},
    {"lead-outside-set", Mutant::kLeadOutsideSet},
    {"lead-below-floor", Mutant::kLeadBelowFloor},
    {"start-committed-alone", Mutant::kStartCommittedAlone},
    {"no-stated-loss", Mutant::kNoStatedLoss},
    {"restart-states-no-loss", Mutant::kRestartStatesNoLoss},
    {"replicated-answered-at-commit", Mutant::kReplicatedAnsweredAtCommit},
    {"reply-before-commit", Mutant::kReplyBeforeCommit},
    {"keep-index", Mutant::kKeepIndex},
    {"loss-not-counted", Mutant::kLossNotCounted},
    {"fail-together", Mutant::kFailTogether},
    {"lag-zero-when-cut", Mutant::kLagZeroWhenCut},
    {"reconnect-unnoticed", Mutant::kReconnectUnnoticed},
    {"stale-flush-counts", Mutant::kStaleFlushCounts},
    {"poison-forgotten", Mutant::kPoisonForgotten},
    {"window-ignored", Mutant::kWindowIgnored},
    {"settle-by-reading", Mutant::kSettleByReading},
    {"serve-past-lease", Mutant::kServePastLease},
    {"lease-from-answer", Mutant::kLeaseFromAnswer},
};

// What runs of one kind took.
struct Pace {
  uint64_t runs = 0;
  double simulated = 0, processor = 0;  // seconds
  void Add(const Pace& other) {
    runs += other.runs, simulated += other.simulated, processor += other.processor;
  }
};

struct Tally {
  uint64_t runs = 0, failed = 0, operations = 0, acknowledged = 0, reads = 0;
  Pace busy, quiet;
  std::array<uint64_t, kProbes> seeds{};  // that walked each rare path
};

void RunOne(const CommandOptions& options, uint64_t seed, Tally* tally) {
  RunOptions run{.seed = seed,
                 .nodes = options.nodes,
                 .outside = options.outside,
                 .mutant = *MutantFromName(options.mutant),
                 .only = options.only,
                 .print = options.trace};
  const std::clock_t began = std::clock();
  const RunResult result = Run(run);
  const double took = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  (result.quiet ? tally->quiet : tally->busy).Add({1, result.seconds, took});
  ++tally->runs;
  tally->operations += result.operations;
  tally->acknowledged += result.acknowledged;
  tally->reads += result.reads;
  for (size_t i = 0; i < kProbes; ++i) tally->seeds[i] += result.visits[i] != 0;
  bool same = true;
  if (options.twice && result.ok()) {
    same = Run(run).trace_hash == result.trace_hash;
    if (!same) std::printf("seed %lu: two runs differ\n", seed);
  }
  if (!result.ok() || !same) ++tally->failed;
  if (!result.ok() && options.trace) {
    std::printf("seed %lu: %s: %s\n", seed, result.checker.c_str(), result.what.c_str());
  } else if (!result.ok() && options.first == options.last) {
    std::printf("%s", Report(result).c_str());
  } else if (!result.ok()) {
    std::printf("seed %lu: %s: %s\n  (%s)\n", seed, result.checker.c_str(), result.what.c_str(),
                result.plan.c_str());
  } else if (options.first == options.last) {
    std::printf("seed %lu: ok, %s\n", seed, result.plan.c_str());
  }
  std::fflush(stdout);
}

// Every `processes`-th seed from `first + offset` on.
Tally RunShare(const CommandOptions& options, int offset) {
  Tally tally;
  const auto step = static_cast<uint64_t>(options.processes);
  for (uint64_t seed = options.first + static_cast<uint64_t>(offset); seed <= options.last;
       seed += step) {
    RunOne(options, seed, &tally);
    if (offset == 0 && tally.runs % 50 == 0) {
      std::printf("… seed %lu of %lu\n", seed, options.last);
      std::fflush(stdout);
    }
  }
  return tally;
}

void Say(const char* kind, const Pace& pace) {
  std::printf("  %-6s %6lu runs, %8.0f s simulated in %6.1f s of one core: %5.0f a second\n", kind,
              pace.runs, pace.simulated, pace.processor,
              pace.processor > 0 ? pace.simulated / pace.processor : 0);
}

void Say(const Tally& tally) {
  std::printf("%lu runs, %lu failed; %lu operations (%lu acknowledged), %lu reads\n", tally.runs,
              tally.failed, tally.operations, tally.acknowledged, tally.reads);
  Pace all = tally.busy;
  all.Add(tally.quiet);
  Say("busy", tally.busy);
  Say("quiet", tally.quiet);
  Say("all", all);
  std::printf("seeds that walked each rare path:\n");
  for (size_t i = 0; i < kProbes; ++i) {
    const ProbeInfo& probe = InfoOf(static_cast<Probe>(i));
    std::printf("  %6lu  %-22s %s\n", tally.seeds[i], probe.name, probe.meaning);
  }
}

Tally RunInProcesses(const CommandOptions& options) {
  std::vector<std::array<int, 2>> pipes;
  for (int i = 0; i < options.processes; ++i) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) break;
    std::fflush(stdout);
    if (fork() == 0) {
      const Tally tally = RunShare(options, i);
      const bool told = write(ends[1], &tally, sizeof tally) == sizeof tally;
      _exit(told ? 0 : 1);
    }
    close(ends[1]);
    pipes.push_back(ends);
  }
  Tally sum;
  for (const auto& ends : pipes) {
    Tally tally;
    // A process that died has found something, too.
    if (read(ends[0], &tally, sizeof tally) != sizeof tally) tally = {.runs = 1, .failed = 1};
    close(ends[0]);
    sum.runs += tally.runs, sum.failed += tally.failed;
    sum.operations += tally.operations, sum.acknowledged += tally.acknowledged;
    sum.reads += tally.reads;
    sum.busy.Add(tally.busy), sum.quiet.Add(tally.quiet);
    for (size_t i = 0; i < kProbes; ++i) sum.seeds[i] += tally.seeds[i];
  }
  while (wait(nullptr) > 0) continue;
  return sum;
}

}  // namespace

std::optional<Mutant> MutantFromName(const std::string& name) {
  if (name.empty()) return Mutant::kNone;
  for (const Named& named : kMutants) {
    if (name == named.name) return named.mutant;
  }
  return std::nullopt;
}

int RunCommand(const CommandOptions& options) {
  if (!MutantFromName(options.mutant).has_value()) {
    std::printf("no rule of this name: %s\n", options.mutant.c_str());
    return 2;
  }
  const Tally tally =
      options.processes > 1 ? RunInProcesses(options) : RunShare(options, /*offset=*/0);
  if (options.first != options.last) Say(tally);
  return tally.failed == 0 ? 0 : 1;
}

}  // namespace engram::sim
