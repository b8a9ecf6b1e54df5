# What cpack reads for each kind of package (LockstepPackages.cmake).
# A Debian package depends on packages of Debian, which has none with the libraries of the CUDA module.
if(NOT CPACK_GENERATOR STREQUAL "DEB" AND CPACK_LOCKSTEP_HAS_CUDA)
  set(CPACK_COMPONENTS_ALL program cuda)
endif()
if(NOT CPACK_GENERATOR STREQUAL "DEB")
  set(CPACK_PACKAGING_INSTALL_PREFIX /)
  set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY ON)
endif()

# The time of all files in a package: SOURCE_DATE_EPOCH, else that of the commit.
if(NOT DEFINED ENV{SOURCE_DATE_EPOCH})
  execute_process(COMMAND git -C "${CPACK_LOCKSTEP_SOURCE}" log -1 --format=%ct OUTPUT_VARIABLE committed
                  ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT committed)
    set(committed 0)  # a copy without git
  endif()
  set(ENV{SOURCE_DATE_EPOCH} "${committed}")
endif()
