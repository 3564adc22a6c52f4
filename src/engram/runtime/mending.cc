#include "engram/runtime/mending.h"

#include "engram/runtime/mending_case.h"

namespace engram::runtime {

Mending::Mending(MendingContext context) : context_(std::move(context)) {}

Mending::~Mending() {
  Stop();
}

void Mending::Start(space::Registry& registry) {
  std::vector<std::pair<std::string, Status>> early;
  {
    MutexLock lock(mutex_);
    registry_ = &registry;
    early.swap(early_);
  }
  for (const auto& [space, why] : early) Tell(space, why);
}

void Mending::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  for (const auto& [space, one] : cases_) one->Stop();
}

std::shared_ptr<MendingCase> Mending::CaseOf(const std::string& space) {
  std::shared_ptr<MendingCase>& one = cases_[space];
  if (one == nullptr) one = std::make_shared<MendingCase>(context_, *registry_, space);
  return one;
}

std::shared_ptr<MendingCase> Mending::Find(const std::string& space) const {
  MutexLock lock(mutex_);
  const auto it = cases_.find(space);
  return it == cases_.end() ? nullptr : it->second;
}

std::vector<std::shared_ptr<MendingCase>> Mending::Cases() const {
  std::vector<std::shared_ptr<MendingCase>> all;
  MutexLock lock(mutex_);
  if (stopped_) return all;
  for (const auto& [space, one] : cases_) all.push_back(one);
  return all;
}

// Under the lock, so that nothing is posted to an executor that ends.
void Mending::Tell(const std::string& space, const Status& why) {
  MutexLock lock(mutex_);
  if (stopped_) return;
  if (registry_ == nullptr) return early_.emplace_back(space, why), void();
  CaseOf(space)->Tell(why);
}

void Mending::TellDigestDiffers(const std::string& space, Sequence first, Sequence last) {
  MutexLock lock(mutex_);
  if (stopped_ || registry_ == nullptr) return;
  CaseOf(space)->TellDigestDiffers({first, last});
}

void Mending::OnPeerUp(size_t peer) {
  for (const auto& one : Cases()) one->OnPeer(peer, true);
}

void Mending::OnPeerDown(size_t peer) {
  for (const auto& one : Cases()) one->OnPeer(peer, false);
}

void Mending::Forget(const std::string& space) {
  MutexLock lock(mutex_);
  const auto it = cases_.find(space);
  if (it == cases_.end()) return;
  it->second->Stop();
  cases_.erase(it);
}

bool Mending::Busy(const std::string& space) const {
  const auto one = Find(space);
  return one != nullptr && one->busy();
}

std::optional<Status> Mending::KnownDamage(const std::string& space) const {
  const auto one = Find(space);
  return one == nullptr ? std::nullopt : one->KnownDamage();
}

std::vector<DamagedRange> Mending::DamageOf(const std::string& space) const {
  const auto one = Find(space);
  return one == nullptr ? std::vector<DamagedRange>() : one->Describe();
}

std::vector<std::string> Mending::Spaces() const {
  std::vector<std::string> spaces;
  MutexLock lock(mutex_);
  for (const auto& [space, one] : cases_) spaces.push_back(space);
  return spaces;
}

uint64_t Mending::mended_entries(const std::string& space) const {
  const auto one = Find(space);
  return one == nullptr ? 0 : one->mended_entries();
}

}  // namespace engram::runtime
