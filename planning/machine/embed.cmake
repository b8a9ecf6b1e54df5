# The descriptions of configs/machines/, as text for the program.
#   cmake -D MACHINES=FOLDER -D OUTPUT=shipped_machines.inc -P embed.cmake
cmake_minimum_required(VERSION 3.25)
file(GLOB files "${MACHINES}/*.yaml")
list(SORT files)
set(entries "")
foreach(file ${files})
  cmake_path(GET file STEM name)
  file(READ "${file}" text)
  string(APPEND entries "    {\"${name}\", R\"machine(${text})machine\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "constexpr Shipped kShipped[] = {\n${entries}};\n")
