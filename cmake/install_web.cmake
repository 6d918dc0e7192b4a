# Run by embed_web(): installs what the page is bundled with, or says what to do without.
execute_process(COMMAND ${NPM} ci --ignore-scripts --no-progress --loglevel=error
  WORKING_DIRECTORY ${DIRECTORY} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "npm could not install the packages of the dashboard's page (web/package-lock.json). "
    "Configure with -DPBXHOOK_WEB=OFF for a server without the page.")
endif()
file(WRITE ${DIRECTORY}/installed "")
