# After cpack has packed: cpack's tarballs have their entries in the order of the file system, and the user and group
# of whoever made them. Packed again they are sorted, and nobody's.
foreach(package IN LISTS CPACK_PACKAGE_FILES)
  if(package MATCHES "\\.tar\\.gz$")
    set(unpacked "${package}.unpacked")
    file(REMOVE_RECURSE "${unpacked}")
    file(MAKE_DIRECTORY "${unpacked}")
    file(ARCHIVE_EXTRACT INPUT "${package}" DESTINATION "${unpacked}")
    file(GLOB top RELATIVE "${unpacked}" "${unpacked}/*")
    execute_process(
      COMMAND tar --sort=name --owner=0 --group=0 --numeric-owner --format=gnu
              "--mtime=@$ENV{SOURCE_DATE_EPOCH}" -C "${unpacked}" -cf - ${top}
      COMMAND gzip --best --no-name
      OUTPUT_FILE "${package}" COMMAND_ERROR_IS_FATAL ANY)
    file(REMOVE_RECURSE "${unpacked}")
  endif()
endforeach()
