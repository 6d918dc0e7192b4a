# Flags for every target of ours: warnings, hardening, sanitizers.
add_library(pbxhook_options INTERFACE)
target_compile_definitions(pbxhook_options INTERFACE
  _GNU_SOURCE PBXHOOK_VERSION="${PROJECT_VERSION}")
target_compile_options(pbxhook_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wvla
  -fvisibility=hidden -fno-omit-frame-pointer
  $<$<BOOL:${PBXHOOK_WERROR}>:-Werror>)

# For sources that must know: a sanitizer reserves terabytes, so that memory can't be limited.
set(PBXHOOK_SANITIZED 0)
if(PBXHOOK_SANITIZE)
  set(PBXHOOK_SANITIZED 1)
  target_compile_options(pbxhook_options INTERFACE
    -fsanitize=${PBXHOOK_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(pbxhook_options INTERFACE -fsanitize=${PBXHOOK_SANITIZE})
else()
  # -z defs is for shared objects too: a plugin must not need a symbol of the host. The sanitizers'
  # runtimes are left undefined on purpose, so it can't be asked for with them.
  target_link_options(pbxhook_options INTERFACE LINKER:-z,relro,-z,now,-z,defs)
endif()
if(PBXHOOK_FUZZ)
  target_compile_options(pbxhook_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(PBXHOOK_COVERAGE)
  target_compile_options(pbxhook_options INTERFACE --coverage)
  target_link_options(pbxhook_options INTERFACE --coverage)
endif()

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
set(CMAKE_C_FLAGS_RELEASE
  "-O2 -g -DNDEBUG -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong")
