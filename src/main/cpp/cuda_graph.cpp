#include "cuda_graph.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <map>
#include <utility>

namespace darkroom {

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

// cuDNN and cuBLAS settle on their algorithms and workspaces, which a capture does not allow
constexpr int warm_ups = 2;

/// What the graphs of a device share.
struct CudaDevice {
  explicit CudaDevice(c10::DeviceIndex device)
      : pool(at::cuda::graph_pool_handle()), stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)) {}

  /// A pool that no graph uses any more cannot be used again.
  void release_pool() {
    if (graphs == 0) {
      pool = at::cuda::graph_pool_handle();
    }
  }

  decltype(at::cuda::graph_pool_handle()) pool;
  int graphs = 0;
  // one for all captures: cuBLAS keeps a workspace for each stream
  const c10::cuda::CUDAStream stream;
  // of the allocator before its peaks were reset for a capture, and of the replays
  int64_t peak_allocated = 0;
  int64_t peak_reserved = 0;
};

CudaDevice& shared(c10::DeviceIndex device) {
  // never destroyed: at the end of the process CUDA may be gone before
  static auto& devices = *new std::map<c10::DeviceIndex, CudaDevice>();
  return devices.try_emplace(device, device).first->second;
}

Allocated read_allocator(c10::DeviceIndex device) {
  const auto statistics = allocator::getDeviceStats(device);
  // the first of each array is the sum over small and large blocks
  return {
      statistics.allocated_bytes[0].current,
      statistics.allocated_bytes[0].peak,
      statistics.reserved_bytes[0].peak,
      statistics.num_ooms};
}

/// Resets the allocator's peaks, keeping what they were.
void reset_peaks(c10::DeviceIndex device) {
  const Allocated before = read_allocator(device);
  CudaDevice& common = shared(device);
  common.peak_allocated = std::max(common.peak_allocated, before.peak_allocated);
  common.peak_reserved = std::max(common.peak_reserved, before.peak_reserved);
  allocator::resetPeakStats(device);
}

} // namespace

CudaGraph::CudaGraph(Package& package, c10::DeviceIndex device) : package_(package), device_(device) {}

CudaGraph::~CudaGraph() {
  if (graph_) {
    CudaDevice& common = shared(device_);
    --common.graphs;
    common.release_pool();
  }
}

const std::vector<at::Tensor>& CudaGraph::run(const std::vector<at::Tensor>& inputs) {
  const c10::cuda::CUDAGuard guard(device_);
  if (inputs_.empty()) {
    for (const at::Tensor& input : inputs) {
      inputs_.push_back(at::empty(input.sizes(), input.options().device(at::kCUDA, device_)));
    }
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    inputs_[i].copy_(inputs[i], /*non_blocking=*/true);
  }
  if (!graph_) {
    capture();
  }
  graph_->replay();
  CudaDevice& common = shared(device_);
  common.peak_allocated = std::max(common.peak_allocated, read_allocator(device_).allocated + activation_bytes_);
  return outputs_;
}

void CudaGraph::capture() {
  CudaDevice& common = shared(device_);
  const auto current = c10::cuda::getCurrentCUDAStream(device_);
  c10::Event copied(c10::DeviceType::CUDA);
  copied.record(current);
  copied.block(common.stream);
  {
    const std::vector<at::Tensor> results = warm_up();
    outputs_.clear();
    for (const at::Tensor& result : results) {
      // outside the pool: within it, the replay of a graph that was captured earlier would write over them
      outputs_.push_back(at::empty_strided(result.sizes(), result.strides(), result.options()));
    }
  }
  // while it captures, the allocator cannot give back what the warm-up left in its cache
  allocator::emptyCache();
  reset_peaks(device_);

  const c10::cuda::CUDAStreamGuard guard(common.stream);
  const Allocated before = read_allocator(device_);
  graph_.emplace();
  try {
    // other threads may go on using the device
    graph_->capture_begin(common.pool, cudaStreamCaptureModeThreadLocal);
    {
      const std::vector<at::Tensor> results = package_.run(inputs_);
      for (size_t i = 0; i < results.size(); ++i) {
        outputs_[i].copy_(results[i], /*non_blocking=*/true);
      }
    }
    graph_->capture_end();
  } catch (const std::exception&) {
    abandon_capture();
    check_memory(before);
    throw;
  }
  ++common.graphs;
  activation_bytes_ = read_allocator(device_).peak_allocated - before.allocated;
}

std::vector<at::Tensor> CudaGraph::warm_up() {
  const c10::cuda::CUDAStreamGuard guard(shared(device_).stream);
  const Allocated before = read_allocator(device_);
  try {
    std::vector<at::Tensor> outputs;
    for (int i = 0; i < warm_ups; ++i) {
      outputs = package_.run(inputs_);
    }
    c10::cuda::device_synchronize();
    return outputs;
  } catch (const std::exception&) {
    check_memory(before);
    // a fault of the device shows here
    c10::cuda::device_synchronize();
    throw;
  }
}

void CudaGraph::check_memory(const Allocated& before) const {
  TORCH_CHECK_WITH(
      OutOfMemoryError, read_allocator(device_).failures == before.failures,
      "CUDA out of memory: a package ran for the first time");
}

void CudaGraph::abandon_capture() noexcept {
  CudaDevice& common = shared(device_);
  try {
    graph_->capture_end();
  } catch (const std::exception&) {
    // torch ends nothing after a capture that CUDA gave up
    try {
      allocator::endAllocateToPool(device_, common.pool);
      allocator::releasePool(device_, common.pool);
    } catch (const std::exception&) {
      // it had ended
    }
  }
  graph_.reset();
  common.release_pool();
}

void initialise_cuda(c10::DeviceIndex device) {
  const int count = c10::cuda::device_count();
  TORCH_CHECK(device < count, "there is no GPU ", static_cast<int>(device), ": this process sees ", count);
  at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
}

void synchronize_cuda(c10::DeviceIndex device) {
  const c10::cuda::CUDAGuard guard(device);
  c10::cuda::device_synchronize();
}

void release_cuda_memory() {
  allocator::emptyCache();
}

CudaMemory read_cuda_memory(c10::DeviceIndex device) {
  const c10::cuda::CUDAGuard guard(device);
  reset_peaks(device);
  size_t free = 0;
  size_t total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  CudaDevice& common = shared(device);
  return {
      std::exchange(common.peak_allocated, 0),
      std::exchange(common.peak_reserved, 0),
      static_cast<int64_t>(total - free),
      static_cast<int64_t>(total)};
}

std::string cuda_architecture(c10::DeviceIndex device) {
  int major = 0;
  int minor = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  return "sm_" + std::to_string(major) + std::to_string(minor);
}

} // namespace darkroom
