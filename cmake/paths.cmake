# Where things are installed: GNUInstallDirs, and what it has no name for. All may be set by a packager.
include(GNUInstallDirs)

# GNUInstallDirs has /etc for the prefix /usr only in its absolute names, so the others follow here.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(CMAKE_INSTALL_SYSCONFDIR ${CMAKE_INSTALL_FULL_SYSCONFDIR})
endif()

set(PBXHOOK_USER pbxhook CACHE STRING "The user that the systemd unit runs as")
set(PBXHOOK_UNITDIR lib/systemd/system CACHE STRING "Directory of systemd units")
set(PBXHOOK_SYSUSERSDIR lib/sysusers.d CACHE STRING "Directory of sysusers.d files; \"\" installs none")
set(PBXHOOK_COMPLETIONDIR ${CMAKE_INSTALL_DATADIR}/bash-completion/completions CACHE STRING
  "Directory of bash completions")
set(PBXHOOK_PLUGINDIR ${CMAKE_INSTALL_LIBDIR}/pbxhook/plugins CACHE STRING "Directory of plugins")

# PBXHOOK_FULL_X: the same as the programs see it when they run.
foreach(name PLUGINDIR UNITDIR)
  GNUInstallDirs_get_absolute_install_dir(PBXHOOK_FULL_${name} PBXHOOK_${name} ${name})
endforeach()
set(PBXHOOK_FULL_CONFDIR ${CMAKE_INSTALL_FULL_SYSCONFDIR}/pbxhook)
