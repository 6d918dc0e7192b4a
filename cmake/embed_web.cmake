# embed_web(OUT): makes a C file that holds the dashboard's page (web/). With npm it is bundled there, its
# packages pinned by web/package-lock.json; without, or with PBXHOOK_WEB=OFF, it is web/plain.html, which says
# so: the API is the same. Sets OUT to the C file.
function(embed_web out)
  set(web ${PROJECT_SOURCE_DIR}/web)
  set(built ${PROJECT_BINARY_DIR}/web)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/web_files.c)
  set(writer ${PROJECT_SOURCE_DIR}/cmake/embed_web_write.cmake)
  find_program(NPM npm)
  find_program(NODE NAMES node nodejs)
  if(PBXHOOK_WEB AND NPM AND NODE)
    file(GLOB sources CONFIGURE_DEPENDS ${web}/src/*)
    add_custom_command(OUTPUT ${built}/installed
      COMMAND ${CMAKE_COMMAND} -E make_directory ${built}
      COMMAND ${CMAKE_COMMAND} -E copy ${web}/package.json ${web}/package-lock.json ${web}/.npmrc
              ${web}/build.mjs ${built}
      COMMAND ${CMAKE_COMMAND} -DNPM=${NPM} -DDIRECTORY=${built}
              -P ${PROJECT_SOURCE_DIR}/cmake/install_web.cmake
      DEPENDS ${web}/package.json ${web}/package-lock.json ${web}/.npmrc ${web}/build.mjs
      COMMENT "Installing what the dashboard's page is bundled with"
      VERBATIM)
    add_custom_command(OUTPUT ${built}/dist/index.html
      COMMAND ${CMAKE_COMMAND} -E chdir ${built} ${NODE} build.mjs ${web}/src ${built}/dist
              ${PROJECT_VERSION}
      DEPENDS ${built}/installed ${sources}
      COMMENT "Bundling the dashboard's page"
      VERBATIM)
    set(from ${built}/dist)
    set(made ${built}/dist/index.html)
  else()
    message(STATUS "No npm, or PBXHOOK_WEB is off: / will be a plain page; the API is complete")
    set(from ${web}/plain)
    set(made ${web}/plain/index.html)
  endif()
  add_custom_command(OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DFROM=${from} -DOUTPUT=${source} -P ${writer}
    DEPENDS ${made} ${writer}
    VERBATIM)
  set(${out} ${source} PARENT_SCOPE)
endfunction()
