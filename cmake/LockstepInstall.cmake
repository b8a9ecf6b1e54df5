# What `cmake --install` puts below the prefix, in components:
#   program      the program, what it finds beside it (configurations, models), manual pages and completion
#   cuda         the CUDA module, where it was built
#   development  the libraries, their headers and the package with which another project finds them:
#                find_package(Lockstep) and lockstep::engine
include(CMakePackageConfigHelpers)
set(package lib/cmake/Lockstep)
set(shipped share/lockstep)  # where the program looks (core/files/shipped_files.h)

install(TARGETS lockstep RUNTIME DESTINATION bin COMPONENT program)
if(TARGET lockstep_cuda)
  install(TARGETS lockstep_cuda LIBRARY DESTINATION lib COMPONENT cuda)
endif()
foreach(folder configs models)
  install(DIRECTORY ${folder} DESTINATION ${shipped} COMPONENT program)
  # The program in the build folder finds them, too.
  file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/${shipped}")
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${folder}" "${PROJECT_BINARY_DIR}/${shipped}/${folder}"
       SYMBOLIC)
endforeach()
if(NOT CMAKE_CROSSCOMPILING)  # else the program cannot write them here
  install(CODE "set(LOCKSTEP_PROGRAM \"$<TARGET_FILE:lockstep>\")
    set(LOCKSTEP_PAGES \"${PROJECT_BINARY_DIR}/pages\")
    include(\"${PROJECT_SOURCE_DIR}/cmake/LockstepPages.cmake\")" COMPONENT program)
endif()
install(FILES README.md CHANGELOG.md DESTINATION share/doc/lockstep COMPONENT program)
install(FILES LICENSE DESTINATION share/doc/lockstep RENAME copyright COMPONENT program)

foreach(folder core comm partition report tokenizer layers engine text runtime api serving planning batch bench server)
  install(DIRECTORY ${folder} DESTINATION include/lockstep COMPONENT development
          FILES_MATCHING PATTERN "*.h" PATTERN "cuda" EXCLUDE PATTERN "nccl" EXCLUDE)
endforeach()
install(EXPORT LockstepTargets NAMESPACE lockstep:: DESTINATION ${package} COMPONENT development)
configure_package_config_file(cmake/LockstepConfig.cmake.in
  "${PROJECT_BINARY_DIR}/LockstepConfig.cmake" INSTALL_DESTINATION ${package})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/LockstepConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/LockstepConfig.cmake"
        "${PROJECT_BINARY_DIR}/LockstepConfigVersion.cmake" DESTINATION ${package}
        COMPONENT development)
