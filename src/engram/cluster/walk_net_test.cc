// The little cluster of walk_kit.h: messages, writes, and checks that every walk makes.
#include <algorithm>

#include "engram/cluster/walk_kit.h"

namespace engram::cluster::walk {

using replication::Answer;
using replication::Ask;
using replication::Message;
using replication::Open;

const char* NameOf(const replication::Body& body) {
  static const char* const kNames[] = {"Open", "Entries", "Confirm",   "Joined", "Ack",
                                       "Gap",  "Refused", "Confirmed", "Ask",    "Answer"};
  return body.index() < std::size(kNames) ? kNames[body.index()] : "?";
}

void World::Append(size_t n) {
  if (!Leads(n) || nodes_[n].held) return;
  Disk& disk = nodes_[n].disk;
  Push(n, nodes_[n].copy->epoch(), ++values_, nullptr);
  Note("append", n, disk.log.size());
  OnAppended(n);
  Step(n, Moved(n));
}

void World::Sync(size_t n) {
  Node& node = nodes_[n];
  if (!node.alive || node.copy == nullptr) return;
  node.disk.synced = node.disk.log.size();
  // The mark that a sync writes says how far commit was.
  if (prng_.OneIn(2)) {
    node.disk.commit_hint = node.copy->commit();
    node.disk.replicated_hint = node.copy->replicated_end();
  }
  Step(n, Moved(n));
}

void World::Deliver() {
  if (bag_.empty()) return;
  const size_t i = prng_.OneIn(3) ? prng_.Below(bag_.size()) : 0;
  const Packet packet = bag_[i];
  const bool twice = !calm_ && prng_.OneIn(12);
  if (!twice || bag_.size() > 100) bag_.erase(bag_.begin() + static_cast<ptrdiff_t>(i));
  if (!calm_ && prng_.OneIn(12)) return;  // lost
  Arrive(packet);
}

void World::DeliverAll(size_t most) {
  for (size_t i = 0; i < most && !bag_.empty(); ++i) {
    const Packet packet = std::move(bag_.front());
    bag_.erase(bag_.begin());
    Arrive(packet);
  }
}

void World::Arrive(const Packet& packet) {
  if (cut_[packet.from][packet.to] || !nodes_[packet.to].alive) return;
  Node& node = nodes_[packet.to];
  // What a connection to another life of the sender said ended with it.
  if (!(packet.message.stamp.sender == nodes_[packet.from].disk.node)) {
    if (node.copy == nullptr) return;
  }
  if (node.copy == nullptr) {
    if (std::holds_alternative<Ask>(packet.message.body)) return AnswerWithoutSpace(packet);
    if (!std::holds_alternative<Open>(packet.message.body)) return;
    StartSpace(packet.to, packet.message.stamp.space);
  }
  if (options_.trace) {
    Note("deliver", packet.from, "->", packet.to, NameOf(packet.message.body),
         Text(packet.message.stamp.epoch));
  }
  heard_ = packet.from;
  Step(packet.to, Received{packet.from, packet.message});
}

// A node that has no copy has nothing to promise for.
void World::AnswerWithoutSpace(const Packet& packet) {
  const auto& ask = std::get<Ask>(packet.message.body);
  Answer answer;
  answer.round = ask.round;
  answer.granted = answer.fit = true;
  answer.promised = packet.message.stamp.epoch;
  replication::Stamp stamp = packet.message.stamp;
  stamp.sender = nodes_[packet.to].disk.node;
  if (nodes_[packet.to].sees[packet.from] == 0) return;
  bag_.push_back({packet.to, packet.from, {stamp, answer}});
}

void World::Calm(size_t rounds) {
  calm_ = true;
  for (size_t round = 0; round < rounds && violation_.empty(); ++round) {
    for (size_t n = 0; n < count(); ++n) {
      for (size_t peer = 0; peer < count(); ++peer) {
        Notice(n, peer);
        if (nodes_[n].blocked[peer]) {
          nodes_[n].blocked[peer] = false;
          Step(n, Writable{peer});
        }
      }
      Sync(n);
      Step(n, Tick{});
    }
    DeliverAll(200);
    now_ = now_ + std::chrono::milliseconds(150);
  }
  calm_ = false;
}

// How all stand, for the trace.
void World::Describe() {
  for (size_t n = 0; n < count(); ++n) {
    const Disk& disk = nodes_[n].disk;
    Note("n", n, nodes_[n].alive ? "" : "dead", "end", disk.log.size(), "promised",
         Text(disk.promised));
    if (nodes_[n].copy == nullptr) continue;
    const Copy& copy = *nodes_[n].copy;
    Note("  commit", copy.commit().value(), copy.replicated_end().value(), "role",
         static_cast<int>(copy.role()), "alarm", copy.alarm());
    for (const SpaceRecord& record : copy.log().records) {
      Note("  record", Text(record.epoch), record.at.value(), record.primary.node,
           Text(record.in_sync), Text(record.voters), record.loss_after.has_value() ? "loss" : "");
    }
  }
}

// Equal epoch at an equal place means an equal history up to there.
void World::CheckLogs() {
  for (size_t a = 0; a < count(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      const Disk &x = nodes_[a].disk, &y = nodes_[b].disk;
      if (x.space != y.space) continue;
      for (size_t i = std::min(x.log.size(), y.log.size()); i > 0; --i) {
        if (At(x.log, i).epoch != At(y.log, i).epoch) continue;
        if (At(x.log, i).chain != At(y.log, i).chain) Fail("log matching");
        break;
      }
    }
  }
}

}  // namespace engram::cluster::walk
