# The configuration as it is installed: what is commented out in it is the default, which for plugin_dir is this
# build's. PBXHOOK_CONFIGURATION is the file.
set(shipped config/pbxhook.conf)
set(PBXHOOK_CONFIGURATION ${PROJECT_BINARY_DIR}/install/config/pbxhook.conf)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${shipped})

file(READ ${shipped} text)
string(FIND "${text}" "#plugin_dir = \"/usr/lib/pbxhook/plugins\"" found)
if(found EQUAL -1)
  message(FATAL_ERROR "${shipped} has no default of plugin_dir that could be replaced")
endif()
string(REPLACE "#plugin_dir = \"/usr/lib/pbxhook/plugins\"" "#plugin_dir = \"${PBXHOOK_FULL_PLUGINDIR}\""
  text "${text}")
file(GENERATE OUTPUT ${PBXHOOK_CONFIGURATION} CONTENT "${text}")
