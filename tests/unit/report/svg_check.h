#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// What is wrong with this XML; empty: nothing. Enough of XML for what the plots write: elements
// that close in order, attributes in quotes that are there once, and characters that are escaped.
std::string FaultOf(std::string_view xml);

// The values of an attribute of all elements of this name, in their order.
std::vector<std::string> Attributes(std::string_view xml, std::string_view element,
                                    std::string_view attribute);

// The text within elements of this name, in their order, as it is written.
std::vector<std::string> Texts(std::string_view xml, std::string_view element);

}  // namespace lockstep
