# pbxhook_add_plugin(NAME SOURCE... [NO_INSTALL])
#
# A module NAME.so that exports its descriptor and nothing else, and that does not link when it needs a
# symbol that nobody gives it: better now than when the server loads it. Link what it uses with
# target_link_libraries(NAME PRIVATE ...). It is installed into PBXHOOK_PLUGIN_DIR; -D
# PBXHOOK_PLUGIN_DIR=... says otherwise, NO_INSTALL leaves it to you.
function(pbxhook_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 plugin "NO_INSTALL" "" "")
  if(NOT plugin_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "pbxhook_add_plugin(${name}): no sources")
  endif()
  add_library(${name} MODULE ${plugin_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE pbxhook::plugin)
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so"
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  set(map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/pbxhook_plugin.map)
  target_link_options(${name} PRIVATE LINKER:--version-script=${map})
  set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${map})
  # The sanitizers' runtimes are left undefined on purpose.
  if(NOT "${CMAKE_C_FLAGS} ${CMAKE_CXX_FLAGS} ${CMAKE_MODULE_LINKER_FLAGS}" MATCHES "-fsanitize=")
    target_link_options(${name} PRIVATE LINKER:-z,defs)
  endif()
  if(NOT plugin_NO_INSTALL)
    install(TARGETS ${name} LIBRARY DESTINATION "${PBXHOOK_PLUGIN_DIR}")
  endif()
endfunction()
