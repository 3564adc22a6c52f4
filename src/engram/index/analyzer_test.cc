#include "engram/index/analyzer.h"

#include <algorithm>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <utf8proc.h>

#include "engram/base/prng.h"
#include "engram/index/analyzer_words.h"
#include "engram/index/stop_words.h"

namespace engram::index {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Terms = std::vector<std::string>;

Terms Analyze(std::string_view text, std::string_view name = "english") {
  return Analyzer::Make(name).value()->Analyze(text);
}
Analyzer::Query Query(std::string_view text, std::string_view name = "english") {
  return Analyzer::Make(name).value()->AnalyzeQuery(text);
}

// Every term of the query is in the text: what a user calls "found".
bool Finds(std::string_view query, std::string_view text, std::string_view name = "english") {
  const Terms terms = Analyze(text, name);
  const Terms asked = Query(query, name).terms;
  return !asked.empty() && std::ranges::all_of(asked, [&](const std::string& term) {
    return std::ranges::find(terms, term) != terms.end();
  });
}

std::string Mapped(std::string_view text, utf8proc_option_t options) {
  utf8proc_uint8_t* out = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &out, options);
  EXPECT_GE(size, 0);
  std::string mapped(reinterpret_cast<const char*>(out), static_cast<size_t>(size));
  std::free(out);
  return mapped;
}
std::string Composed(std::string_view text) {
  return Mapped(text, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
}
std::string Decomposed(std::string_view text) {
  return Mapped(text, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE));
}

TEST(Analyzer, StemsEnglishAndDropsStopWords) {
  EXPECT_THAT(Analyze("The trains were running late, Anna's plans failed."),
              ElementsAre("train", "run", "late", "anna", "plan", "fail"));
}

TEST(Analyzer, SimpleNeitherStemsNorDrops) {
  EXPECT_THAT(Analyze("The trains were running", "simple"),
              ElementsAre("the", "trains", "were", "running"));
}

TEST(Analyzer, LanguagesStemWithoutStopWords) {
  EXPECT_TRUE(Finds("Häuser", "zwei große HÄUSER am See", "german"));
  EXPECT_TRUE(Finds("Haus", "die Häuser", "german"));
  EXPECT_TRUE(Finds("Straße", "STRASSE gesperrt", "german"));
  EXPECT_TRUE(Finds("поезд", "Опоздали два поезда", "russian"));
  EXPECT_THAT(Analyze("the", "german"), ElementsAre("the"));
}

TEST(Analyzer, UnknownNameListsTheKnownOnes) {
  const Status status = Analyzer::CheckName("klingon");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.reason(), Reason::CONFIGURATION);
  EXPECT_THAT(status.expected(), testing::HasSubstr("english"));
  EXPECT_THAT(status.expected(), testing::HasSubstr("german"));
  EXPECT_THAT(status.expected(), testing::HasSubstr("simple"));
  EXPECT_FALSE(Analyzer::Make("klingon").ok());
  EXPECT_TRUE(Analyzer::CheckName("simple").ok());
}

TEST(Analyzer, SplitsAtEverythingThatIsNeitherLetterNorDigitNorMark) {
  EXPECT_THAT(Analyze("snake_case don't 3.14 e-mail/a@b.org", "simple"),
              ElementsAre("snake", "case", "don", "t", "3", "14", "e", "mail", "a", "b", "org"));
  EXPECT_THAT(Analyze("„Grüße“—ja…nein\u00a0doch", "simple"),
              ElementsAre("grüsse", "ja", "nein", "doch"));
}

TEST(Analyzer, FoldsCompatibleForms) {
  EXPECT_THAT(Analyze("Ｆｕｌｌ ﬁne x² Ⅷ ™", "simple"),
              ElementsAre("full", "fine", "x2", "viii", "tm"));
  EXPECT_THAT(Analyze("ΣΊΣΥΦΟΣ", "simple"), Analyze("σίσυφος", "simple"));
}

TEST(Analyzer, PairsOfScriptsWithoutSpaces) {
  EXPECT_THAT(Analyze("我在柏林"), ElementsAre("我在", "在柏", "柏林"));
  EXPECT_THAT(Analyze("食べる"), ElementsAre("食べ", "べる"));
  EXPECT_THAT(Analyze("茶"), ElementsAre("茶"));
  EXPECT_THAT(Analyze("iPhone手机2023年"), ElementsAre("iphon", "手机", "2023", "年"));
  EXPECT_THAT(Analyze("カタカナ"), Analyze("ｶﾀｶﾅ"));
  EXPECT_TRUE(Finds("รถไฟ", "วันนี้รถไฟมาสาย"));
  EXPECT_TRUE(Finds("柏林", "昨天我到了柏林，天气很好。"));
  EXPECT_TRUE(Finds("東京", "明日は東京タワーに行く"));
  EXPECT_FALSE(Finds("京東", "明日は東京タワーに行く"));
}

