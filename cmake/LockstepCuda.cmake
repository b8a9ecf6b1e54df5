# The CUDA backend: a module that the program opens at run time, built where there is a toolkit.
#   LOCKSTEP_CUDA                AUTO builds it where nvcc is found, ON insists, OFF leaves it out
#   LOCKSTEP_CUDA_ARCHITECTURES  what it is compiled for, as CMAKE_CUDA_ARCHITECTURES: 90-real is code
#                                for that GPU, 90 also the PTX that newer GPUs compile for themselves
set(LOCKSTEP_CUDA AUTO CACHE STRING "Build the CUDA module: AUTO, ON or OFF")
set_property(CACHE LOCKSTEP_CUDA PROPERTY STRINGS AUTO ON OFF)
# Few, because every one more is compiled for minutes; scripts/gpu_check has the whole list.
set(LOCKSTEP_CUDA_ARCHITECTURES "80-real;90" CACHE STRING "GPU architectures of the CUDA module")

# lockstep_cuda_sources(<variable> NCCL|NO_NCCL): the module's files, for nvcc and for the emulation.
function(lockstep_cuda_sources variable nccl)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/layers/kernels/cuda/*.cu"
       "${PROJECT_SOURCE_DIR}/layers/kernels/cuda/*.cpp" "${PROJECT_SOURCE_DIR}/comm/nccl/*.cpp")
  if(nccl STREQUAL "NCCL")
    list(FILTER sources EXCLUDE REGEX "/no_nccl\\.cpp$")
  else()
    list(FILTER sources EXCLUDE REGEX "/nccl_reducer\\.cpp$")
  endif()
  # The interfaces' own few lines: all of lockstep_comm would bring MPI along, all of lockstep_layers
  # the other backends.
  set(${variable} ${sources} "${PROJECT_SOURCE_DIR}/comm/groups/hosts.cpp"
      "${PROJECT_SOURCE_DIR}/comm/peers/call_watch.cpp"
      "${PROJECT_SOURCE_DIR}/comm/reducer.cpp"
      "${PROJECT_SOURCE_DIR}/comm/watchdog.cpp"
      "${PROJECT_SOURCE_DIR}/layers/kernels/row_search.cpp" PARENT_SCOPE)
endfunction()

# lockstep_cuda_module(<target>): what both modules have in common. Nothing but the two functions
# that the program looks for is seen from outside.
function(lockstep_cuda_module target)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE lockstep_core lockstep_options)
  target_link_options(${target} PRIVATE -Wl,--exclude-libs,ALL -Wl,--no-undefined)
  set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden
                        CUDA_VISIBILITY_PRESET hidden)
endfunction()

# Sets LOCKSTEP_CUDA_FOUND, or LOCKSTEP_CUDA_WHY_NOT.
macro(lockstep_find_cuda)
  set(LOCKSTEP_CUDA_FOUND OFF)
  find_program(LOCKSTEP_NVCC nvcc HINTS ENV CUDACXX ENV CUDA_HOME PATHS /usr/local/cuda/bin
               DOC "NVIDIA's compiler")
  if(LOCKSTEP_CUDA STREQUAL "OFF")
    set(LOCKSTEP_CUDA_WHY_NOT "off (LOCKSTEP_CUDA)")
  elseif(LOCKSTEP_CUDA STREQUAL "AUTO" AND (LOCKSTEP_SANITIZE OR LOCKSTEP_BUILD_FUZZERS))
    set(LOCKSTEP_CUDA_WHY_NOT "off: sanitizers watch it under the emulation")
  elseif(LOCKSTEP_NVCC)
    set(LOCKSTEP_CUDA_FOUND ON)
  elseif(LOCKSTEP_CUDA STREQUAL "ON")
    message(FATAL_ERROR "LOCKSTEP_CUDA=ON, but no nvcc was found; put it into PATH or set CUDACXX")
  else()
    set(LOCKSTEP_CUDA_WHY_NOT "no nvcc was found")
  endif()
endmacro()

lockstep_find_cuda()
if(LOCKSTEP_CUDA_FOUND)
  set(CMAKE_CUDA_COMPILER "${LOCKSTEP_NVCC}" CACHE FILEPATH "NVIDIA's compiler")
  set(CMAKE_CUDA_ARCHITECTURES "${LOCKSTEP_CUDA_ARCHITECTURES}")
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  if(CCACHE)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  endif()
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25.1 does not know that nvcc has it
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_EXTENSIONS OFF)
  # -isystem /usr/include hides the headers that libstdc++ looks for behind its own.
  list(APPEND CMAKE_CUDA_IMPLICIT_INCLUDE_DIRECTORIES ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})
  find_package(CUDAToolkit REQUIRED)
endif()
