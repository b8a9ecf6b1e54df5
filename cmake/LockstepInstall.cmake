# What `cmake --install` puts beside the program: the libraries, their headers and the package with
# which another project finds them: find_package(Lockstep) and lockstep::engine.
include(CMakePackageConfigHelpers)
set(package lib/cmake/Lockstep)

foreach(folder core comm partition report tokenizer layers engine text runtime api serving planning batch bench server)
  install(DIRECTORY ${folder} DESTINATION include/lockstep FILES_MATCHING PATTERN "*.h"
          PATTERN "cuda" EXCLUDE PATTERN "nccl" EXCLUDE)
endforeach()
install(EXPORT LockstepTargets NAMESPACE lockstep:: DESTINATION ${package})
configure_package_config_file(cmake/LockstepConfig.cmake.in
  "${PROJECT_BINARY_DIR}/LockstepConfig.cmake" INSTALL_DESTINATION ${package})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/LockstepConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/LockstepConfig.cmake"
        "${PROJECT_BINARY_DIR}/LockstepConfigVersion.cmake" DESTINATION ${package})
