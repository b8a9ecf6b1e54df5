#include <fmt/format.h>

#include <algorithm>

#include "report/axis.h"
#include "report/plot.h"
#include "report/svg.h"

namespace lockstep {
namespace {

constexpr double kWidth = 640.0;
constexpr double kLeft = 68.0;
constexpr double kRight = kWidth - 18.0;
constexpr double kTop = 40.0;
constexpr double kBottom = 340.0;
constexpr double kLegendTop = kBottom + 62.0;
constexpr double kHitRadius = 9.0;  // a mark is small for a mouse

// One plot while it is drawn.
class Drawing {
 public:
  explicit Drawing(const LinePlot& plot)
      : plot_(plot),
        x_(plot.x, Values([](const PlotPoint& p) { return std::vector{p.x}; }), kLeft, kRight),
        y_(plot.y, Values([](const PlotPoint& p) {
             return std::vector{p.y, p.low.value_or(p.y), p.high.value_or(p.y)};
           }),
           kBottom, kTop) {}

  std::string Svg() {
    DrawFrame();
    for (std::size_t i = 0; i < plot_.series.size(); ++i) DrawSeries(i);
    if (!has_points_)
      text_ += Element(SvgText{.x = 0.5 * (kLeft + kRight),
                               .y = 0.5 * (kTop + kBottom),
                               .text = "no data",
                               .size = 14.0,
                               .anchor = TextAnchor::kMiddle});
    Legend legend(kLeft, kLegendTop, kRight - kLeft);
    for (std::size_t i = 0; i < plot_.series.size(); ++i)
      if (!plot_.series[i].name.empty())
        legend.Add(plot_.series[i].name, i, SampleOf(plot_.series[i].style));
    const bool named = !legend.text().empty();
    return SvgDrawing(kWidth, named ? legend.bottom() : kLegendTop - 12.0, plot_.title,
                      text_ + legend.text());
  }

 private:
  static Legend::Sample SampleOf(SeriesStyle style) {
    switch (style) {
      case SeriesStyle::kLine: return Legend::Sample::kLine;
      case SeriesStyle::kCurve: return Legend::Sample::kStroke;
      case SeriesStyle::kDashed: return Legend::Sample::kDashes;
      case SeriesStyle::kPoints: break;
    }
    return Legend::Sample::kMark;
  }

  template <typename Of>
  std::vector<double> Values(const Of& of) const {
    std::vector<double> all;
    for (const PlotSeries& series : plot_.series)
      for (const PlotPoint& point : series.points) {
        const std::vector<double> some = of(point);
        all.insert(all.end(), some.begin(), some.end());
      }
    return all;
  }

  void DrawFrame() {
    text_ +=
        Element(SvgText{.x = kLeft, .y = 22.0, .text = plot_.title, .size = 15.0, .bold = true});
    for (const AxisMap::Tick& tick : x_.ticks()) {
      text_ += GridLine({tick.at, kTop, tick.at, kBottom});
      text_ += Element(SvgText{
          .x = tick.at, .y = kBottom + 18.0, .text = tick.label, .anchor = TextAnchor::kMiddle});
    }
    for (const AxisMap::Tick& tick : y_.ticks()) {
      text_ += GridLine({kLeft, tick.at, kRight, tick.at});
      text_ += Element(SvgText{
          .x = kLeft - 8.0, .y = tick.at + 4.0, .text = tick.label, .anchor = TextAnchor::kEnd});
    }
    text_ += AxisLine({kLeft, kBottom, kRight, kBottom});
    text_ += AxisLine({kLeft, kTop, kLeft, kBottom});
    text_ += Element(SvgText{.x = 0.5 * (kLeft + kRight),
                             .y = kBottom + 38.0,
                             .text = plot_.x.label,
                             .anchor = TextAnchor::kMiddle});
    text_ += Element(SvgText{.x = 16.0,
                             .y = 0.5 * (kTop + kBottom),
                             .text = plot_.y.label,
                             .anchor = TextAnchor::kMiddle,
                             .upwards = true});
  }

  void DrawSeries(std::size_t index) {
    const PlotSeries& series = plot_.series[index];
    if (series.style != SeriesStyle::kPoints) DrawConnection(index);
    if (series.style == SeriesStyle::kDashed) return;
    for (const PlotPoint& point : series.points) DrawPoint(index, point);
  }

  // A point without a place ends a piece of the line.
  void DrawConnection(std::size_t index) {
    const PlotSeries& series = plot_.series[index];
    std::string path;
    bool is_open = false;
    for (const PlotPoint& point : series.points) {
      const auto x = x_.At(point.x);
      const auto y = y_.At(point.y);
      if (x && y) {
        path += fmt::format("{}{} {}", is_open ? 'L' : 'M', Coordinate(*x), Coordinate(*y));
        has_points_ = true;
      }
      is_open = x && y;
    }
    if (path.empty()) return;
    text_ += fmt::format(R"(<path d="{}" {} stroke-width="2" stroke-linejoin="round"{}/>)", path,
                         StrokeOf(index),
                         series.style == SeriesStyle::kDashed ? R"( stroke-dasharray="5 4")" : "");
  }

  void DrawPoint(std::size_t index, const PlotPoint& point) {
    const auto x = x_.At(point.x);
    const auto y = y_.At(point.y);
    if (!x || !y) return;
    has_points_ = true;
    text_ += fmt::format("<g><title>{}</title>", EscapedXml(TitleOf(index, point)));
    const auto low = point.low ? y_.At(*point.low) : y;
    const auto high = point.high ? y_.At(*point.high) : y;
    if (low && high && *low != *high)
      text_ += fmt::format(R"(<path d="M{0} {1}V{2}M{3} {1}H{4}M{3} {2}H{4}" {5}/>)",
                           Coordinate(*x), Coordinate(*low), Coordinate(*high),
                           Coordinate(*x - 4.0), Coordinate(*x + 4.0), StrokeOf(index));
    if (plot_.series[index].style != SeriesStyle::kCurve) text_ += Mark(index, *x, *y);
    text_ +=
        fmt::format(R"(<circle cx="{}" cy="{}" r="{:g}" fill="none" pointer-events="all"/></g>)",
                    Coordinate(*x), Coordinate(*y), kHitRadius);
  }

  std::string TitleOf(std::size_t index, const PlotPoint& point) const {
    if (!point.title.empty()) return point.title;
    const std::string& name = plot_.series[index].name;
    std::string title =
        fmt::format("{}{}{}: {}\n{}: {}", name, name.empty() ? "" : "\n", plot_.x.label,
                    ShortNumber(point.x), plot_.y.label, ShortNumber(point.y));
    if (point.low && point.high)
      title += fmt::format(" ({} to {})", ShortNumber(*point.low), ShortNumber(*point.high));
    return title;
  }

  const LinePlot& plot_;
  AxisMap x_;
  AxisMap y_;
  std::string text_;
  bool has_points_ = false;
};

}  // namespace

std::string DrawLines(const LinePlot& plot) { return Drawing(plot).Svg(); }

std::vector<PlotPoint> ParetoFront(std::vector<PlotPoint> points) {
  std::ranges::sort(points, [](const PlotPoint& a, const PlotPoint& b) {
    return a.x != b.x ? a.x > b.x : a.y > b.y;
  });
  std::vector<PlotPoint> front;
  for (PlotPoint& point : points)
    if (front.empty() || point.y > front.back().y) front.push_back(std::move(point));
  std::ranges::reverse(front);
  return front;
}

}  // namespace lockstep
