# Fails unless the shared object PLUGIN exports the symbol pbxhook_plugin, as data, and nothing else.
execute_process(COMMAND ${NM} -D --defined-only --format=posix ${PLUGIN}
  OUTPUT_VARIABLE symbols RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${NM} failed on ${PLUGIN}: ${result}")
endif()
string(STRIP "${symbols}" symbols)
if(NOT symbols MATCHES "^pbxhook_plugin [DR] [^\n]*$")
  message(FATAL_ERROR "${PLUGIN}: found these symbols, wanted pbxhook_plugin alone:\n${symbols}")
endif()
