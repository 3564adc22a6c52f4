#include "engram/env/memory_pages.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace engram::env {
namespace {

// Enough to catch a recovery that trusts a page in between; memory stays bounded.
constexpr size_t kVersionsMax = 6;
constexpr size_t kLengthsMax = 32;

}  // namespace

size_t MemoryPages::Read(uint64_t offset, char* out, size_t size) const {
  if (offset >= this->size()) return 0;
  size = static_cast<size_t>(std::min<uint64_t>(size, this->size() - offset));
  for (size_t done = 0; done < size;) {
    const uint64_t begin = (offset + done) % kPageSize;
    const size_t count = std::min<size_t>(size - done, kPageSize - begin);
    const auto page = pages_.find((offset + done) / kPageSize);
    if (page == pages_.end() || page->second.versions.back().bytes == nullptr) {
      std::memset(out + done, 0, count);
    } else {
      std::memcpy(out + done, page->second.versions.back().bytes->data() + begin, count);
    }
    done += count;
  }
  return size;
}

void MemoryPages::Write(uint64_t offset, ByteView data) {
  while (!data.empty()) {
    const uint64_t begin = offset % kPageSize;
    const size_t count = std::min<size_t>(data.size(), kPageSize - begin);
    // The length grows page by page: a power cut may leave it at any edge.
    if (offset + count > size()) PushLength(offset + count);
    WritePage(offset / kPageSize, begin, data.substr(0, count));
    offset += count;
    data.remove_prefix(count);
  }
}

void MemoryPages::WritePage(uint64_t index, uint64_t begin, ByteView data) {
  Page& page = pages_[index];
  const Bytes& now = page.versions.back().bytes;
  auto bytes = now ? std::make_shared<std::array<char, kPageSize>>(*now)
                   : std::make_shared<std::array<char, kPageSize>>();
  std::memcpy(bytes->data() + begin, data.data(), data.size());
  Push(&page, Version{std::move(bytes), generation_, false});
}

void MemoryPages::Push(Page* page, Version version) {
  page->abandoned = false;
  page->versions.push_back(std::move(version));
  if (page->versions.size() <= kVersionsMax) return;
  for (size_t i = 1; i + 1 < page->versions.size(); ++i) {
    if (page->versions[i].cut) continue;
    page->versions.erase(page->versions.begin() + static_cast<ptrdiff_t>(i));
    return;
  }
}

void MemoryPages::PushLength(uint64_t size) {
  lengths_.push_back(Length{size, generation_});
  if (lengths_.size() <= kLengthsMax) return;
  for (size_t i = 1; i + 1 < lengths_.size(); ++i) {
    // The first length of a generation stays: without it the truncation could not have survived.
    if (lengths_[i].generation != lengths_[i - 1].generation) continue;
    lengths_.erase(lengths_.begin() + static_cast<ptrdiff_t>(i));
    return;
  }
}

void MemoryPages::Resize(uint64_t size) {
  if (size == this->size()) return;
  if (size < this->size()) {
    ++generation_;
    CutPagesAbove(size);
  }
  PushLength(size);
}

void MemoryPages::CutPagesAbove(uint64_t size) {
  const uint64_t kept = size % kPageSize;
  for (auto it = pages_.lower_bound(size / kPageSize); it != pages_.end(); ++it) {
    const Bytes& now = it->second.versions.back().bytes;
    Bytes rest;
    if (now && kept != 0 && it->first == size / kPageSize) {
      auto bytes = std::make_shared<std::array<char, kPageSize>>(*now);
      std::fill(bytes->begin() + static_cast<ptrdiff_t>(kept), bytes->end(), '\0');
      rest = std::move(bytes);
    }
    Push(&it->second, Version{std::move(rest), generation_, true});
  }
}

void MemoryPages::Sync() {
  lengths_ = {Length{size(), 0}};
  generation_ = 0;
  for (auto it = pages_.begin(); it != pages_.end();) {
    Page& page = it->second;
    if (page.abandoned) {
      for (Version& version : page.versions) version.generation = 0;
    } else if (page.versions.size() > 1) {
      page.versions = {Version{std::move(page.versions.back().bytes), 0, false}};
    }
    const bool zeros = page.versions.size() == 1 && page.versions[0].bytes == nullptr;
    it = zeros ? pages_.erase(it) : std::next(it);
  }
}

void MemoryPages::Abandon() {
  for (auto& [index, page] : pages_) {
    if (page.versions.size() > 1) page.abandoned = true;
  }
}

MemoryPages MemoryPages::Crash(const std::string& path, const ChooseFn& choose) const {
  MemoryPages left;
  size_t length = 0;
  if (lengths_.size() > 1) {
    length = choose(Unsynced{Unsynced::Kind::kLength, path, 0, lengths_.size()}).version;
  }
  const Length& kept = lengths_.at(length);
  left.lengths_ = {Length{kept.size, 0}};
  for (const auto& [index, page] : pages_) {
    if (index * kPageSize >= kept.size) break;
    Unsynced question{Unsynced::Kind::kPage, path, index * kPageSize, 0};
    Bytes bytes = CrashPage(page, kept.generation, std::move(question), choose);
    if (bytes) left.pages_[index].versions = {Version{std::move(bytes), 0, false}};
  }
  // Bytes beyond the length are zeros, should the file grow again.
  left.CutPagesAbove(kept.size);
  left.Sync();
  return left;
}

MemoryPages::Bytes MemoryPages::CrashPage(const Page& page, uint64_t generation, Unsynced question,
                                          const ChooseFn& choose) {
  std::vector<Bytes> candidates;
  for (const Version& version : page.versions) {
    if (version.generation > generation) break;
    if (version.cut) candidates.clear();
    candidates.push_back(version.bytes);
  }
  if (candidates.size() == 1) return candidates[0];
  question.versions = candidates.size();
  const Survival left = choose(question);
  if (left.sectors == 0xff) return candidates.at(left.version);
  auto torn = std::make_shared<std::array<char, kPageSize>>();
  for (uint64_t sector = 0; sector < kPageSize / kSectorSize; ++sector) {
    const bool newer = (left.sectors >> sector & 1) != 0;
    const Bytes& from = newer ? candidates.at(left.version) : candidates[0];
    if (!from) continue;
    const uint64_t at = sector * kSectorSize;
    std::memcpy(torn->data() + at, from->data() + at, kSectorSize);
  }
  return torn;
}

}  // namespace engram::env
