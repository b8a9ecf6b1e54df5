# The document at /openapi.json, as text for the program.
#   cmake -D OUTPUT=openapi_text.inc -P embed.cmake
cmake_minimum_required(VERSION 3.25)
file(READ "${CMAKE_CURRENT_LIST_DIR}/openapi.json" text)
# Compilers need not take a literal of more than 64 KiB; parts of one stand behind each other.
string(LENGTH "${text}" rest)
set(parts "")
set(at 0)
while(at LESS rest)
  string(SUBSTRING "${text}" ${at} 8000 part)
  string(APPEND parts "R\"openapi(${part})openapi\"\n")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE "${OUTPUT}" "constexpr char kText[] =\n${parts};\n")
