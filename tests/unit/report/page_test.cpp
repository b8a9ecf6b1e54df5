#include "report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/plot.h"
#include "tests/unit/report/svg_check.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string Decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    decoded += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
    i += 2;
  }
  return decoded;
}

std::string BodyOf(const std::string& html) {
  const auto begin = html.find("<main>");
  return html.substr(begin, html.find("</body>") - begin);
}

TEST(ReportPage, IsWellFormedAndNeedsNothingBesideIt) {
  ReportPage page("A <report> & more");
  page.AddFacts({{"host", "a&b"}, {"command", "lockstep bench --x \"1\""}});
  page.AddHeading("Plots <1>");
  const std::string svg = DrawLines({.title = "t", .x = {}, .y = {}, .series = {}});
  page.AddPlot(svg, "one.svg", "The first.");
  page.AddPlot(svg, "two.svg");
  page.AddParagraph("Words & numbers");
  page.AddTable({.caption = "All", .columns = {"name", "n"}, .rows = {{"a", "1"}, {"<b>", "-"}}});
  const std::string html = page.Html();
  EXPECT_EQ(FaultOf(BodyOf(html)), "");
  EXPECT_THAT(html, HasSubstr("<title>A &lt;report&gt; &amp; more</title>"));
  EXPECT_THAT(html, HasSubstr("prefers-color-scheme:dark"));
  for (const char* outside : {"<script", "<link", "src=", "url(", "@import", "<b>"})
    EXPECT_THAT(html, Not(HasSubstr(outside)));
}

TEST(ReportPage, SavesThePlotThatItShows) {
  ReportPage page("r");
  const std::string svg =
      DrawLines({.title = "50 % & \"more\" #1",
                 .x = {.label = "a"},
                 .y = {.label = "b"},
                 .series = {{.name = "\xC3\xA4", .points = {{.x = 1, .y = 2}}}}});
  page.AddPlot(svg, "one.svg");
  const std::string body = BodyOf(page.Html());
  EXPECT_THAT(Attributes(body, "a", "download"), ElementsAre("one.svg"));
  const auto links = Attributes(body, "a", "href");
  ASSERT_EQ(links.size(), 1u);
  constexpr std::string_view kStart = "data:image/svg+xml;charset=utf-8,";
  ASSERT_THAT(links[0], testing::StartsWith(std::string(kStart)));
  EXPECT_EQ(Decoded(std::string_view(links[0]).substr(kStart.size())), svg);
  EXPECT_THAT(links[0], Not(HasSubstr("#")));
}

TEST(ReportPage, SetsColumnsOfNumbersToTheRight) {
  ReportPage page("r");
  page.AddTable({.columns = {"name", "share", "rest"},
                 .rows = {{"a", "4.5 %", "x"}, {"b", "-1 (-2 to 3)", "3"}, {"c", "-", "5"}}});
  const std::string body = BodyOf(page.Html());
  EXPECT_THAT(body, HasSubstr("<th scope=\"col\" class=\"n\">share</th>"));
  EXPECT_THAT(body, HasSubstr("<th scope=\"col\">rest</th>"));
  EXPECT_EQ(Attributes(body, "td", "class").size(), 3u);
}

}  // namespace
}  // namespace lockstep
