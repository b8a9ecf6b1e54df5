# When the program is installed it writes its manual pages and its completion for shells, where man and the shells look
# for them. LOCKSTEP_PROGRAM is the program that was built, below LOCKSTEP_PAGES it writes: each installation in a
# folder of its own, since several may run at the same time.
string(RANDOM LENGTH 12 folder)
set(LOCKSTEP_PAGES "${LOCKSTEP_PAGES}/${folder}")

function(lockstep_page folder name)
  file(MAKE_DIRECTORY "${LOCKSTEP_PAGES}")
  execute_process(COMMAND "${LOCKSTEP_PROGRAM}" ${ARGN} OUTPUT_FILE "${LOCKSTEP_PAGES}/${name}"
                  COMMAND_ERROR_IS_FATAL ANY)
  file(INSTALL "${LOCKSTEP_PAGES}/${name}" DESTINATION "${CMAKE_INSTALL_PREFIX}/${folder}")
endfunction()

execute_process(COMMAND "${LOCKSTEP_PROGRAM}" manual --list OUTPUT_VARIABLE manuals
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" manuals "${manuals}")
foreach(manual IN LISTS manuals)
  lockstep_page(share/man/man1 "${manual}.1" manual "${manual}")
endforeach()
lockstep_page(share/bash-completion/completions lockstep completion bash)
lockstep_page(share/zsh/site-functions _lockstep completion zsh)
lockstep_page(share/fish/vendor_completions.d lockstep.fish completion fish)
file(REMOVE_RECURSE "${LOCKSTEP_PAGES}")
