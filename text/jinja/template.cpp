#include "text/jinja/template.h"

#include <utility>

#include "text/jinja/syntax/template_parser.h"

namespace lockstep::jinja {

struct Template::Parsed {
  Block block;
};

Template::Template(std::string_view source, std::string where)
    : where_(std::move(where)),
      parsed_(std::make_shared<const Parsed>(Parsed{ParseTemplate(source, where_)})) {}

std::string Template::Render(const Dict& variables, const Limits& limits,
                             std::chrono::system_clock::time_point now) const {
  Renderer renderer(variables, limits, now);
  try {
    ExecuteAll(parsed_->block, renderer);
  } catch (const PlacedFault& fault) {
    Refuse(where_, fault.place(), fault.what());
  }
  return renderer.TakeOutput();
}

}  // namespace lockstep::jinja
