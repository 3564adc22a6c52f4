#include "engram/model/text.h"

#include <gtest/gtest.h>

#include "engram/model/episode.h"

namespace engram::model {
namespace {

using namespace std::string_literals;

TEST(TextTest, CleanUtf8) {
  for (const std::string& text :
       {""s, "plain"s, "a longer plain text of more than eight bytes"s, "Ondřej Surý"s, "東京"s,
        "👍🏽 at the end of eight"s, "\x7f\x01 control"s, "\u00ff\u07ff\u0800\uffff"s,
        "\U00010000\U0010ffff"s, "\ufffe"s}) {
    EXPECT_TRUE(IsCleanUtf8(text)) << text;
  }
}

TEST(TextTest, BytesThatAreNotCleanUtf8AtEveryPlace) {
  for (const std::string& bad :
       {"\0"s, "\x80"s, "\xbf"s, "\xc0\x80"s, "\xc1\xbf"s, "\xc3"s, "\xc3("s, "\xe0\x9f\xbf"s,
        "\xe2\x82"s, "\xe2\x28\xa1"s, "\xed\xa0\x80"s, "\xed\xbf\xbf"s, "\xf0\x8f\xbf\xbf"s,
        "\xf0\x9f\x98"s, "\xf4\x90\x80\x80"s, "\xf5\x80\x80\x80"s, "\xff"s}) {
    for (size_t before = 0; before < 18; ++before) {
      EXPECT_FALSE(IsCleanUtf8(std::string(before, 'x') + bad)) << before;
      EXPECT_FALSE(IsCleanUtf8(std::string(before, 'x') + bad + "yyyyyyyyyyyyyyyyy")) << before;
    }
  }
}

TEST(TextTest, ControlCharacters) {
  EXPECT_TRUE(HasControlCharacter("a\nb"));
  EXPECT_TRUE(HasControlCharacter("\x7f"));
  EXPECT_TRUE(HasControlCharacter("\u0085"));
  EXPECT_FALSE(HasControlCharacter("\u00a0 ü 東京 a b"));
}

TEST(TextTest, ShortenCutsBetweenCharacters) {
  EXPECT_EQ(Shorten("short", 5), "short");
  EXPECT_EQ(Shorten("longer", 5), "longe…");
  EXPECT_EQ(Shorten("aü", 2), "a…");
}

TEST(TextTest, NearestName) {
  constexpr std::string_view known[] = {"importance", "tags", "where_location"};
  EXPECT_EQ(Nearest("importence", known), "importance");
  EXPECT_EQ(Nearest("tag", known), "tags");
  EXPECT_EQ(Nearest("imoprtnace", known), "importance");
  EXPECT_EQ(Nearest("atgs", known), "tags");
  EXPECT_EQ(Nearest("colour", known), "");
}

TEST(FoldTest, CaseWidthAndCompositionDoNotMatter) {
  EXPECT_EQ(Fold("ANNA"), "anna");
  EXPECT_EQ(Fold("  Anna\t"), "anna");
  EXPECT_EQ(Fold("Ondřej SURÝ"), Fold("ondr\u030cej sury\u0301"));
  EXPECT_EQ(Fold("STRASSE"), Fold("Straße"));
  EXPECT_EQ(Fold("ＡＢＣ"), "abc");
  EXPECT_EQ(Fold("ﬁne"), "fine");
  EXPECT_EQ(Fold("ΟΔΥΣΣΕΥΣ"), Fold("οδυσσευς"));
  EXPECT_EQ(Fold("\u3000東京\u00a0"), "東京");
  EXPECT_EQ(Fold("\u2028x\u1680"), "x");
  EXPECT_EQ(Fold(" \n "), "");
  EXPECT_EQ(Fold("inner  space"), "inner  space");
}

TEST(FoldTest, FoldingTwiceChangesNothing) {
  for (const char* text : {"Straße", "İstanbul", "ﬁ", "Ⅷ", "Ǆ", "ͅα", "\u1e9e", "한글", "ｶﾞ"}) {
    std::string once = Fold(text);
    EXPECT_EQ(Fold(once), once) << text;
  }
}

}  // namespace
}  // namespace engram::model
