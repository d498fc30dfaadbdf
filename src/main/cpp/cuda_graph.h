#pragma once

#include "package.h"

#include <ATen/cuda/CUDAGraph.h>

#include <optional>
#include <string>
#include <vector>

namespace darkroom {

/// The caching allocator's counts, in bytes.
struct Allocated {
  int64_t allocated;
  int64_t peak_allocated;
  int64_t peak_reserved;
  // how often there was too little memory
  int64_t failures;
};

/// A package as a CUDA graph, captured at its first run. All graphs of a device take their intermediate values from
/// one memory pool, so no two of them may run at the same time: the caller serialises every call of this file.
class CudaGraph {
 public:
  /// @param package outlives the graph
  CudaGraph(Package& package, c10::DeviceIndex device);
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph(CudaGraph&&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  CudaGraph& operator=(CudaGraph&&) = delete;
  ~CudaGraph();

  /// Copies the inputs, which may lie on the CPU, into the graph's own and replays the graph on the current stream.
  ///
  /// @return the graph's own outputs: the next run of this graph, and no other, overwrites them
  const std::vector<at::Tensor>& run(const std::vector<at::Tensor>& inputs);

 private:
  void capture();
  std::vector<at::Tensor> warm_up();
  // the package says no more than that it failed, and why to the standard error
  void check_memory(const Allocated& before) const;
  void abandon_capture() noexcept;

  Package& package_;
  const c10::DeviceIndex device_;
  std::vector<at::Tensor> inputs_;
  std::vector<at::Tensor> outputs_;
  // the most that the intermediate values take; a replay does not show in the allocator's counts
  int64_t activation_bytes_ = 0;
  std::optional<at::cuda::CUDAGraph> graph_;
};

/// Bytes since the last reading.
struct CudaMemory {
  int64_t peak_allocated;
  int64_t peak_reserved;
  int64_t used;
  int64_t total;
};

/// Readies torch for the device.
///
/// @throws c10::Error there is no such device
void initialise_cuda(c10::DeviceIndex device);

void synchronize_cuda(c10::DeviceIndex device);

/// Gives the allocator's unused memory back to the devices.
void release_cuda_memory();

/// The allocator's peaks, the replays included, and what the device's processes use together. Starts new peaks.
CudaMemory read_cuda_memory(c10::DeviceIndex device);

/// `sm_90` for compute capability 9.0.
std::string cuda_architecture(c10::DeviceIndex device);

} // namespace darkroom
