#pragma once

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <memory>
#include <string>
#include <vector>

namespace darkroom {

using Weights = c10::Dict<std::string, at::Tensor>;

/// A package that AOTInductor compiled, whose graph takes its weights as inputs, on one device. Not for several threads
/// at a time.
class Package {
 public:
  /// Loads the package and remembers its weights, which it keeps alive and uses where they are: packages given the same
  /// weights share them, and a weight that is changed in place is changed for all.
  ///
  /// @param weights tensors on `device` by their names in the compiled module; it may hold more than the package takes
  /// @throws c10::Error the file is no package, one for another kind of device, or one that does not say what it takes;
  ///     a weight is missing, or is not as it was when the package was compiled
  Package(const std::string& path, const Weights& weights, at::Device device);
  Package(const Package&) = delete;
  Package(Package&&) = delete;
  Package& operator=(const Package&) = delete;
  Package& operator=(Package&&) = delete;

  /// Compares the inputs with what the package was compiled for, as its metadata says.
  ///
  /// @throws c10::Error the number of tensors, or the type, shape or device of one, which is named, is wrong
  void check_inputs(const std::vector<at::Tensor>& inputs) const;

  /// Runs on the current stream. The inputs are contiguous and checked; the outputs are new tensors.
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs);

 private:
  at::Tensor find_weight(const Weights& weights, const std::string& wanted) const;

  const std::string name_;
  const at::Device device_;
  const std::unique_ptr<torch::inductor::AOTIModelPackageLoader> loader_;
  // type and shape of each
  std::vector<std::string> inputs_;
  // in the graph's order
  std::vector<at::Tensor> weights_;
};

} // namespace darkroom
