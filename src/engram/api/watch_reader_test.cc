// What a watch gives out: every kind of change, once, in order, from any token on; never what was
// deleted or cut off.
#include "engram/api/watch_reader.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/space/pair_kit.h"

namespace engram::api {
namespace {

using space::MakeEpisode;
using space::MakeForgetCommand;
using testing::ElementsAre;
using testing::IsEmpty;
using Change = v1::WatchResponse;
using Changes = std::vector<Change>;

WatchSource SourceOf(std::shared_ptr<space::Space>* space) {
  WatchSource source;
  source.open = [space]() -> Result<std::shared_ptr<space::Space>> { return *space; };
  source.peek = [space] { return *space; };
  source.exists = [] { return true; };
  return source;
}

// "stored a", in the order of the changes.
std::vector<std::string> Told(const Changes& changes) {
  constexpr const char* kKinds[] = {"?",        "stored",  "updated",  "suppressed",
                                    "restored", "deleted", "heartbeat"};
  std::vector<std::string> told;
  for (const Change& change : changes) {
    told.push_back(std::string(kKinds[change.kind()]) +
                   (change.memory_id().empty() ? "" : " " + change.memory_id()));
  }
  return told;
}

v1::WatchRequest From(const std::string& token, bool content = false) {
  v1::WatchRequest request;
  request.set_from_token(token);
  request.set_include_content(content);
  return request;
}

class WatchReaderTest : public testing::Test {
 protected:
  WatchReaderTest() {
    auto made = space::Space::Create(node_.environment, "notes", space::SmallVectors());
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    space_ = *made;
    start_ = space_->TokenOf(space_->visible());
  }

  std::string Remember(v1::Episode episode) {
    auto stored = space::Remember(*space_, std::move(episode));
    EXPECT_TRUE(stored.ok()) << stored.status().ToString();
    return stored.ok() ? stored->write().token() : "";
  }
  void Forget(const std::string& id, v1::ForgetMode mode) {
    EXPECT_TRUE(space::Forget(*space_, MakeForgetCommand(id, mode)).ok());
  }
  void Restore(const std::string& id) {
    v1::RestoreRequest request;
    request.add_ids(id);
    EXPECT_TRUE(space::Restore(*space_, request).ok());
  }
  // One of each kind, of memory a.
  void LiveALife() {
    Remember(MakeEpisode("a", "one"));
    Remember(MakeEpisode("a", "two"));
    v1::UpdateRequest update;
    update.mutable_episode()->set_id("a");
    update.mutable_episode()->set_importance(0.9f);
    update.mutable_update_mask()->add_paths("importance");
    EXPECT_TRUE(space::Update(*space_, update).ok());
    Forget("a", v1::FORGET_MODE_SUPPRESS);
    Restore("a");
    Forget("a", v1::FORGET_MODE_DELETE);
  }
  // Everything that is there now.
  static Result<Changes> Drain(WatchReader& reader) {
    Changes all;
    if (!reader.begun()) RETURN_IF_ERROR(reader.Begin());
    while (reader.HasNews()) {
      ASSIGN_OR_RETURN(Changes page, reader.Next());
      all.insert(all.end(), page.begin(), page.end());
    }
    return all;
  }
  Changes All(v1::WatchRequest request) {
    WatchReader reader(SourceOf(&space_), std::move(request));
    Result<Changes> all = Drain(reader);
    EXPECT_TRUE(all.ok()) << all.status().ToString();
    return all.ok() ? *all : Changes();
  }
  Status BeginError(const std::string& token) {
    return WatchReader(SourceOf(&space_), From(token)).Begin();
  }

