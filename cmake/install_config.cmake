# Run by `cmake --install`: the configuration is its owner's once it is there, and is never overwritten.
# In: CONFIG, the file of this version; DIRECTORY, where it belongs (DESTDIR is of the environment).
set(target $ENV{DESTDIR}${DIRECTORY}/pbxhook.conf)
file(MAKE_DIRECTORY $ENV{DESTDIR}${DIRECTORY}/conf.d)
if(EXISTS ${target})
  message(STATUS "Kept as it is: ${target}")
else()
  file(INSTALL ${CONFIG} DESTINATION ${DIRECTORY})
endif()