TEST(Analyzer, RightToLeftAndIndicScripts) {
  EXPECT_TRUE(Finds("שלום", "אמרתי שלום לאנה"));
  EXPECT_TRUE(Finds("القطار", "تأخر القطار، مرة أخرى"));
  EXPECT_TRUE(Finds("हिन्दी", "मैं हिन्दी बोलता हूँ।"));
}

TEST(Analyzer, EmojiAreTermsOfTheirOwn) {
  EXPECT_THAT(Analyze("party🎉🎂!"), ElementsAre("parti", "🎉", "🎂"));
  EXPECT_TRUE(Finds("❤️", "I ❤ Berlin"));
  EXPECT_TRUE(Finds("👍", "👍🏽 fine"));
  EXPECT_THAT(Analyze("─── → ° ©"), IsEmpty());
}

TEST(Analyzer, ComposedAndDecomposedFindEachOther) {
  for (const std::string_view text : {"Café Zürich Ångström", "Việt Nam", "Ёлка Йод", "한국어 서울",
                                      "ガギグゲゴ", "ᾴδω", "שָׁלוֹם", "Ὀδυσσεύς ῼ", "क़ ख़"}) {
    for (const std::string_view name : {"english", "simple", "german", "russian"}) {
      EXPECT_EQ(Analyze(Composed(text), name), Analyze(Decomposed(text), name)) << text;
    }
  }
}

TEST(Analyzer, ALineOfStopWordsKeepsThem) {
  EXPECT_THAT(Analyze("Who are you?"), ElementsAre("who", "are", "you"));
  EXPECT_THAT(Analyze("Who is Anna?"), ElementsAre("anna"));
  EXPECT_THAT(Analyze("I saw them live\nThe Who"), ElementsAre("saw", "live", "the", "who"));
  EXPECT_TRUE(Finds("the who", "concert\nThe Who"));
  EXPECT_FALSE(Finds("the who", "the concert of the who"));
}

TEST(Analyzer, QueryDropsStopWordsAndSaysWhich) {
  const Analyzer::Query query = Query("When did the Train take the other train? The");
  EXPECT_THAT(query.terms, ElementsAre("train", "take"));
  EXPECT_THAT(query.dropped, ElementsAre("When", "did", "the", "other"));
  EXPECT_FALSE(query.cut);
}

TEST(Analyzer, QueryOfStopWordsAloneKeepsThem) {
  const Analyzer::Query query = Query("To be or not to be");
  EXPECT_THAT(query.terms, ElementsAre("to", "be", "or", "not"));
  EXPECT_THAT(query.dropped, IsEmpty());
  EXPECT_TRUE(Finds("who are you", "Who are you?"));
}

TEST(Analyzer, QueryIsCutAt256DifferentTerms) {
  std::string text;
  for (int i = 0; i < 256; ++i) text += "w" + std::to_string(i) + " w0 ";
  EXPECT_FALSE(Query(text).cut);
  EXPECT_EQ(Query(text).terms.size(), 256u);
  const Analyzer::Query cut = Query(text + "last");
  EXPECT_TRUE(cut.cut);
  EXPECT_EQ(cut.terms.size(), 256u);
  EXPECT_EQ(cut.terms.back(), "w255");
}

TEST(Analyzer, LongWordsAreCutAtACharacter) {
  EXPECT_EQ(Analyze(std::string(5000, 'x'), "simple"), Terms{std::string(kMaxTermBytes, 'x')});
  std::string text;
  for (int i = 0; i < 300; ++i) text += "жж1";
  const Terms terms = Analyze(text, "simple");
  ASSERT_EQ(terms.size(), 1u);
  EXPECT_LE(terms[0].size(), kMaxTermBytes);
  EXPECT_GT(terms[0].size(), kMaxTermBytes - 4);
}

TEST(Analyzer, BrokenBytesSeparate) {
  EXPECT_THAT(Analyze("ab\xff"
                      "cd é\xc3 x",
                      "simple"),
              ElementsAre("ab", "cd", "é", "x"));
  EXPECT_THAT(Analyze(std::string_view("a\0b", 3), "simple"), ElementsAre("a", "b"));
  EXPECT_THAT(Analyze("\xed\xa0\x80", "simple"), IsEmpty());  // half of a surrogate
  EXPECT_THAT(Analyze("", "simple"), IsEmpty());
}