  space::TestNode node_;
  std::shared_ptr<space::Space> space_;
  std::string start_;
};

TEST_F(WatchReaderTest, TellsEveryKindInOrder) {
  LiveALife();
  const Changes changes = All(From(start_));
  EXPECT_THAT(Told(changes), ElementsAre("stored a", "updated a", "updated a", "suppressed a",
                                         "restored a", "deleted a"));
  uint64_t before = 0;
  for (const Change& change : changes) {
    EXPECT_GT(change.sequence(), before);
    before = change.sequence();
    EXPECT_GT(change.stored_at().seconds(), 0);
    EXPECT_FALSE(change.has_episode());
    EXPECT_TRUE(space_->NewViewAtLeast(change.token(), {}).ok());  // a token as any other
  }
}

TEST_F(WatchReaderTest, GoesOnAfterEachToken) {
  v1::RememberBatchRequest batch;
  for (int i = 0; i < 5; ++i) *batch.add_episodes() = MakeEpisode("b" + std::to_string(i), "x");
  batch.set_atomic(true);
  ASSERT_TRUE(space::RememberBatch(*space_, batch).ok());
  LiveALife();
  space::ForgetCommand many;
  many.ids = {"b0", "b2", "b4", "b1"};  // four changes in one entry
  many.mode = v1::FORGET_MODE_DELETE;
  ASSERT_TRUE(space::Forget(*space_, many).ok());
  const std::vector<std::string> all = Told(All(From(start_)));
  ASSERT_EQ(all.size(), 15u);
  const Changes changes = All(From(start_));
  for (size_t i = 0; i < changes.size(); ++i) {
    const std::vector<std::string> rest(all.begin() + static_cast<ptrdiff_t>(i) + 1, all.end());
    EXPECT_EQ(Told(All(From(changes[i].token()))), rest) << "after " << all[i];
  }
}

TEST_F(WatchReaderTest, BeginsNowWithoutAToken) {
  Remember(MakeEpisode("before", "x"));
  WatchReader reader(SourceOf(&space_), {});
  const Result<Changes> first = Drain(reader);
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_THAT(Told(*first), ElementsAre("heartbeat"));
  Remember(MakeEpisode("after", "x"));
  EXPECT_THAT(Told(*Drain(reader)), ElementsAre("stored after"));
  EXPECT_THAT(Told(All(From(first->front().token()))), ElementsAre("stored after"));
  EXPECT_EQ(reader.Heartbeat().token(), space_->TokenOf(space_->visible()));
}

TEST_F(WatchReaderTest, FiltersByWhatTheMemoryIsOrWas) {
  for (const char* id : {"of-anna", "of-ben"}) {
    v1::Episode episode = MakeEpisode(id, "x");
    episode.add_who(id + 3);
    Remember(episode);
    Forget(id, v1::FORGET_MODE_SUPPRESS);
    Restore(id);
    Forget(id, v1::FORGET_MODE_DELETE);
  }
  v1::WatchRequest request = From(start_);
  request.mutable_filter()->mutable_who()->add_any_of("Anna");
  EXPECT_THAT(Told(All(request)), ElementsAre("stored of-anna", "suppressed of-anna",
                                              "restored of-anna", "deleted of-anna"));
  request.mutable_filter()->mutable_who()->set_any_of(0, "Carla");
  WatchReader reader(SourceOf(&space_), request);
  EXPECT_THAT(*Drain(reader), IsEmpty());
  EXPECT_EQ(reader.token(), space_->TokenOf(space_->visible()));  // it has come past them
  request.mutable_filter()->mutable_event_time()->set_text("last Tuesday");
  EXPECT_FALSE(WatchReader(SourceOf(&space_), request).Begin().ok());
}

TEST_F(WatchReaderTest, ShowsNoContentOfWhatIsDeletedByNow) {
  Remember(MakeEpisode("a", "secret one"));
  Remember(MakeEpisode("a", "secret two"));
  Remember(MakeEpisode("b", "open one"));
  Remember(MakeEpisode("b", "open two"));
  Forget("b", v1::FORGET_MODE_SUPPRESS);
  const auto contents = [&] {
    std::vector<std::string> found;
    for (const Change& change : All(From(start_, /*content=*/true))) {
      found.push_back(change.memory_id() + ": " +
                      (change.has_episode() ? change.episode().what() : "-"));
    }
    return found;
  };
  EXPECT_THAT(contents(), ElementsAre("a: secret one", "a: secret two", "b: open one",
                                      "b: open two", "b: open two"));
  Forget("a", v1::FORGET_MODE_DELETE);
  Remember(MakeEpisode("a", "a new life"));
  const auto expected = ElementsAre("a: -", "a: -", "b: open one", "b: open two", "b: open two",
                                    "a: -", "a: a new life");
  EXPECT_THAT(contents(), expected);
  ASSERT_TRUE(space_->WaitIndexed(std::chrono::seconds(30)));
  EXPECT_THAT(contents(), expected);
  ASSERT_TRUE(space_->Close().ok());  // rows of dead versions are not loaded again
  space_ = *space::Space::Open(node_.environment, "notes");
  EXPECT_THAT(contents(), expected);
}

TEST_F(WatchReaderTest, EpisodesAreWholeAndSayWhichVersion) {
  v1::Episode episode = MakeEpisode("a", "one");
  for (const float x : {1.f, 2.f, 3.f, 4.f}) episode.add_embedding(x);
  Remember(episode);
  Forget("a", v1::FORGET_MODE_SUPPRESS);
  const Changes changes = All(From(start_, /*content=*/true));
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].episode().embedding_size(), 4);
  EXPECT_EQ(changes[0].episode().stored().version(), 1u);
  EXPECT_EQ(changes[0].episode().stored().sequence(), changes[0].sequence());
  EXPECT_FALSE(changes[0].episode().stored().suppressed());
  EXPECT_EQ(changes[1].episode().stored().sequence(), changes[0].sequence());
  EXPECT_TRUE(changes[1].episode().stored().suppressed());
}

