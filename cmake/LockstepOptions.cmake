# Options, the interface target with what everything is compiled with, and the helpers that every
# folder uses.

option(LOCKSTEP_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(LOCKSTEP_BUILD_FUZZERS "Build the libFuzzer targets (needs Clang)" OFF)
option(LOCKSTEP_WARNINGS_AS_ERRORS "Stop at compiler warnings, as the presets do" OFF)
option(LOCKSTEP_MPI "Build the MPI communicator" ON)
option(LOCKSTEP_HWLOC "Use hwloc to place threads on cores, where it is installed" ON)
set(LOCKSTEP_SANITIZE "" CACHE STRING "Comma-separated sanitizers, for example address,undefined")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
  endif()
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # It keeps what was made with a precompiled header only when told that macros come from it, too;
  # and shares it between clones only where paths are relative.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
      "CCACHE_SLOPPINESS=pch_defines,time_macros"
      "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" "CCACHE_NOHASHDIR=1" "${CCACHE}")
endif()
# The same relative paths in the objects without ccache: where the sources lie is in no program.
file(RELATIVE_PATH LOCKSTEP_SOURCE_FROM_BUILD "${PROJECT_BINARY_DIR}" "${PROJECT_SOURCE_DIR}")
string(REGEX REPLACE "/$" "" LOCKSTEP_SOURCE_FROM_BUILD "${LOCKSTEP_SOURCE_FROM_BUILD}")

# What everything here is compiled and linked with; nothing of it reaches those who use the libraries.
add_library(lockstep_options INTERFACE)
add_library(lockstep::options ALIAS lockstep_options)
# nvcc has warnings of its own (layers/kernels/cuda).
target_compile_options(lockstep_options INTERFACE
  "$<$<COMPILE_LANGUAGE:C,CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion>"
  "$<$<AND:$<BOOL:${LOCKSTEP_WARNINGS_AS_ERRORS}>,$<COMPILE_LANGUAGE:C,CXX>>:-Werror>")
# Contracting a*b+c into one rounding would make results depend on the compiler: where a kernel wants
# FMA it says so.
target_compile_options(lockstep_options INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-ffp-contract=off>)
if(NOT CCACHE)
  target_compile_options(lockstep_options INTERFACE
    "$<$<COMPILE_LANGUAGE:C,CXX>:-ffile-prefix-map=${PROJECT_SOURCE_DIR}=${LOCKSTEP_SOURCE_FROM_BUILD}>")
endif()
if(LOCKSTEP_SANITIZE)
  target_compile_options(lockstep_options INTERFACE
    -fsanitize=${LOCKSTEP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
    # GCC's checks in between hide from it what has been set: it warns of the standard library's own.
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>)
  target_link_options(lockstep_options INTERFACE -fsanitize=${LOCKSTEP_SANITIZE})
endif()
# Coverage counters, where there are fuzz targets: a fuzzer that cannot see where it gets to is blind.
# Only for folders that read files, because they slow down everything else.
function(lockstep_fuzzed target)
  if(LOCKSTEP_BUILD_FUZZERS)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# A library that others may link: lockstep::NAME here, and where Lockstep is installed.
function(lockstep_exported target name)
  add_library(lockstep::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS ${target} EXPORT LockstepTargets ARCHIVE DESTINATION lib COMPONENT development)
endfunction()

# lockstep_library(core LINK fmt::fmt): the static library lockstep_core from this folder's
# sources (and, with RECURSE, those below it), but for the files and folders that EXCLUDE names.
function(lockstep_library folder)
  cmake_parse_arguments(ARG "RECURSE" "" "LINK;EXCLUDE" ${ARGN})
  if(ARG_RECURSE)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  else()
    file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  endif()
  foreach(name ${ARG_EXCLUDE})
    list(REMOVE_ITEM sources "${CMAKE_CURRENT_SOURCE_DIR}/${name}")
    list(FILTER sources EXCLUDE REGEX "^${CMAKE_CURRENT_SOURCE_DIR}/${name}/")
  endforeach()
  add_library(lockstep_${folder} STATIC ${sources})
  target_compile_features(lockstep_${folder} PUBLIC cxx_std_20)
  # Includes are written from the root of the source tree.
  target_include_directories(lockstep_${folder} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>" "$<INSTALL_INTERFACE:include/lockstep>")
  target_link_libraries(lockstep_${folder} PUBLIC ${ARG_LINK} PRIVATE $<BUILD_INTERFACE:lockstep_options>)
  lockstep_exported(lockstep_${folder} ${folder})
endfunction()

# Clang writes into a precompiled header where the clone lies, so ccache would find nothing that was
# compiled with it in another one; and parsing the headers each time costs Clang little.
if(CCACHE AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)
endif()

# Parses slow headers once for the target.
function(lockstep_precompile target)
  target_precompile_headers(${target} PRIVATE ${ARGN})
  lockstep_precompiled_options(${target})
endfunction()

# The target takes the headers that were precompiled for the other one, with the same options.
function(lockstep_precompiled_by other target)
  target_precompile_headers(${target} REUSE_FROM ${other})
  lockstep_precompiled_options(${target})
endfunction()

# So that ccache sees which header was precompiled. And GCC warns of what it inlines from the
# standard library's headers, mistakenly (its bug 105651), when they come precompiled.
function(lockstep_precompiled_options target)
  target_compile_options(${target} PRIVATE
    "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess;-Wno-array-bounds;-Wno-restrict;-Wno-stringop-overflow;-Wno-stringop-overread>"
    # Else the header's time of day would be in every object, and none the same as before.
    "$<$<COMPILE_LANG_AND_ID:CXX,Clang>:SHELL:-Xclang -fno-pch-timestamp>")
endfunction()
