# Run by `cmake --install`. In: BUILT_FOR, the prefix that the programs and pbxhook.pc were built with.
if(NOT CMAKE_INSTALL_PREFIX STREQUAL BUILT_FOR)
  message(WARNING "Installed below ${CMAKE_INSTALL_PREFIX}, but built for ${BUILT_FOR}: there the server looks for its "
    "plugins and its configuration, and pbxhook.pc says so too. Build it for the prefix that it is to have: "
    "cmake -DCMAKE_INSTALL_PREFIX=${CMAKE_INSTALL_PREFIX}. To stage a package use DESTDIR.")
endif()
