#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "report/axis.h"
#include "report/plot.h"
#include "report/svg.h"

namespace lockstep {
namespace {

constexpr double kWidth = 640.0;
constexpr double kRight = kWidth - 64.0;  // leaves room for the sums
constexpr double kTop = 40.0;
constexpr double kRow = 22.0;
constexpr double kBar = 15.0;
constexpr double kGroup = 24.0;  // the heading of a group
constexpr double kMostLabel = 200.0;
constexpr double kLabelSize = 12.0;

double Whole(const StackedBar& bar) {
  double sum = 0.0;
  for (const double value : bar.values)
    if (std::isfinite(value) && value > 0.0) sum += value;
  return sum;
}

bool BeginsGroup(const BarPlot& plot, std::size_t index) {
  const std::string& group = plot.bars[index].group;
  return !group.empty() && (index == 0 || plot.bars[index - 1].group != group);
}

double LabelWidth(const BarPlot& plot) {
  double width = 40.0;
  for (const StackedBar& bar : plot.bars)
    width = std::max(width, TextWidth(bar.label, kLabelSize) + 16.0);
  return std::min(width, kMostLabel);
}

double HeightOf(const BarPlot& plot) {
  double height = 0.0;
  for (std::size_t i = 0; i < plot.bars.size(); ++i)
    height += kRow + (BeginsGroup(plot, i) ? kGroup : 0.0);
  return std::max(height, kRow);
}

std::vector<double> Sums(const BarPlot& plot) {
  std::vector<double> sums{0.0};
  for (const StackedBar& bar : plot.bars) sums.push_back(Whole(bar));
  return sums;
}

// One bar at this height, with its sum behind it.
std::string DrawBar(const BarPlot& plot, const StackedBar& bar, const AxisMap& axis, double y) {
  std::string text;
  double sum = 0.0;
  const double whole = Whole(bar);
  double end = *axis.At(0.0);
  for (std::size_t part = 0; part < bar.values.size() && part < plot.parts.size(); ++part) {
    const double value = bar.values[part];
    if (!std::isfinite(value) || value <= 0.0) continue;
    sum += value;
    const double begin = std::exchange(end, *axis.At(sum));
    text +=
        fmt::format(R"(<rect x="{}" y="{}" width="{}" height="{:g}" {}><title>{}</title></rect>)",
                    Coordinate(begin), Coordinate(y), Coordinate(end - begin), kBar, FillOf(part),
                    EscapedXml(fmt::format(
                        "{}{}{}\n{}: {} ({:.1f} %)", bar.group, bar.group.empty() ? "" : ", ",
                        bar.label, plot.parts[part], ShortNumber(value), 100.0 * value / whole)));
  }
  return text +
         Element(SvgText{
             .x = end + 6.0, .y = y + kBar - 3.0, .text = ShortNumber(whole), .size = kLabelSize});
}

}  // namespace

std::string DrawBars(const BarPlot& plot) {
  const double left = 12.0 + LabelWidth(plot);
  const double bottom = kTop + HeightOf(plot);
  Axis from_zero = plot.x;
  from_zero.scale = AxisScale::kLinear;
  from_zero.start = AxisStart::kZero;
  const AxisMap axis(from_zero, Sums(plot), left, kRight);
  std::string text =
      Element(SvgText{.x = 12.0, .y = 22.0, .text = plot.title, .size = 15.0, .bold = true});
  for (const AxisMap::Tick& tick : axis.ticks()) {
    text += GridLine({tick.at, kTop, tick.at, bottom});
    text += Element(SvgText{
        .x = tick.at, .y = bottom + 18.0, .text = tick.label, .anchor = TextAnchor::kMiddle});
  }
  double y = kTop;
  for (std::size_t i = 0; i < plot.bars.size(); ++i) {
    const StackedBar& bar = plot.bars[i];
    if (BeginsGroup(plot, i)) {
      text += Element(SvgText{.x = 12.0,
                              .y = y + kGroup - 7.0,
                              .text = Fitted(bar.group, kLabelSize, kRight - 12.0),
                              .size = kLabelSize,
                              .bold = true});
      y += kGroup;
    }
    text += Element(SvgText{.x = left - 8.0,
                            .y = y + kBar,
                            .text = Fitted(bar.label, kLabelSize, left - 16.0),
                            .size = kLabelSize,
                            .anchor = TextAnchor::kEnd});
    text += DrawBar(plot, bar, axis, y + 3.0);
    text += AxisLine({left, y, left, y + kRow});
    y += kRow;
  }
  text += AxisLine({left, bottom, kRight, bottom});
  text += Element(SvgText{.x = 0.5 * (left + kRight),
                          .y = bottom + 38.0,
                          .text = plot.x.label,
                          .anchor = TextAnchor::kMiddle});
  Legend legend(12.0, bottom + 62.0, kWidth - 24.0);
  for (std::size_t part = 0; part < plot.parts.size(); ++part)
    legend.Add(plot.parts[part], part, Legend::Sample::kBox);
  return SvgDrawing(kWidth, legend.bottom(), plot.title, text + legend.text());
}

}  // namespace lockstep
