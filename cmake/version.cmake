# Numbers that are written down in one place each: the version in project() of the top CMakeLists.txt, the
# plugin ABI in the header. Everything else (programs, man pages, packages, the SDK) is told from here.
file(STRINGS ${PROJECT_SOURCE_DIR}/include/pbxhook/plugin.h abi_lines
  REGEX "^#define PBXHOOK_ABI_(MAJOR|MINOR) +[0-9]+")
foreach(part MAJOR MINOR)
  if(NOT "${abi_lines}" MATCHES "PBXHOOK_ABI_${part} +([0-9]+)")
    message(FATAL_ERROR "include/pbxhook/plugin.h defines no PBXHOOK_ABI_${part}")
  endif()
  set(PBXHOOK_ABI_${part} ${CMAKE_MATCH_1})
endforeach()
# The day of the man pages, set when a version is made.
set(PBXHOOK_DATE "November 24, 2026")
set(PBXHOOK_ABI_VERSION ${PBXHOOK_ABI_MAJOR}.${PBXHOOK_ABI_MINOR})
