#include "package.h"

#include <ATen/ops/from_blob.h>
#include <torch/csrc/inductor/aoti_runner/model_container_runner.h>
#include <torch/version.h>

#include <algorithm>
#include <sstream>

namespace darkroom {

namespace {

#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 8
#define DARKROOM_SHARES_WEIGHTS
#endif

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
#ifdef DARKROOM_SHARES_WEIGHTS
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
    : name_(path.substr(path.find_last_of('/') + 1)),
      device_(device),
      loader_(open(path, device)),
      metadata_(loader_->get_metadata()) {
  const std::string& made_for = metadata_["AOTI_DEVICE_KEY"];
  TORCH_CHECK(
      made_for == c10::DeviceTypeName(device.type(), /*lower_case=*/true),
      name_, " was compiled for ", made_for, ", not for ", device);
  for (auto input = metadata_.find("input 0"); input != metadata_.end();
       input = metadata_.find("input " + std::to_string(inputs_.size()))) {
    inputs_.push_back(input->second);
  }
  load_weights(weights);
}

void Package::load_weights(const Weights& weights) {
  auto* runner = loader_->get_runner();
  const auto types = runner->getConstantNamesToDtypes();
  std::unordered_map<std::string, at::Tensor> constants;
  for (const auto& [constant, name] : runner->getConstantNamesToOriginalFQNs()) {
    const auto entry = weights.find(name);
    TORCH_CHECK(entry != weights.end(), name_, ": the weight ", name, " is missing");
    const at::Tensor& weight = entry->value();
    TORCH_CHECK(
        weight.device() == device_,
        name_, ": the weight ", name, " is on ", weight.device(), ", the package runs on ", device_);
    const auto layout = metadata_.find("weight " + name);
    TORCH_CHECK(
        layout == metadata_.end() || layout->second == describe_layout(weight),
        name_, ": the weight ", name, " is ", describe_layout(weight), ", the package was compiled for ",
        layout->second);
    const auto type = static_cast<at::ScalarType>(types.at(constant));
    TORCH_CHECK(
        weight.scalar_type() == type,
        name_, ": the weight ", name, " is ", describe(weight), ", the package was compiled for ",
        c10::getDtypeNames(type).first);
    // A tensor of its own on the same memory: torch never releases one that it is told to use, and older torches
    // copy all of the storage that lies behind one.
    constants.emplace(
        name,
        at::for_blob(weight.data_ptr(), weight.sizes())
            .strides(weight.strides())
            .options(weight.options())
            .target_device(device_)
            .make_tensor());
    weights_.push_back(weight);
  }
#ifdef DARKROOM_SHARES_WEIGHTS
  loader_->load_constants(constants, /*use_inactive=*/false, /*check_full_update=*/false, /*user_managed=*/true);
#else
  loader_->load_constants(constants, /*use_inactive=*/false, /*check_full_update=*/false);
#endif
}

void Package::check_inputs(const std::vector<at::Tensor>& inputs) {
  if (inputs_.empty()) {
    std::transform(inputs.begin(), inputs.end(), std::back_inserter(inputs_), describe);
  }
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
  return loader_->run(inputs);
}

} // namespace darkroom
