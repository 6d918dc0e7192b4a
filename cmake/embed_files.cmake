# embed_files(NAME OUT FILE...): makes a C file that holds the files as `const char *const NAME[]`: each
# one's name and text by turns, NULL at the end. Sets OUT to the C file.
function(embed_files name out)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  add_custom_command(OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} "-DFILES=${ARGN}" -DOUTPUT=${source}
            -P ${PROJECT_SOURCE_DIR}/cmake/embed_files_write.cmake
    DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/cmake/embed_files_write.cmake
    VERBATIM)
  set(${out} ${source} PARENT_SCOPE)
endfunction()