TEST_F(WatchReaderTest, PagesAreBounded) {
  const std::string large(100'000, 'x');
  for (int i = 0; i < 30; ++i) Remember(MakeEpisode("large" + std::to_string(i), large));
  v1::RememberBatchRequest batch;
  space::ForgetCommand many;
  for (int i = 0; i < 600; ++i) {
    many.ids.push_back("small" + std::to_string(i));
    *batch.add_episodes() = MakeEpisode(many.ids.back(), "x");
  }
  ASSERT_TRUE(space::RememberBatch(*space_, batch).ok());
  many.mode = v1::FORGET_MODE_DELETE;
  ASSERT_TRUE(space::Forget(*space_, many).ok());
  WatchReader reader(SourceOf(&space_), From(start_, /*content=*/true));
  ASSERT_TRUE(reader.Begin().ok());
  std::vector<std::string> ids;
  while (reader.HasNews()) {
    const Result<Changes> page = reader.Next();
    ASSERT_TRUE(page.ok()) << page.status().ToString();
    EXPECT_LE(page->size(), WatchReader::kPageChanges);
    size_t bytes = 0;
    for (const Change& change : *page) {
      bytes += change.ByteSizeLong();
      ids.push_back(change.memory_id());
    }
    EXPECT_LT(bytes, WatchReader::kPageBytes + large.size() + 1000);
  }
  ASSERT_EQ(ids.size(), 1230u);
  EXPECT_EQ(ids[629], "small599");
  EXPECT_EQ(ids[630], "small0");  // of the one entry that deleted them, over several pages
  EXPECT_EQ(ids[1229], "small599");
}

TEST_F(WatchReaderTest, RefusesTokensThatItCannotGoOnFrom) {
  EXPECT_EQ(BeginError("nonsense").reason(), Reason::INVALID_REQUEST);
  auto other = space::Space::Create(node_.environment, "other", space::SmallVectors());
  ASSERT_TRUE(other.ok());
  const std::string foreign = (*other)->TokenOf((*other)->visible());
  EXPECT_EQ(BeginError(foreign).reason(), Reason::TOKEN_FOREIGN);
  const std::string old = start_;
  Remember(MakeEpisode("a", "x"));
  wal::Log::Floors floors = space_->log().floors();
  floors.tombstone = space_->log().end();
  ASSERT_TRUE(space_->log().SetFloors(floors).ok());
  const Status too_old = BeginError(old);
  EXPECT_EQ(too_old.reason(), Reason::AS_OF_TOO_OLD);
  EXPECT_EQ(too_old.metadata().at("floor"), std::to_string(floors.tombstone.value()));
}

// Two copies of one space.
class WatchPairTest : public testing::Test {
 protected:
  WatchPairTest() {
    const Incarnation incarnation = env::MakeIncarnation(env::SystemEntropy());
    const auto& environment = a_.node->environment;
    a_.space =
        *space::Space::CreateFirst(environment, "notes", space::SmallVectors(), incarnation,
                                   Epoch(1), space::EpochStartPayload(environment, Epoch(1), {}));
    a_.committer.leads = true;
    b_.space = *space::Space::CreateCopy(b_.node->environment, "notes", incarnation);
  }
  std::string Write(space::PairCopy& copy, const std::string& id) {
    v1::WriteOptions options;
    options.set_durability(v1::DURABILITY_LOCAL);
    auto stored = space::Remember(*copy.space, MakeEpisode(id, "about " + id), options);
    EXPECT_TRUE(stored.ok()) << stored.status().ToString();
    return stored.ok() ? stored->write().token() : "";
  }
  void Agree(space::PairCopy& primary, space::PairCopy& replica) {
    while (primary.log().durable_end() < primary.log().end()) std::this_thread::yield();
    ASSERT_TRUE(space::Ship(primary.log(), replica.log(), 1000).ok());
    const Sequence end = primary.log().end();
    primary.space->CommitThrough(end, end, 2);
    replica.space->CommitThrough(end, end, 2);
    ASSERT_TRUE(replica.Settle());
  }
  static std::vector<std::string> Next(WatchReader& reader) {
    const Result<Changes> page = reader.Next();
    EXPECT_TRUE(page.ok()) << page.status().ToString();
    return page.ok() ? Told(*page) : std::vector<std::string>{"error"};
  }

  space::PairCopy a_, b_;
};

TEST_F(WatchPairTest, TellsWhatIsCommittedAndNothingElse) {
  Agree(a_, b_);
  WatchReader reader(SourceOf(&a_.space), From(a_.space->TokenOf(a_.space->visible())));
  ASSERT_TRUE(reader.Begin().ok());
  Write(a_, "x");
  EXPECT_FALSE(reader.HasNews());
  EXPECT_THAT(Next(reader), IsEmpty());
  Agree(a_, b_);
  EXPECT_TRUE(reader.HasNews());
  EXPECT_THAT(Next(reader), ElementsAre("stored x"));
}

TEST_F(WatchPairTest, AReplicaWaitsForATokenThatIsAheadOfIt) {
  Agree(a_, b_);
  const std::string token = Write(a_, "x");
  WatchReader reader(SourceOf(&b_.space), From(token));
  ASSERT_TRUE(reader.Begin().ok());
  EXPECT_FALSE(reader.HasNews());
  EXPECT_EQ(reader.Heartbeat().token(), token);
  Agree(a_, b_);
  EXPECT_THAT(Next(reader), IsEmpty());  // the token stands after x
  Write(a_, "y");
  Agree(a_, b_);
  EXPECT_THAT(Next(reader), ElementsAre("stored y"));
}

TEST_F(WatchPairTest, GoesOnAtTheOtherCopyAfterAFailover) {
  Agree(a_, b_);
  const std::string token = a_.space->TokenOf(a_.space->visible());
  Write(a_, "x");
  Agree(a_, b_);
  a_.Follow();
  b_.Lead(Epoch(2));
  Write(b_, "y");
  Agree(b_, a_);
  for (space::PairCopy* copy : {&a_, &b_}) {
    WatchReader reader(SourceOf(&copy->space), From(token));
    ASSERT_TRUE(reader.Begin().ok());
    EXPECT_THAT(Next(reader), ElementsAre("stored x", "stored y"));
  }
}

TEST_F(WatchPairTest, EndsWhereWhatItGaveOutWasCutOff) {
  Agree(a_, b_);
  WatchReader reader(SourceOf(&a_.space), From(a_.space->TokenOf(a_.space->visible())));
  ASSERT_TRUE(reader.Begin().ok());
  Write(a_, "x");
  Write(a_, "y");
  a_.space->CommitThrough(a_.log().end(), Sequence(2), 2);
  EXPECT_THAT(Next(reader), ElementsAre("stored x", "stored y"));
  b_.Lead(Epoch(2));
  Write(b_, "z");
  a_.Follow();
  ASSERT_TRUE(a_.space->Rewind(Sequence(2)).ok());
  EXPECT_THAT(Next(reader), IsEmpty());  // not lost for certain yet
  Agree(b_, a_);
  EXPECT_TRUE(reader.HasNews());
  const Result<Changes> lost = reader.Next();
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.status().reason(), Reason::WRITE_LOST);
  EXPECT_EQ(lost.status().metadata().at("fork_point"), "2");
  EXPECT_EQ(WatchReader(SourceOf(&a_.space), From(reader.token())).Begin().reason(),
            Reason::WRITE_LOST);
  // Whoever had not come so far goes on, and is told what is there now.
  WatchReader before(SourceOf(&a_.space), From(a_.space->TokenOf({Epoch(1), Sequence(2)})));
  ASSERT_TRUE(before.Begin().ok());
  EXPECT_THAT(Next(before), ElementsAre("stored z"));
}

