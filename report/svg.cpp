#include "report/svg.h"

#include <fmt/format.h>

#include <cmath>
#include <initializer_list>
#include <utility>

#include "core/json.h"
#include "report/style.h"

namespace lockstep {
namespace {

constexpr double kLegendSize = 12.0;
constexpr double kLegendRow = 18.0;
constexpr double kSampleWidth = 22.0;

std::string_view Name(TextAnchor anchor) {
  switch (anchor) {
    case TextAnchor::kStart: return "start";
    case TextAnchor::kMiddle: return "middle";
    case TextAnchor::kEnd: break;
  }
  return "end";
}

std::string LineElement(const SvgLine& line, std::string_view look) {
  return fmt::format(R"(<line x1="{}" y1="{}" x2="{}" y2="{}" {}/>)", Coordinate(line.x1),
                     Coordinate(line.y1), Coordinate(line.x2), Coordinate(line.y2), look);
}

// U+FFFD in the place of what is no UTF-8.
std::string WithoutInvalidUtf8(std::string_view text) {
  return Json::parse(DumpJson(Json(text))).get<std::string>();
}

// Of UTF-8: continuation bytes are none of their own.
std::size_t CountCharacters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u ? 1 : 0;
  return count;
}

}  // namespace

std::string EscapedXml(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string escaped;
  for (const char c : WithoutInvalidUtf8(text)) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t')
          escaped += kReplacement;
        else
          escaped += c;
    }
  }
  return escaped;
}

std::string Coordinate(double value) {
  const double rounded = std::round(value * 100.0) / 100.0;
  return fmt::format("{:g}", rounded == 0.0 ? 0.0 : rounded);
}

std::string ShortNumber(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:.4g}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.4g}k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

double TextWidth(std::string_view text, double size) {
  constexpr double kMeanWidth = 0.56;
  return kMeanWidth * size * static_cast<double>(CountCharacters(text));
}

std::string Fitted(std::string_view text, double size, double width) {
  if (TextWidth(text, size) <= width) return std::string(text);
  constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
  while (!text.empty() && TextWidth(text, size) + size > width) {
    text.remove_suffix(1);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0u) == 0x80u)
      text.remove_suffix(1);
    // The first byte of what has lost its others.
    if (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0u) == 0xC0u)
      text.remove_suffix(1);
  }
  return std::string(text) + std::string(kEllipsis);
}

std::string Element(const SvgText& text) {
  const std::string turn = text.upwards ? fmt::format(" transform=\"rotate(-90 {} {})\"",
                                                      Coordinate(text.x), Coordinate(text.y))
                                        : "";
  return fmt::format(
      R"(<text x="{}" y="{}" class="ink" fill="{}" font-size="{:g}" text-anchor="{}"{}{}>{}</text>)",
      Coordinate(text.x), Coordinate(text.y), kPaper.ink, text.size, Name(text.anchor),
      text.bold ? R"( font-weight="600")" : "", turn, EscapedXml(text.text));
}

std::string GridLine(const SvgLine& line) {
  return LineElement(line, fmt::format(R"(class="grid" stroke="{}")", kPaper.grid));
}

std::string AxisLine(const SvgLine& line) {
  return LineElement(line, fmt::format(R"(class="axis" stroke="{}")", kPaper.ink));
}

std::string StrokeOf(std::size_t index) {
  index %= kColourCount;
  return fmt::format(R"(class="line{}" stroke="{}" fill="none")", index, kPaper.colours[index]);
}

std::string FillOf(std::size_t index) {
  index %= kColourCount;
  return fmt::format(R"(class="fill{}" fill="{}")", index, kPaper.colours[index]);
}

std::string Mark(std::size_t series, double x, double y) {
  const std::string fill = FillOf(series);
  const auto polygon = [&](std::initializer_list<std::pair<double, double>> corners) {
    std::string points;
    for (const auto& [dx, dy] : corners)
      points +=
          fmt::format("{}{},{}", points.empty() ? "" : " ", Coordinate(x + dx), Coordinate(y + dy));
    return fmt::format(R"(<polygon points="{}" {}/>)", points, fill);
  };
  switch (series % 5) {
    case 1: return polygon({{-3.5, -3.5}, {3.5, -3.5}, {3.5, 3.5}, {-3.5, 3.5}});
    case 2: return polygon({{0, -4.5}, {4.5, 3.5}, {-4.5, 3.5}});
    case 3: return polygon({{0, -5}, {5, 0}, {0, 5}, {-5, 0}});
    case 4: return polygon({{0, 4.5}, {4.5, -3.5}, {-4.5, -3.5}});
    default: break;
  }
  return fmt::format(R"(<circle cx="{}" cy="{}" r="4" {}/>)", Coordinate(x), Coordinate(y), fill);
}

std::string SvgDrawing(double width, double height, std::string_view label,
                       std::string_view contents) {
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" aria-label="{0}" )"
      R"(viewBox="0 0 {1} {2}" width="{1}" height="{2}" )"
      R"(font-family="system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif">)"
      R"(<rect class="paper" width="{1}" height="{2}" fill="{3}"/>{4}</svg>)",
      EscapedXml(label), Coordinate(width), Coordinate(height), kPaper.paper, contents);
}

void Legend::Add(std::string_view name, std::size_t colour, Sample sample) {
  const std::string shown = Fitted(name, kLegendSize, width_ - kSampleWidth - 8.0);
  const double width = kSampleWidth + 6.0 + TextWidth(shown, kLegendSize) + 14.0;
  if (x_ > left_ && x_ + width > left_ + width_) {
    x_ = left_;
    y_ += kLegendRow;
  }
  const double middle = y_ - 4.0;
  if (sample == Sample::kBox) {
    text_ += fmt::format(R"(<rect x="{}" y="{}" width="12" height="12" {}/>)", Coordinate(x_ + 6),
                         Coordinate(middle - 6), FillOf(colour));
  } else if (sample != Sample::kMark) {
    text_ += fmt::format(R"(<path d="M{0} {1}H{2}" {3} stroke-width="2"{4}/>)", Coordinate(x_),
                         Coordinate(middle), Coordinate(x_ + kSampleWidth), StrokeOf(colour),
                         sample == Sample::kDashes ? R"( stroke-dasharray="5 4")" : "");
  }
  if (sample == Sample::kLine || sample == Sample::kMark)
    text_ += Mark(colour, x_ + 0.5 * kSampleWidth, middle);
  text_ +=
      Element(SvgText{.x = x_ + kSampleWidth + 6.0, .y = y_, .text = shown, .size = kLegendSize});
  x_ += width;
}

}  // namespace lockstep