TEST(Analyzer, SearchTextHasALineForEachPart) {
  engram::v1::Episode episode;
  episode.set_what("Took the train");
  episode.set_why("visit");
  episode.set_how("by rail");
  episode.add_tags("travel");
  episode.add_who("Anna");
  episode.add_who("The Who");
  episode.set_where_location("Berlin/Office");
  EXPECT_EQ(SearchText(episode),
            "Took the train\nvisit\nby rail\ntravel\nAnna\nThe Who\nBerlin/Office");
  episode.mutable_event_time()->mutable_start()->set_seconds(1683417600);  // 2023-05-07
  episode.mutable_event_time()->mutable_end()->set_seconds(1683504000);
  episode.mutable_event_time()->set_precision(engram::v1::TIME_PRECISION_DAY);
  EXPECT_TRUE(Finds("May 2023", SearchText(episode)));
  EXPECT_EQ(SearchText(engram::v1::Episode()), "");
}

TEST(StopWords, AreFoundAndNothingElse) {
  EXPECT_EQ(FindEnglishStopWord("yourselves"), "yourselves");
  EXPECT_EQ(FindEnglishStopWord("a"), "a");
  for (const std::string_view word : {"", "may", "train", "yo", "youu", "The"}) {
    EXPECT_TRUE(FindEnglishStopWord(word).empty()) << word;
  }
}

// Random text out of pieces that are hard in different ways.
std::string RandomText(Prng& prng, size_t pieces) {
  static const std::string_view kPieces[] = {
      "the",  "Train",    "running", "don't",  " ",      " ",        " ", "\n",
      "é",    "e\u0301",  "\u0301",  "柏林",   "茶",     "รถไฟ",     "🎉", "👩‍👩‍👧",
      "שלום", "ﷺ",        "ﬁ",       "\xff",   "\xc3",   "\xf0\x9f", "İ", "ß",
      "ǅ",    "123",      "२०२३",    "-",      "\u200b", "\u00ad",   "ᾳ", "한국",
      "ｶﾞ",   "か\u3099", "_",       "=\u0338"};
  std::string text;
  for (size_t i = 0; i < pieces; ++i) text += kPieces[prng.Below(std::size(kPieces))];
  return text;
}

TEST(AnalyzerProperty, AnyBytesGiveCleanTerms) {
  Prng prng(7);
  for (const std::string_view name : {"english", "simple", "finnish"}) {
    const auto analyzer = Analyzer::Make(name).value();
    for (int round = 0; round < 3000; ++round) {
      std::string text = RandomText(prng, prng.Below(12));
      for (uint64_t i = prng.Below(6); i > 0; --i) text.push_back(static_cast<char>(prng.Next()));
      for (const std::string& term : analyzer->Analyze(text)) {
        ASSERT_FALSE(term.empty());
        ASSERT_LE(term.size(), kMaxTermBytes);
        ASSERT_EQ(term.find_first_of(std::string_view(" \n\"\0", 4)), std::string::npos);
        ASSERT_EQ(Mapped(term, UTF8PROC_STABLE), term);  // valid
      }
      analyzer->AnalyzeQuery(text);
    }
  }
}

TEST(AnalyzerProperty, NormalisedFormsOfRandomTextAgree) {
  Prng prng(8);
  const auto analyzer = Analyzer::Make("simple").value();
  for (int round = 0; round < 3000; ++round) {
    std::string text = RandomText(prng, prng.Below(12));
    std::erase_if(text, [](char c) { return c == '\xff' || c == '\xc3' || c == '\xf0'; });
    if (utf8proc_uint8_t* out = nullptr;
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                     static_cast<utf8proc_ssize_t>(text.size()), &out, UTF8PROC_STABLE) < 0) {
      continue;
    } else {
      std::free(out);
    }
    EXPECT_EQ(analyzer->Analyze(Composed(text)), analyzer->Analyze(Decomposed(text))) << text;
  }
}

// The cache of stems and the way of ASCII change no term.
TEST(AnalyzerProperty, SpeedChangesNothing) {
  Prng prng(9);
  const auto warm = Analyzer::Make("english").value();
  for (int round = 0; round < 300; ++round) {
    const std::string text = RandomText(prng, 60);
    EXPECT_EQ(warm->Analyze(text), Analyze(text));
    std::string ascii;
    for (const char c : text) ascii.push_back(static_cast<char>(c & 0x7f));
    // A letter of another script in front of each word sends it through the whole of Unicode.
    const Terms direct = Analyze("x " + ascii, "simple");
    std::string detour = "x ";
    for (const char c : ascii) {
      const bool word = std::isalnum(static_cast<unsigned char>(c)) != 0;
      detour += c;
      if (!word && c != '\n') detour += "—";
    }
    EXPECT_EQ(Analyze(detour, "simple"), direct);
  }
}

}  // namespace
}  // namespace engram::index
