# `cpack` makes of a build a Debian package (-G DEB) and a tarball that may be unpacked anywhere (-G TGZ).
# Both are the same bytes when they are made again (LockstepPackageTimes.cmake, LockstepPackageOrder.cmake).
set(CPACK_PACKAGE_NAME lockstep)
set(CPACK_PACKAGE_VENDOR "Lockstep")
set(CPACK_PACKAGE_CONTACT "Lockstep maintainers <maintainers@lockstep.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
"Runs GPT-J, GPT-NeoX (Pythia) and GPT-2 models split over many processes:
 a server with OpenAI's interface, batch jobs over files, evaluations, and
 benchmarks of how inference scales. Two small demo models come with it.")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}/packages")
set(CPACK_PACKAGE_FILE_NAME "lockstep-${PROJECT_VERSION}-linux-${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 1)  # else the compressed parts depend on how many there are

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_COMPONENTS_ALL program)
# Which components a package has depends on its kind, and when its files are from on the environment.
set(CPACK_PROJECT_CONFIG_FILE "${PROJECT_SOURCE_DIR}/cmake/LockstepPackageKinds.cmake")
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_SOURCE_DIR}/cmake/LockstepPackageTimes.cmake")
set(CPACK_POST_BUILD_SCRIPTS "${PROJECT_SOURCE_DIR}/cmake/LockstepPackageOrder.cmake")
set(CPACK_LOCKSTEP_SOURCE "${PROJECT_SOURCE_DIR}")
if(LOCKSTEP_CUDA_FOUND)
  set(CPACK_LOCKSTEP_HAS_CUDA ON)
else()
  set(CPACK_LOCKSTEP_HAS_CUDA OFF)
endif()

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
if(LOCKSTEP_MPI AND MPI_C_FOUND)
  set(CPACK_DEBIAN_PACKAGE_DEPENDS openmpi-bin)  # mpirun, which starts the ranks
endif()
set(CPACK_DEBIAN_PACKAGE_SUGGESTS openssh-client)  # by which it starts them on other hosts
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
include(CPack)
