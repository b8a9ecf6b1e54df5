#include "text/jinja/nodes/nodes.h"

namespace lockstep::jinja {

Value Expression::Evaluate(Renderer& renderer) const {
  try {
    const Renderer::Deeper deeper(renderer);
    return Compute(renderer);
  } catch (const PlacedFault&) {
    throw;
  } catch (const Fault& fault) {
    throw PlacedFault(fault.what(), place_);
  }
}

Flow Statement::Execute(Renderer& renderer) const {
  try {
    const Renderer::Deeper deeper(renderer);
    return Run(renderer);
  } catch (const PlacedFault&) {
    throw;
  } catch (const Fault& fault) {
    throw PlacedFault(fault.what(), place_);
  }
}

Flow ExecuteAll(const Block& block, Renderer& renderer) {
  for (const auto& statement : block)
    if (const Flow flow = statement->Execute(renderer); flow != Flow::kOn) return flow;
  return Flow::kOn;
}

}  // namespace lockstep::jinja
