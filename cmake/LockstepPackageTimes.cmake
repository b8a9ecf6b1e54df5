# Before cpack packs what it has laid out: every file and folder from the time SOURCE_DATE_EPOCH.
file(GLOB_RECURSE entries LIST_DIRECTORIES ON "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*")
foreach(entry IN LISTS entries)
  execute_process(COMMAND touch --no-dereference --date=@$ENV{SOURCE_DATE_EPOCH} "${entry}" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
