#include "report/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "report/axis.h"
#include "report/svg.h"
#include "tests/unit/report/svg_check.h"

namespace lockstep {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

LinePlot APlot() {
  return {.title = "Scaling <of> \"A & B\"",
          .x = {.label = "ranks", .scale = AxisScale::kLog, .ticks = {1, 2, 4}},
          .y = {.label = "tokens/s", .start = AxisStart::kZero},
          .series = {{.name = "batch 1 & 2",
                      .points = {{.x = 1, .y = 10, .low = 9, .high = 12},
                                 {.x = 2, .y = 18},
                                 {.x = 4, .y = 20, .title = "marked: \"oversubscribed\""}}},
                     {.name = "ideal",
                      .points = {{.x = 1, .y = 10}, {.x = 4, .y = 40}},
                      .style = SeriesStyle::kDashed}}};
}

TEST(SvgCheck, FindsFaults) {
  EXPECT_EQ(FaultOf("<g a=\"1\"><b/>x &amp; y</g>"), "");
  for (const char* fault :
       {"<g>", "</g>", "<g><b></g></b>", "<g a=\"1\" a=\"2\"/>", "<g a/>", "x & y", "<g a=\"&\"/>"})
    EXPECT_NE(FaultOf(fault), "") << fault;
}

TEST(DrawLines, IsWellFormedAndNamesEverything) {
  const std::string svg = DrawLines(APlot());
  EXPECT_EQ(FaultOf(svg), "");
  EXPECT_THAT(svg, testing::StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  const auto texts = Texts(svg, "text");
  for (const char* text : {"ranks", "tokens/s", "1", "2", "4", "batch 1 &amp; 2", "ideal",
                           "Scaling &lt;of&gt; &quot;A &amp; B&quot;"})
    EXPECT_THAT(texts, Contains(text));
  EXPECT_THAT(Texts(svg, "title"), ElementsAre("batch 1 &amp; 2\nranks: 1\ntokens/s: 10 (9 to 12)",
                                               "batch 1 &amp; 2\nranks: 2\ntokens/s: 18",
                                               "marked: &quot;oversubscribed&quot;"));
}

TEST(DrawLines, PutsEqualFactorsAtEqualDistancesOfALogarithmicAxis) {
  const std::string svg = DrawLines(APlot());
  std::vector<double> places;
  for (const std::string& x : Attributes(svg, "circle", "cx"))
    if (places.empty() || std::stod(x) != places.back()) places.push_back(std::stod(x));
  ASSERT_GE(places.size(), 3u);
  EXPECT_NEAR(places[1] - places[0], places[2] - places[1], 0.02);
}

TEST(DrawLines, LeavesOutWhatIsNoNumber) {
  LinePlot plot = APlot();
  plot.series[0].points[1].y = kNan;
  plot.series[0].points[2].x = -4;
  const std::string svg = DrawLines(plot);
  EXPECT_EQ(FaultOf(svg), "");
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_EQ(Texts(svg, "title").size(), 1u);
}

TEST(DrawLines, SaysThatThereIsNothing) {
  const std::string svg = DrawLines({.title = "t", .x = {}, .y = {}, .series = {{"s", {}}}});
  EXPECT_EQ(FaultOf(svg), "");
  EXPECT_THAT(Texts(svg, "text"), Contains("no data"));
}

TEST(AxisMap, BeginsAtZeroWhereItIsTold) {
  const AxisMap data({.label = ""}, {50, 100}, 0, 100);
  const AxisMap zero({.label = "", .start = AxisStart::kZero}, {50, 100}, 0, 100);
  EXPECT_LT(*data.At(0), 0.0);
  EXPECT_DOUBLE_EQ(*zero.At(0), 0.0);
  EXPECT_LT(*zero.At(100), 100.0);
  const AxisMap negative({.label = "", .start = AxisStart::kZero}, {-5, 5}, 0, 100);
  EXPECT_GT(*negative.At(-5), 0.0);
}

TEST(AxisMap, HasAPlaceForZeroOnALogarithmicAxis) {
  const AxisMap axis({.label = "", .scale = AxisScale::kLog}, {0, 1, 512, 143000}, 0, 100);
  ASSERT_TRUE(axis.At(0));
  EXPECT_GT(*axis.At(0), 0.0);
  EXPECT_LT(*axis.At(0), *axis.At(1));
  EXPECT_EQ(axis.ticks().back().label, "0");
  EXPECT_FALSE(axis.At(-1));
  EXPECT_FALSE(axis.At(kNan));
  const AxisMap without({.label = "", .scale = AxisScale::kLog}, {1, 512}, 0, 100);
  EXPECT_FALSE(without.At(0));
}

TEST(AxisMap, HasRoomWhereAllValuesAreTheSame) {
  for (const AxisScale scale : {AxisScale::kLinear, AxisScale::kLog}) {
    const AxisMap axis({.label = "", .scale = scale}, {3, 3}, 0, 100);
    EXPECT_NEAR(*axis.At(3), 50.0, 1e-9);
    EXPECT_FALSE(axis.ticks().empty());
  }
}

TEST(Ticks, AreRoundNumbers) {
  EXPECT_THAT(LinearTicks(0, 1, 5), ElementsAre(0, testing::DoubleEq(0.2), testing::DoubleEq(0.4),
                                                testing::DoubleNear(0.6, 1e-12),
                                                testing::DoubleEq(0.8), testing::DoubleEq(1)));
  EXPECT_THAT(LinearTicks(13, 48, 4), ElementsAre(20, 30, 40));
  EXPECT_THAT(LogTicks(1, 20), ElementsAre(1, 2, 5, 10, 20));
  EXPECT_THAT(LogTicks(1, 1e4), ElementsAre(1, 10, 100, 1000, 10000));
  EXPECT_LE(LogTicks(1e-9, 1e9).size(), 10u);
}

TEST(ShortNumber, IsShort) {
  EXPECT_EQ(ShortNumber(0.25), "0.25");
  EXPECT_EQ(ShortNumber(1234), "1234");
  EXPECT_EQ(ShortNumber(143000), "143k");
  EXPECT_EQ(ShortNumber(-2.5e6), "-2.5M");
}

TEST(Fitted, CutsBetweenCharacters) {
  EXPECT_EQ(Fitted("short", 12, 100), "short");
  const std::string cut = Fitted("\xC3\xA4\xC3\xB6\xC3\xBC\xC3\xA4\xC3\xB6\xC3\xBC", 12, 30);
  EXPECT_THAT(cut, testing::EndsWith("\xE2\x80\xA6"));
  EXPECT_EQ(EscapedXml(cut), cut) << "it is still UTF-8";
}

TEST(EscapedXml, LeavesNothingThatXmlForbids) {
  EXPECT_EQ(EscapedXml("a\x01"
                       "b\xFF"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(EscapedXml("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
}

BarPlot Bars() {
  return {.title = "A step",
          .x = {.label = "ms"},
          .parts = {"products", "waiting"},
          .bars = {{.label = "rank 0", .values = {6, 2}, .group = "2 ranks"},
                   {.label = "rank 1", .values = {4, 0}, .group = "2 ranks"},
                   {.label = "rank 0", .values = {kNan, 3}, .group = "1 & 1"}}};
}

TEST(DrawBars, StacksPartsToTheirSum) {
  const std::string svg = DrawBars(Bars());
  EXPECT_EQ(FaultOf(svg), "");
  EXPECT_THAT(Texts(svg, "title"), ElementsAre("2 ranks, rank 0\nproducts: 6 (75.0 %)",
                                               "2 ranks, rank 0\nwaiting: 2 (25.0 %)",
                                               "2 ranks, rank 1\nproducts: 4 (100.0 %)",
                                               "1 &amp; 1, rank 0\nwaiting: 3 (100.0 %)"));
  const auto x = Attributes(svg, "rect", "x");
  const auto width = Attributes(svg, "rect", "width");
  ASSERT_GE(width.size(), 5u);  // the first is the paper
  EXPECT_NEAR(std::stod(width[1]), 3 * std::stod(width[2]), 0.05);
  EXPECT_NEAR(std::stod(x[0]) + std::stod(width[1]), std::stod(x[1]), 0.05);
  const auto texts = Texts(svg, "text");
  EXPECT_EQ(std::count(texts.begin(), texts.end(), "2 ranks"), 1);
  EXPECT_THAT(texts, Contains("8"));
}

TEST(DrawBars, DrawsNothingOfNothing) {
  EXPECT_EQ(FaultOf(DrawBars({.title = "t", .x = {}, .parts = {}, .bars = {}})), "");
}

TEST(ParetoFront, KeepsWhatNobodyBeats) {
  const auto front = ParetoFront({{.x = 1, .y = 9},
                                  {.x = 2, .y = 5},
                                  {.x = 2, .y = 7},
                                  {.x = 3, .y = 7},
                                  {.x = 4, .y = 1},
                                  {.x = 0, .y = 9}});
  ASSERT_EQ(front.size(), 3u);
  EXPECT_EQ(front[0].x, 1);
  EXPECT_EQ(front[1].x, 3);
  EXPECT_EQ(front[2].x, 4);
  EXPECT_THAT(ParetoFront({}), IsEmpty());
}

}  // namespace
}  // namespace lockstep
