#include <cstring>
#include <span>

#include "bench/roofline.h"
#include "core/error.h"

namespace lockstep {
namespace {

CeilingName NameOf(DeviceRate::Kind kind) {
  switch (kind) {
    case DeviceRate::Kind::kRead: return {.name = "read bandwidth", .unit = "GB/s", .memory = true};
    case DeviceRate::Kind::kBf16: break;
  }
  return {.name = "bf16 matrix products", .unit = "Gop/s", .kind = PeakKind::kBf16};
}

// Ranks measure at the same time, each its own device; what they reach adds up.
class DeviceMeter final : public CeilingMeter {
 public:
  DeviceMeter(ControlPlane& comm, DeviceModule& module, const Backend& backend)
      : comm_(comm), module_(module), backend_(backend) {
    for (const DeviceRate& rate : module_.MeasureRates(backend_))
      names_.push_back(NameOf(rate.kind));
  }

  const std::vector<CeilingName>& names() const override { return names_; }

  std::vector<double> Measure() override {
    comm_.Barrier();
    std::vector<double> rates;
    for (const DeviceRate& rate : module_.MeasureRates(backend_))
      rates.push_back(1e-9 * rate.per_second);
    std::vector<double> sums;
    for (const auto& bytes : comm_.Gather(std::as_bytes(std::span<const double>(rates)))) {
      LOCKSTEP_CHECK(bytes.size() == rates.size() * sizeof(double), "{} bytes", bytes.size());
      std::vector<double> one(rates.size());
      std::memcpy(one.data(), bytes.data(), bytes.size());
      sums.resize(one.size());
      for (std::size_t i = 0; i < one.size(); ++i) sums[i] += one[i];
    }
    return sums;
  }

 private:
  ControlPlane& comm_;
  DeviceModule& module_;
  const Backend& backend_;
  std::vector<CeilingName> names_;
};

}  // namespace

std::unique_ptr<CeilingMeter> MeterOfDevices(ControlPlane& comm, DeviceModule& module,
                                             const Backend& backend) {
  return std::make_unique<DeviceMeter>(comm, module, backend);
}

}  // namespace lockstep
