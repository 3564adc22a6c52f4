// Introspect: what `engram status` shows.
#include <cstdlib>
#include <string_view>

#include "engram/api/admin.h"
#include "engram/api/replica_state.h"
#include "engram/api/request_checks.h"
#include "engram/api/service_impl.h"
#include "engram/runtime/replication.h"

namespace engram::api {
namespace {

// With no more spaces than this, a question about all of them opens those that are closed.
constexpr size_t kSpacesOpened = 64;
constexpr size_t kSpacesShown = 1000;

// Series of the text exposition whose name, with or without labels, is asked for.
void PickMetrics(std::string_view exposition, const v1::IntrospectRequest& request,
                 v1::IntrospectResponse* response) {
  while (!exposition.empty()) {
    const size_t newline = exposition.find('\n');
    const std::string_view line = exposition.substr(0, newline);
    exposition.remove_prefix(newline == std::string_view::npos ? exposition.size() : newline + 1);
    const size_t space = line.rfind(' ');
    if (line.starts_with('#') || space == std::string_view::npos) continue;
    const std::string_view series = line.substr(0, space);
    const std::string_view name = series.substr(0, series.find('{'));
    for (const std::string& asked : request.metrics()) {
      if (asked != name && asked != series) continue;
      const std::string value(line.substr(space + 1));
      (*response->mutable_metrics())[std::string(series)] = std::strtof(value.c_str(), nullptr);
    }
  }
}

// Its place among the configured nodes.
void FillPlace(runtime::Replication* replication, v1::NodeInfo* info) {
  info->set_mode(ModeOf(replication));
  info->set_nodes(1);
  if (replication == nullptr) return;
  const runtime::ReplicationOptions& options = replication->options();
  info->set_nodes(static_cast<uint32_t>(options.nodes.size()));
  const runtime::NodeAddress& me = options.nodes[options.me];
  info->set_grpc(me.grpc);
  info->set_http(me.http);
  info->set_replication(me.replication);
}

// What is damaged, and what is done about it, instead of what the log met first.
void FillDamage(runtime::Node& node, v1::Space* space) {
  std::string text;
  for (const runtime::DamagedRange& range : node.mending().DamageOf(space->id())) {
    text += (text.empty() ? "" : "; ") + InWords(ToProto(range));
  }
  if (!text.empty()) space->mutable_status()->set_state_reason("damaged: " + text);
}

void AddHealth(v1::IntrospectResponse* response) {
  v1::HealthStatus* health = response->mutable_health();
  health->set_healthy(true);
  int bad = 0;
  for (const v1::Space& space : response->spaces()) {
    if (!space.has_status()) continue;
    const bool fine = space.status().state() == "ok";
    v1::ComponentHealth& component = (*health->mutable_components())["space/" + space.id()];
    component.set_operational(fine);
    component.set_performance(fine ? 1.0f : 0.0f);
    component.set_status_message(space.status().state_reason());
    bad += fine ? 0 : 1;
  }
  health->set_healthy(bad == 0);
  health->set_summary(bad == 0
                          ? "all is well"
                          : std::to_string(bad) + " of " + std::to_string(response->spaces_size()) +
                                " spaces are not ok");
}

}  // namespace

// A space that cannot be opened is shown with the reason, not left out.
v1::Space ServiceImpl::DescribeById(const std::string& id) {
  Result<SpacePtr> space = node_.spaces().Get(id);
  if (space.ok()) return Describe(**space);
  v1::Space described;
  described.set_id(id);
  described.mutable_status()->set_state(
      InfoOf(space.status().reason()).code == Code::DATA_LOSS ? "corrupt" : "recovering");
  described.mutable_status()->set_state_reason(space.status().message());
  return described;
}

Result<v1::IntrospectResponse> ServiceImpl::Inspect(const std::string& only,
                                                    const v1::IntrospectRequest& request) {
  v1::IntrospectResponse response;
  *response.mutable_node() = node_.Info();
  FillPlace(node_.replication(), response.mutable_node());
  const bool open_all = node_.spaces().known() <= kSpacesOpened;
  std::vector<std::string> ids = {only};
  if (only.empty()) ids = node_.spaces().Ids("", "", kSpacesShown);
  if (!only.empty() && !node_.spaces().Exists(only)) return node_.spaces().Get(only).status();
  auto* total = request.include_statistics() ? response.mutable_statistics() : nullptr;
  for (const std::string& id : ids) {
    const SpacePtr open = node_.spaces().FindOpen(id);
    v1::Space* space = response.add_spaces();
    space->set_id(id);
    if (open != nullptr) {
      *space = Describe(*open);
    } else if (open_all || !only.empty()) {
      *space = DescribeById(id);
    }
    if (space->has_status()) FillDamage(node_, space);
    if (total == nullptr || !space->has_status()) continue;
    total->set_total_memories(total->total_memories() +
                              static_cast<int64_t>(space->status().episodes()));
    const SpacePtr now_open = node_.spaces().FindOpen(id);
    if (now_open == nullptr) continue;
    for (const auto& [type, count] : now_open->CountsByType()) {
      (*total->mutable_by_type())[type] += count;
    }
  }
  if (request.include_health()) AddHealth(&response);
  if (!request.metrics().empty()) PickMetrics(node_.ExposeMetrics(), request, &response);
  return response;
}

void ServiceImpl::Introspect(const CallContext& context, v1::IntrospectRequest request,
                             Reply<v1::IntrospectResponse> done) {
  auto reply = Begin("Introspect", context, std::move(done));
  if (!reply) return;
  const bool named = !request.memory_space_id().empty() || !context.space_header.empty() ||
                     !context.space_header_short.empty();
  const Result<std::string> id = ResolveSpace(context, request.memory_space_id());
  if (!id.ok()) return (*reply)(id.status());
  OnReader(context, std::move(*reply),
           [this, only = named ? *id : std::string(), request = std::move(request)](
               const Reply<v1::IntrospectResponse>& answer) { answer(Inspect(only, request)); });
}

}  // namespace engram::api