TEST_F(WatchPairTest, WaitsOverACopyThatBeginsAnew) {
  Write(a_, "x");
  Agree(a_, b_);
  while (!b_.space->NewView().ok()) std::this_thread::yield();
  WatchReader reader(SourceOf(&b_.space), From(b_.space->TokenOf(b_.space->visible())));
  ASSERT_TRUE(reader.Begin().ok());
  ASSERT_TRUE(b_.space->Rewind(Sequence()).ok());
  EXPECT_THAT(Next(reader), IsEmpty());
  Write(a_, "y");
  Agree(a_, b_);
  while (!b_.space->NewView().ok()) std::this_thread::yield();
  EXPECT_THAT(Next(reader), ElementsAre("stored y"));
}

TEST_F(WatchPairTest, EndsWithItsSpace) {
  Agree(a_, b_);
  WatchReader reader(SourceOf(&a_.space), From(a_.space->TokenOf(a_.space->visible())));
  ASSERT_TRUE(reader.Begin().ok());
  a_.committer.commit_timeout_ns = 1'000'000;
  (void)a_.space->MarkDeleted();
  Agree(a_, b_);
  EXPECT_TRUE(reader.HasNews());
  EXPECT_EQ(reader.Next().status().reason(), Reason::SPACE_NOT_FOUND);
}

}  // namespace
}  // namespace engram::api
