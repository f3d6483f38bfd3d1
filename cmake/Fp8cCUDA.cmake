# Finds what the CUDA part of the runtime needs: the toolkit (12.8 or newer, with
# cuBLASLt), and for attention cuDNN 9 with its frontend headers. All optional.
include(CheckLanguage)

set(FP8C_CUDA OFF)
find_program(FP8C_NVCC nvcc HINTS ENV CUDA_PATH PATHS /usr/local/cuda/bin)
if(FP8C_NVCC)
  set(CMAKE_CUDA_COMPILER ${FP8C_NVCC})
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    # sm_90 code, and PTX that newer GPUs translate; Ada has its own.
    set(CMAKE_CUDA_ARCHITECTURES 89-real 90)
  endif()
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
  check_language(CUDA)
endif()
if(CMAKE_CUDA_COMPILER)
  enable_language(CUDA)
  find_package(CUDAToolkit 12.8)
  if(TARGET CUDA::cublasLt)
    set(FP8C_CUDA ON)
  endif()
endif()

if(FP8C_CUDA)
  # scripts/install unpacks the headers from PyPI where no package has put them.
  find_path(FP8C_CUDNN_FRONTEND cudnn_frontend.h
    HINTS ${CUDAToolkit_INCLUDE_DIRS} ${PROJECT_SOURCE_DIR}/build/cudnn-frontend/include
    DOC "Folder of cuDNN's frontend headers")
  find_library(FP8C_CUDNN cudnn HINTS ${CUDAToolkit_LIBRARY_DIR} DOC "cuDNN 9")
  if(NOT FP8C_CUDNN_FRONTEND OR NOT FP8C_CUDNN)
    message(WARNING "cuDNN 9 and its frontend headers were not found: attention on GPUs will use plain "
      "kernels, which are slow. Install cuDNN, and the headers with 'pip download nvidia-cudnn-frontend' "
      "(-DFP8C_CUDNN_FRONTEND=<folder of cudnn_frontend.h>).")
  endif()
  find_library(FP8C_NCCL nccl HINTS ${CUDAToolkit_LIBRARY_DIR} DOC "NCCL 2.28, for programs on several GPUs")
else()
  message(STATUS "No CUDA toolkit 12.8 or newer: programs for CUDA can be written, but not built or run here")
endif()
