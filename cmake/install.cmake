# What is installed besides the programs and the plugins: configuration, unit, SDK, documents.
include(CMakePackageConfigHelpers)
set(generated ${PROJECT_BINARY_DIR}/install)

install(CODE "set(BUILT_FOR \"${CMAKE_INSTALL_PREFIX}\")")
install(SCRIPT ${PROJECT_SOURCE_DIR}/cmake/install_prefix.cmake)

# ---- The server's -----------------------------------------------------------------------------------
install(CODE "set(CONFIG \"${PBXHOOK_CONFIGURATION}\")")
if(IS_ABSOLUTE "${CMAKE_INSTALL_SYSCONFDIR}")
  install(CODE "set(DIRECTORY \"${CMAKE_INSTALL_SYSCONFDIR}/pbxhook\")")
else()
  install(CODE "set(DIRECTORY \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_SYSCONFDIR}/pbxhook\")")
endif()
install(SCRIPT ${PROJECT_SOURCE_DIR}/cmake/install_config.cmake)

foreach(unit service socket)
  configure_file(packaging/systemd/pbxhook.${unit}.in ${generated}/pbxhook.${unit} @ONLY)
  install(FILES ${generated}/pbxhook.${unit} DESTINATION ${PBXHOOK_UNITDIR})
endforeach()
if(PBXHOOK_SYSUSERSDIR)
  configure_file(packaging/systemd/sysusers.conf.in ${generated}/pbxhook.conf @ONLY)
  install(FILES ${generated}/pbxhook.conf DESTINATION ${PBXHOOK_SYSUSERSDIR})
endif()

# ---- The SDK ----------------------------------------------------------------------------------------
install(FILES include/pbxhook/plugin.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pbxhook)

configure_file(cmake/sdk/pbxhook.pc.in ${generated}/pbxhook.pc @ONLY)
install(FILES ${generated}/pbxhook.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pbxhook)
configure_package_config_file(cmake/sdk/pbxhookConfig.cmake.in ${generated}/pbxhookConfig.cmake
  INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_BINDIR PBXHOOK_PLUGINDIR)
# The header is the same for every architecture. Before 1.0 a minor version may break.
write_basic_package_version_file(${generated}/pbxhookConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${generated}/pbxhookConfig.cmake ${generated}/pbxhookConfigVersion.cmake
  cmake/sdk/pbxhook_add_plugin.cmake cmake/sdk/pbxhook_add_plugin_test.cmake
  cmake/sdk/pbxhook_plugin.map DESTINATION ${package_dir})

# ---- Documents --------------------------------------------------------------------------------------
install(FILES docs/plugins.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES packaging/completion/pbxhook DESTINATION ${PBXHOOK_COMPLETIONDIR})
if(TARGET mock-pbx)
  install(FILES packaging/completion/mock-pbx DESTINATION ${PBXHOOK_COMPLETIONDIR})
endif()
install(DIRECTORY plugins/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples/reference
  FILES_MATCHING PATTERN "*.c")
