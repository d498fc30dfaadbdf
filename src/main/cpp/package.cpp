#include "package.h"

#include <torch/version.h>

#include <sstream>
#include <unordered_map>

namespace darkroom {

namespace {

/// `float16[320, 4, 3, 3]`, as `darkroom_bundle.operators` writes it into a package's metadata.
std::string describe(const at::Tensor& tensor) {
  std::ostringstream text;
  text << c10::getDtypeNames(tensor.scalar_type()).first << tensor.sizes();
  return text.str();
}

/// The same with the strides, where a stride means something: `float16[320, 4, 3, 3] strides [36, 1, 12, 4]`.
std::string describe_layout(const at::Tensor& tensor) {
  std::vector<int64_t> strides = tensor.strides().vec();
  for (int64_t dimension = 0; dimension < tensor.dim(); ++dimension) {
    if (tensor.size(dimension) == 1) {
      strides[dimension] = 1;
    }
  }
  std::ostringstream text;
  text << describe(tensor) << " strides " << at::IntArrayRef(strides);
  return text.str();
}

std::unique_ptr<torch::inductor::AOTIModelPackageLoader> open(
    const std::string& path,
    [[maybe_unused]] at::Device device) {
  try {
    // the other way queries events, which a capture does not allow
    constexpr bool single_threaded = true;
#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 8
    return std::make_unique<torch::inductor::AOTIModelPackageLoader>(
        path, "model", single_threaded, /*num_runners=*/1, device.index());
#else
    return std::make_unique<torch::inductor::AOTIModelPackageLoader>(path, "model", single_threaded);
#endif
  } catch (const c10::Error& error) {
    TORCH_CHECK(false, path, " cannot be loaded: ", error.what_without_backtrace());
  } catch (const std::exception& error) {
    TORCH_CHECK(false, path, " cannot be loaded: ", error.what());
  }
}

} // namespace

Package::Package(const std::string& path, const Weights& weights, at::Device device)
    : name_(path.substr(path.find_last_of('/') + 1)), device_(device), loader_(open(path, device)) {
  std::unordered_map<std::string, std::string> metadata = loader_->get_metadata();
  const std::string& made_for = metadata["AOTI_DEVICE_KEY"];
  TORCH_CHECK(
      made_for == c10::DeviceTypeName(device.type(), /*lower_case=*/true),
      name_, " was compiled for ", made_for, ", not for ", device);
  for (auto input = metadata.find("input 0"); input != metadata.end();
       input = metadata.find("input " + std::to_string(inputs_.size()))) {
    inputs_.push_back(input->second);
  }
  for (auto weight = metadata.find("weight 0"); weight != metadata.end();
       weight = metadata.find("weight " + std::to_string(weights_.size()))) {
    weights_.push_back(find_weight(weights, weight->second));
  }
  TORCH_CHECK(
      !inputs_.empty() && !weights_.empty(),
      name_, " does not say what it takes: compile the bundle's packages again");
}

/// @param wanted a name and, after a space, the layout, as the metadata has them
at::Tensor Package::find_weight(const Weights& weights, const std::string& wanted) const {
  const size_t space = wanted.find(' ');
  const std::string weight_name = wanted.substr(0, space);
  const std::string layout = wanted.substr(space + 1);
  const auto entry = weights.find(weight_name);
  TORCH_CHECK(entry != weights.end(), name_, ": the weight ", weight_name, " is missing");
  const at::Tensor& weight = entry->value();
  TORCH_CHECK(
      weight.device() == device_,
      name_, ": the weight ", weight_name, " is on ", weight.device(), ", the package runs on ", device_);
  TORCH_CHECK(
      layout == describe_layout(weight),
      name_, ": the weight ", weight_name, " is ", describe_layout(weight), ", the package was compiled for ", layout);
  return weight;
}

void Package::check_inputs(const std::vector<at::Tensor>& inputs) const {
  TORCH_CHECK(
      inputs.size() == inputs_.size(),
      name_, ": ", inputs.size(), " inputs given, the package takes ", inputs_.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    TORCH_CHECK(
        inputs[i].device() == device_ || inputs[i].is_cpu(),
        name_, ": input ", i, " is on ", inputs[i].device(), ", the package runs on ", device_);
    const std::string given = describe(inputs[i]);
    TORCH_CHECK(given == inputs_[i], name_, ": input ", i, " is ", given, ", the package takes ", inputs_[i]);
  }
}

std::vector<at::Tensor> Package::run(const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> all = inputs;
  all.insert(all.end(), weights_.begin(), weights_.end());
  return loader_->run(all);
}

} // namespace darkroom
