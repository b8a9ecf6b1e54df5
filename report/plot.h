#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// Plots as SVG: numbers in, one <svg> element out. It stands alone, in the colours of paper; on a
// page of report/page.h it takes those of the reader's screen, light or dark. What the mouse is
// over says its numbers. No function here keeps anything: any thread may call them.

enum class AxisScale : std::uint8_t { kLinear, kLog };
enum class AxisStart : std::uint8_t {
  kData,
  kZero
};  // kZero: of a linear axis without negative numbers

struct Axis {
  std::string label = {};  // with the unit: "time per step, ms"
  AxisScale scale = AxisScale::kLinear;
  AxisStart start = AxisStart::kData;
  std::vector<double> ticks = {};  // empty: round numbers are chosen
};

// Numbers that are not finite leave their point out, and so do negative ones on a logarithmic axis.
// Zero has a place of its own there, left of (or below) the smallest number.
struct PlotPoint {
  double x = 0.0;
  double y = 0.0;
  std::optional<double> low = {};  // an error bar, in units of y
  std::optional<double> high = {};
  std::string title = {};  // what the mouse is told; empty: the numbers
};

enum class SeriesStyle : std::uint8_t {
  kLine,    // points, connected in their order
  kCurve,   // the connection alone, with the points to be found by the mouse
  kDashed,  // the connection alone, as for what is ideal
  kPoints   // unconnected
};

struct PlotSeries {
  std::string name = {};  // in the legend; empty: not there
  std::vector<PlotPoint> points = {};
  SeriesStyle style = SeriesStyle::kLine;
};

struct LinePlot {
  std::string title = {};
  Axis x = {};
  Axis y = {};
  std::vector<PlotSeries> series = {};
};
std::string DrawLines(const LinePlot& plot);

// Bars of parts on top of each other, lying, one below the other.
struct StackedBar {
  std::string label = {};
  std::vector<double> values = {};  // of each part, 0 or more
  std::string group = {};           // a heading above the first of those bars that share it
};

struct BarPlot {
  std::string title = {};
  Axis x = {};  // linear, from 0
  std::vector<std::string> parts = {};
  std::vector<StackedBar> bars = {};
};
std::string DrawBars(const BarPlot& plot);

// Of points of which more is better in x and in y those that no other one beats in both, by rising
// x.
std::vector<PlotPoint> ParetoFront(std::vector<PlotPoint> points);

}  // namespace lockstep
