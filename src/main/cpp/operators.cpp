#include "package.h"
#ifdef DARKROOM_CUDA
#include "cuda_graph.h"
#endif

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_scaled_dot_product_cudnn_attention.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>
#include <torch/version.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace darkroom {

namespace {

/// A loaded package; on a GPU, its CUDA graph.
struct Graph {
  Graph(const std::string& path, const Weights& weights, at::Device on) : device(on), package(path, weights, on) {
#ifdef DARKROOM_CUDA
    if (device.is_cuda()) {
      cuda.emplace(package, device.index());
    }
#endif
  }

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) {
    package.check_inputs(inputs);
#ifdef DARKROOM_CUDA
    if (cuda) {
      return cuda->run(inputs);
    }
#endif
    std::vector<at::Tensor> contiguous;
    for (const at::Tensor& input : inputs) {
      contiguous.push_back(input.contiguous());
    }
    return package.run(contiguous);
  }

  const at::Device device;
  Package package;
#ifdef DARKROOM_CUDA
  std::optional<CudaGraph> cuda;
#endif
};

/// All state, one call at a time.
struct Graphs {
  std::mutex mutex;
  // an unloaded graph leaves its place empty, so that no handle is given twice
  std::vector<std::unique_ptr<Graph>> loaded;
};

Graphs& graphs() {
  // never destroyed: at the end of the process CUDA may be gone before
  static auto& all = *new Graphs();
  return all;
}

/// The device that an operator's argument means: -1 is the CPU.
at::Device device_of(int64_t index) {
  TORCH_CHECK(index >= -1, "device ", index, " is none: -1 is the CPU, 0 the first GPU");
  if (index == -1) {
    return at::Device(at::kCPU);
  }
#ifdef DARKROOM_CUDA
  initialise_cuda(static_cast<c10::DeviceIndex>(index));
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
#else
  TORCH_CHECK(false, "device ", index, " is a GPU, and this library was built without CUDA");
#endif
}

std::string architecture_of([[maybe_unused]] at::Device device) {
#ifdef DARKROOM_CUDA
  if (device.is_cuda()) {
    return cuda_architecture(device.index());
  }
#endif
  return "cpu";
}

/// `2.11.0` of `2.11.0+cu130`.
std::string release(const std::string& version) {
  return version.substr(0, version.find('+'));
}

int64_t load(
    const std::string& package,
    const std::string& torch_version,
    const std::string& architecture,
    const Weights& weights,
    int64_t device) {
  const std::lock_guard lock(graphs().mutex);
  const c10::NoGradGuard no_grad;
  const at::Device target = device_of(device);
  TORCH_CHECK(
      release(torch_version) == release(TORCH_VERSION),
      package, " was compiled with torch ", torch_version, ", this is ", release(TORCH_VERSION),
      ": compile the bundle's packages again with this torch");
  TORCH_CHECK(
      architecture == architecture_of(target),
      package, " was compiled for ", architecture, ", this is ", architecture_of(target),
      ": compile the bundle's packages on this device");
  const c10::DeviceGuard guard(target);
  graphs().loaded.push_back(std::make_unique<Graph>(package, weights, target));
  return static_cast<int64_t>(graphs().loaded.size()) - 1;
}

std::vector<at::Tensor> run(int64_t graph, std::vector<at::Tensor> inputs, const std::vector<int64_t>& rows) {
  const std::lock_guard lock(graphs().mutex);
  const c10::NoGradGuard no_grad;
  auto& loaded = graphs().loaded;
  TORCH_CHECK(
      graph >= 0 && graph < static_cast<int64_t>(loaded.size()) && loaded[graph],
      "there is no graph ", graph, ": it was not loaded, or it was unloaded");
  TORCH_CHECK(
      rows.size() == inputs.size(), rows.size(), " rows given for ", inputs.size(), " inputs: each input has one");
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (rows[i] == -1) {
      continue;
    }
    TORCH_CHECK(
        inputs[i].dim() > 0 && rows[i] >= 0 && rows[i] < inputs[i].size(0),
        "input ", i, " has no row ", rows[i], ": it is ", inputs[i].sizes(), " (-1 takes the whole input)");
    inputs[i] = inputs[i].select(0, rows[i]);
  }
  return loaded[graph]->run(inputs);
}

void unload() {
  const std::lock_guard lock(graphs().mutex);
  for (auto& graph : graphs().loaded) {
#ifdef DARKROOM_CUDA
    if (graph && graph->device.is_cuda()) {
      synchronize_cuda(graph->device.index());
    }
#endif
    graph.reset();
  }
#ifdef DARKROOM_CUDA
  release_cuda_memory();
#endif
}

std::vector<int64_t> memory(int64_t device) {
  const std::lock_guard lock(graphs().mutex);
  const at::Device target = device_of(device);
#ifdef DARKROOM_CUDA
  if (target.is_cuda()) {
    const CudaMemory bytes = read_cuda_memory(target.index());
    return {bytes.peak_allocated, bytes.peak_reserved, bytes.used, bytes.total};
  }
#endif
  TORCH_CHECK(false, target, " has no memory statistics: only a GPU has");
}

void synchronize(int64_t device) {
  [[maybe_unused]] const at::Device target = device_of(device);
#ifdef DARKROOM_CUDA
  if (target.is_cuda()) {
    synchronize_cuda(target.index());
  }
#endif
}

std::string architecture(int64_t device) {
  return architecture_of(device_of(device));
}

/// What packages call where cuDNN's attention is the fastest: [B, tokens, heads × width] of each, and of the result,
/// which is dense however torch's own operator leaves it.
at::Tensor attention(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, int64_t heads) {
  const auto split = [heads](const at::Tensor& x) { return x.unflatten(-1, {heads, -1}).transpose(1, 2); };
  const at::Tensor result = queries.is_cuda()
      ? std::get<0>(at::_scaled_dot_product_cudnn_attention(
            split(queries), split(keys), split(values), /*attn_bias=*/std::nullopt, /*compute_log_sumexp=*/false))
      : at::scaled_dot_product_attention(split(queries), split(keys), split(values));
  return result.transpose(1, 2).flatten(2).contiguous();
}

} // namespace

// The same schemas, with what they mean, are in darkroom_bundle/operators.py.
TORCH_LIBRARY(darkroom, library) {
  const auto define = [&library](const char* schema, auto* function) {
    // TorchScript drops, merges or moves no call of an operator that may have side effects
    library.def(torch::schema(schema, c10::AliasAnalysisKind::CONSERVATIVE), function);
  };
  // A Python process that compiled packages has defined it; what the library has takes its place
  if (!c10::Dispatcher::singleton().findSchema({"darkroom::attention", ""})) {
    library.def("attention(Tensor queries, Tensor keys, Tensor values, int heads) -> Tensor");
  }
  // explicit: inductor shall call it, not look into it
  library.impl("attention", torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, TORCH_FN(attention)));
  define("load(str package, str torch_version, str architecture, Dict(str, Tensor) weights, int device) -> int", &load);
  define("run(int graph, Tensor[] inputs, int[] rows) -> Tensor[]", &run);
  define("unload() -> ()", &unload);
  define("memory(int device) -> int[]", &memory);
  define("synchronize(int device) -> ()", &synchronize);
  define("architecture(int device) -> str", &architecture);
}

} // namespace darkroom
