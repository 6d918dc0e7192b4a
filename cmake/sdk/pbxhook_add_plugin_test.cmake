# pbxhook_add_plugin_test(NAME EVENTS.jsonl [OPTION=VALUE...] [--target=NAME...])
#
# A test of ctest: `pbxhook plugin try` on the plugin NAME and these events, with these options set. It
# fails when an expectation of the file does not come true, or the plugin crashes. Needs the pbxhook
# program on this machine: beside the SDK, in the PATH, or -D PBXHOOK_PROGRAM=...
function(pbxhook_add_plugin_test name events)
  find_program(PBXHOOK_PROGRAM pbxhook HINTS "${PBXHOOK_BIN_DIR}" REQUIRED
    DOC "The pbxhook program, which runs the plugins' tests")
  set(options ${ARGN})
  list(TRANSFORM options PREPEND "--option=" REGEX "^[^-]")
  get_filename_component(path "${events}" ABSOLUTE)
  get_filename_component(stem "${events}" NAME_WE)
  add_test(NAME ${name}.${stem}
    COMMAND ${PBXHOOK_PROGRAM} plugin try $<TARGET_FILE:${name}> ${path} ${options})
endfunction()
