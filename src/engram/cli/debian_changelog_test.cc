#include "engram/cli/debian_changelog.h"

#include <gmock/gmock.h>

namespace engram::cli {
namespace {

using testing::ElementsAre;

struct Parsed {
  std::vector<ChangelogStanza> stanzas;
  std::vector<std::string> bad;
};

Parsed Parse(std::string_view text) {
  Parsed out;
  ParseChangelog(text, {[&](ChangelogStanza stanza) { out.stanzas.push_back(std::move(stanza)); },
                        [&](int line, const std::string& why) {
                          out.bad.push_back(std::to_string(line) + ": " + why);
                        }});
  return out;
}

const char kGood[] =
    "openssl (3.0.11-1~deb12u2) bookworm-security bookworm; urgency=Medium, binary-only=yes\n"
    "\n"
    "  [ Sebastian Siewior ]\n"
    "  * CVE-2023-5363 (Incorrect cipher key and IV length processing).\n"
    "    A second line.\n"
    "\n"
    "  [ Kurt Roeckx ]\n"
    "  * Drop a patch.\n"
    "\n"
    " -- Kurt Roeckx <kurt@roeckx.be>  Mon, 23 Oct 2023 19:52:22 +0200\n"
    "\n"
    "openssl (3.0.11-1) unstable; urgency=low\n"
    "\n"
    "  * Import 3.0.11\n"
    "\n"
    " -- Kurt Roeckx <kurt@roeckx.be>  Tue,  3 Oct 2023 09:02:01 GMT\n";

TEST(ParseChangelogTest, TakesAStanzaApart) {
  Parsed parsed = Parse(kGood);
  EXPECT_THAT(parsed.bad, ElementsAre());
  ASSERT_EQ(parsed.stanzas.size(), 2u);
  const ChangelogStanza& stanza = parsed.stanzas[0];
  EXPECT_EQ(stanza.source, "openssl");
  EXPECT_EQ(stanza.version, "3.0.11-1~deb12u2");
  EXPECT_THAT(stanza.distributions, ElementsAre("bookworm-security", "bookworm"));
  EXPECT_EQ(stanza.urgency, "medium");
  EXPECT_THAT(stanza.names, ElementsAre("Kurt Roeckx", "Sebastian Siewior"));
  EXPECT_EQ(stanza.time, "2023-10-23T19:52:22+02:00");
  EXPECT_EQ(stanza.line, 1);
  EXPECT_EQ(stanza.text,
            "[ Sebastian Siewior ]\n"
            "* CVE-2023-5363 (Incorrect cipher key and IV length processing).\n"
            "  A second line.\n\n"
            "[ Kurt Roeckx ]\n* Drop a patch.");
  EXPECT_EQ(parsed.stanzas[1].time, "2023-10-03T09:02:01+00:00");
  EXPECT_EQ(parsed.stanzas[1].line, 12);
}

TEST(ParseChangelogTest, SaysWhatIsBadAndGoesOn) {
  Parsed parsed = Parse(
      "free text\nmore of it\n"
      "a (1) unstable; urgency=low\n\n  * no trailer\n\n"
      "a (2) unstable; urgency=low\n\n  * bad date\n\n -- A <a@b>  sometime in 1998\n\n"
      "a (3) unstable; urgency=low\n\n -- A <a@b>  Mon, 02 Jan 2006 15:04:05 +0000\n\n"
      "a (4) unstable; urgency=low\n\n  * no address\n\n -- A  Mon, 02 Jan 2006 15:04:05 +0000\n\n"
      " -- A <a@b>  Mon, 02 Jan 2006 15:04:05 +0000\n\n"
      "a (5) unstable; urgency=low\n\n  * good\n\n -- A <a@b>  Mon, 02 Jan 2006 15:04:05 +0000\n\n"
      "a (6) unstable; urgency=low\n\n  * cut");
  ASSERT_EQ(parsed.stanzas.size(), 1u);
  EXPECT_EQ(parsed.stanzas[0].version, "5");
  EXPECT_THAT(
      parsed.bad,
      ElementsAre("1: a line belongs to no stanza",
                  "3: a stanza has no line with a maintainer and a date",
                  "11: 'sometime in 1998' is no date", "13: a stanza says nothing",
                  "21: the maintainer line has no address",
                  "23: a maintainer line follows no header", "31: the last stanza is cut short"));
}

TEST(ParseChangelogTest, EndsAtTheRemainsOfEditorsAndOldFormats) {
  for (const char* end : {"Local variables:\nmode: debian-changelog\nEnd:\n", "vim: ts=8\n",
                          "Old Changelog:\nfree text\n", "# Older entries have been removed\n"}) {
    Parsed parsed = Parse(std::string(kGood) + "\n" + end);
    EXPECT_EQ(parsed.stanzas.size(), 2u) << end;
    EXPECT_THAT(parsed.bad, ElementsAre()) << end;
  }
}

TEST(ParseChangelogTest, BytesThatAreNotUtf8AreLatin1) {
  Parsed parsed = Parse(
      "a (1) unstable; urgency=low\n\n  * f\xfcr \xc3\xbc is mixed here\n  * f\xc3\xbcr\n\n"
      " -- J\xf6rg <j@d>  Mon, 02 Jan 2006 15:04:05 +0000\n");
  ASSERT_EQ(parsed.stanzas.size(), 1u);
  EXPECT_EQ(parsed.stanzas[0].names[0], "Jörg");
  EXPECT_EQ(parsed.stanzas[0].text, "* für Ã¼ is mixed here\n* für");
}

TEST(ParseChangelogTest, AMaintainerWithoutANameIsKnownByTheAddress) {
  Parsed parsed = Parse(
      "a (1) unstable; urgency=low\r\n\r\n  * x\r\n\r\n"
      " -- <root@host>  Mon, 02 Jan 2006 15:04:05 +0000\r\n");
  ASSERT_EQ(parsed.stanzas.size(), 1u);
  EXPECT_THAT(parsed.stanzas[0].names, ElementsAre("root@host"));
}

TEST(LooksLikeChangelogTest, AsksTheFirstLine) {
  EXPECT_TRUE(LooksLikeChangelog(kGood));
  EXPECT_TRUE(LooksLikeChangelog(std::string("\n\n") + kGood));
  for (const char* text : {"", "\n", "ChangeLog for foo\n", "2023-01-02  A. Author <a@b>\n",
                           "Version 1.2 (2023); see below\n", "foo (1.2); no distribution\n"}) {
    EXPECT_FALSE(LooksLikeChangelog(text)) << text;
  }
}

TEST(MailDateTest, ReadsTheFormsInUse) {
  EXPECT_EQ(ParseMailDate("Thu, 14 Mar 2024 12:00:00 +0100"), "2024-03-14T12:00:00+01:00");
  EXPECT_EQ(ParseMailDate("  Thu,  4 Mar 2024 12:00:00 -0330 (NST)"), "2024-03-04T12:00:00-03:30");
  EXPECT_EQ(ParseMailDate("4 July 1999 2:03 EST"), "1999-07-04T02:03:00-05:00");
  for (const char* text :
       {"", "Thu, 14 Mar 2024", "Thu, 14 Mar 2024 12:00:00", "Thu, 31 Sep 2024 12:00:00 +0100",
        "Thu, 14 Foo 2024 12:00:00 +0100", "Thu, 14 Mar 24 12:00:00 +0100",
        "Thu, 14 Mar 2024 25:00:00 +0100", "Thu, 14 Mar 2024 12:00:00 +9900",
        "Thu, 14 Mar 2024 12:00:00 XYZ", "Thu Mar 14 12:00:00 2024"}) {
    EXPECT_EQ(ParseMailDate(text), std::nullopt) << text;
  }
}

TEST(ToUtf8Test, DropsNul) {
  using namespace std::string_literals;
  EXPECT_EQ(ToUtf8("a\0b"s), "ab");
  EXPECT_EQ(ToUtf8("\xff"s), "ÿ");
  EXPECT_EQ(ToUtf8("ü"), "ü");
}

}  // namespace
}  // namespace engram::cli
