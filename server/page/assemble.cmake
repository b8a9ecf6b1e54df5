# Puts the page together, one file that needs no other, as text for the program.
#   cmake -D OUTPUT=page_text.inc -P assemble.cmake
# The page's one style and one script may run, nothing else: the security policy names their hashes.
cmake_minimum_required(VERSION 3.25)

# In this order: each uses what stands before it.
set(scripts dom server tokens settings editor column alternatives writer code ranks page)

# The SHA-256 of a text as Content-Security-Policy writes it: base64 of 32 bytes, 3 bytes at a time.
function(policy_hash text result)
  set(digits "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  string(SHA256 hex "${text}")
  set(base64 "")
  string(REGEX MATCHALL "......" groups "${hex}00")
  foreach(group ${groups})
    foreach(shift 18 12 6 0)
      math(EXPR digit "(0x${group} >> ${shift}) & 63")
      string(SUBSTRING "${digits}" ${digit} 1 digit)
      string(APPEND base64 ${digit})
    endforeach()
  endforeach()
  string(REGEX REPLACE ".$" "=" base64 "${base64}")  # for the byte that was added
  set(${result} "'sha256-${base64}'" PARENT_SCOPE)
endfunction()

set(folder "${CMAKE_CURRENT_LIST_DIR}")
set(script "\"use strict\";\n")
foreach(part ${scripts})
  file(READ "${folder}/script/${part}.js" text)
  string(APPEND script "\n${text}")
endforeach()
file(READ "${folder}/page.css" style)
file(READ "${folder}/page.html" html)
string(REPLACE "@PAGE_CSS@" "${style}" html "${html}")
string(FIND "${html}" "@PAGE_JS@" place)
string(SUBSTRING "${html}" 0 ${place} before_script)
string(REPLACE "${before_script}@PAGE_JS@" "" behind_script "${html}")
policy_hash("${style}" style_hash)
policy_hash("${script}" script_hash)
string(CONCAT policy "default-src 'none'; script-src ${script_hash}; style-src ${style_hash}; connect-src 'self'; "
                     "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
string(SHA256 tag "${before_script}${script}${behind_script}")
string(SUBSTRING "${tag}" 0 16 tag)

# In three parts: longer literals are more than compilers have to take.
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT [=[
// Made by server/page/assemble.cmake.
constexpr std::string_view kTag = "\"@tag@\"";
constexpr std::string_view kPolicy = "@policy@";
constexpr std::string_view kBeforeScript = R"page(@before_script@)page";
constexpr std::string_view kScript = R"page(@script@)page";
constexpr std::string_view kBehindScript = R"page(@behind_script@)page";
]=])
