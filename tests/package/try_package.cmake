# Installs BUILD into a folder of its own, builds CONSUMER with it and runs that.
set(place "${BUILD}/package_test")
file(REMOVE_RECURSE "${place}")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN}: ${code}\n${output}\n${errors}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${place}/prefix")
run("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${place}/build" -G Ninja "-DCMAKE_PREFIX_PATH=${place}/prefix")
run("${CMAKE_COMMAND}" --build "${place}/build")
run("${place}/build/consumer")
if(NOT output STREQUAL "lockstep ${VERSION}: 2 heads\n")
  message(FATAL_ERROR "the consumer says: ${output}")
endif()
