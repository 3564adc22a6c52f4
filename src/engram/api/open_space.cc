#include "engram/api/open_space.h"

#include "engram/runtime/node.h"

namespace engram::api {
namespace {

uint64_t Ms(Duration duration) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

std::string WhyStale(const Freshness& freshness, Duration behind) {
  const space::CopyState& copy = freshness.copy;
  if (!copy.connected || copy.primary_node.empty()) {
    return "This replica is cut off from its primary.";
  }
  if (freshness.unheard.value_or(behind) >= behind) {
    return "This replica has heard nothing of its primary, " + copy.primary_node + ", for " +
           std::to_string(Ms(behind)) + " ms.";
  }
  return "This replica is " + std::to_string(Ms(behind)) + " ms behind its primary, " +
         copy.primary_node + ".";
}

}  // namespace

Result<std::shared_ptr<space::Space>> OpenSpace(runtime::Node& node, const std::string& id) {
  Result<std::shared_ptr<space::Space>> space = node.spaces().Get(id);
  const bool missing = !space.ok() && space.status().reason() == Reason::SPACE_NOT_FOUND;
  if (!missing || id != "default" || node.replication() == nullptr) return space;
  const std::string waiting = node.WaitingFor();
  return Status(Reason::RECOVERING, "The space 'default' is not made yet.")
      .Expected("its first primary to hear from every configured node that none has it")
      .Suggest(waiting.empty() ? "try again in a moment" : "start " + waiting)
      .With("space", id)
      .With("retry_after_ms", uint64_t{100});
}

Status CheckStaleness(const Freshness& freshness, const google::protobuf::Duration& at_most) {
  const Duration asked =
      std::chrono::seconds(at_most.seconds()) + std::chrono::nanoseconds(at_most.nanos());
  if (asked < Duration::zero()) {
    return Status(Reason::INVALID_REQUEST, "max_staleness is negative.")
        .Expected("a duration such as 5s")
        .With("field", "read.max_staleness");
  }
  const space::CopyState& copy = freshness.copy;
  if (copy.primary) return OkStatus();
  const Duration lag = copy.behind.value_or(Duration::zero());
  const Duration behind = std::max(lag, freshness.unheard.value_or(lag));
  if (copy.connected && freshness.unheard.has_value() && behind <= asked) return OkStatus();
  const bool elsewhere = !freshness.primary_grpc.empty();
  Status stale = Status(Reason::TOO_STALE, WhyStale(freshness, behind))
                     .Expected("a copy that shows all that was committed " +
                               std::to_string(Ms(asked)) + " ms ago")
                     .Suggest((elsewhere ? "ask the primary at " + freshness.primary_grpc
                               : freshness.led_last.empty()
                                   ? "ask another node"
                                   : "ask " + freshness.led_last + ", which led it last") +
                              ", or allow more")
                     .With("visible_through", freshness.visible.value())
                     .With("behind_ms", Ms(behind))
                     .With("connected", copy.connected ? "true" : "false");
  if (!elsewhere) return stale;
  return std::move(stale)
      .With("primary", copy.primary_node)
      .With("primary_grpc", freshness.primary_grpc)
      .With("primary_http", freshness.primary_http);
}

Status CheckFresh(runtime::Node& node, space::Space& space,
                  const google::protobuf::Duration& at_most) {
  // How the copy stands is asked before what it shows, which only rises.
  Freshness freshness;
  freshness.copy = space.copy_state();
  freshness.visible = space.visible().sequence;
  if (freshness.copy.primary || node.replication() == nullptr) {
    return CheckStaleness(freshness, at_most);
  }
  std::string led_last;
  if (freshness.copy.primary_node.empty()) {
    const Result<runtime::SpaceState> state = node.replication()->StateOf(space.id());
    if (state.ok() && state->record.has_value()) led_last = state->record->primary.node;
  }
  const Instant now = node.clock().Now();
  for (const auto& [address, peer] : node.replication()->Nodes()) {
    if (address.name == led_last && led_last != node.name()) {
      freshness.led_last = address.name + " at " + address.grpc;
    }
    if (address.name != freshness.copy.primary_node) continue;
    freshness.primary_grpc = address.grpc;
    freshness.primary_http = address.http;
    if (peer.last_contact.ns != 0) {
      freshness.unheard = std::max(Duration::zero(), now - peer.last_contact);
    }
  }
  return CheckStaleness(freshness, at_most);
}

}  // namespace engram::api
