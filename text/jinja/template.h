#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "text/jinja/renderer.h"
#include "text/jinja/values/value.h"

namespace lockstep::jinja {

// A Jinja template, as `transformers` renders chat templates: trim_blocks and lstrip_blocks, break
// and continue, {% generation %} (which does nothing), raise_exception(), strftime_now(), tojson
// without escapes for HTML, and nothing that a template could change but namespaces. What is left
// out of Jinja is refused when the template is read. Cheap to copy; any thread may render it.
class Template {
 public:
  // `where` names the template in messages. Throws BadInput "where, line 1, column 2: ...".
  Template(std::string_view source, std::string where);

  // Throws BadInput with the place for what the template refuses (raise_exception) or cannot do
  // with these variables, and for what takes more than the limits.
  std::string Render(
      const Dict& variables, const Limits& limits = {},
      std::chrono::system_clock::time_point now = std::chrono::system_clock::now()) const;

 private:
  struct Parsed;
  std::string where_;
  std::shared_ptr<const Parsed> parsed_;
};

}  // namespace lockstep::jinja
