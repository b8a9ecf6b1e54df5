#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lockstep {

// What the plots are written with. Lengths are in the units of the drawing, about a pixel each.

// For text and attributes of XML and HTML; characters that XML has no place for become U+FFFD.
std::string EscapedXml(std::string_view text);

// "8", "8.25", "-0.1": as short as a drawing needs it.
std::string Coordinate(double value);

// A number for people: "0.25", "1200", "25k", "1.5M".
std::string ShortNumber(double value);

// How wide a line of text will be, about: fonts differ.
double TextWidth(std::string_view text, double size);

// A text that is cut, with an ellipsis, where it would be wider.
std::string Fitted(std::string_view text, double size, double width);

enum class TextAnchor { kStart, kMiddle, kEnd };

struct SvgText {
  double x = 0.0;
  double y = 0.0;  // of the line that letters stand on
  std::string_view text;
  double size = 12.0;
  TextAnchor anchor = TextAnchor::kStart;
  bool bold = false;
  bool upwards = false;  // turned, to be read from below
};
std::string Element(const SvgText& text);

struct SvgLine {
  double x1 = 0.0;
  double y1 = 0.0;
  double x2 = 0.0;
  double y2 = 0.0;
};
std::string GridLine(const SvgLine& line);
std::string AxisLine(const SvgLine& line);

// Colours of series and parts: they repeat behind the last one.
inline constexpr std::size_t kColourCount = 8;

// Attributes that give a shape its colour.
std::string StrokeOf(std::size_t index);
std::string FillOf(std::size_t index);

// The mark of a series, in the middle of a point.
std::string Mark(std::size_t series, double x, double y);

// The whole element around its contents, `label` being its name for those who cannot see it.
std::string SvgDrawing(double width, double height, std::string_view label,
                       std::string_view contents);

// Rows of names with samples of their colours, within `width`.
class Legend {
 public:
  enum class Sample { kLine, kStroke, kDashes, kMark, kBox };  // kStroke: without a mark

  Legend(double left, double top, double width) : left_(left), width_(width), x_(left), y_(top) {}

  void Add(std::string_view name, std::size_t colour, Sample sample);
  const std::string& text() const { return text_; }
  double bottom() const { return y_ + 8.0; }

 private:
  double left_;
  double width_;
  double x_;
  double y_;
  std::string text_;
};

}  // namespace lockstep
