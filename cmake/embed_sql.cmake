# embed_sql(DIR NAME OUT): makes a C file that holds the numbered migrations DIR/NNNN_*.sql, in order,
# as `const char *const NAME[]`, NULL at the end. Sets OUT to the C file.
function(embed_sql dir name out)
  file(GLOB scripts CONFIGURE_DEPENDS ${dir}/*.sql)
  list(SORT scripts)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  add_custom_command(OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} "-DSCRIPTS=${scripts}" -DOUTPUT=${source}
            -P ${PROJECT_SOURCE_DIR}/cmake/embed_sql_write.cmake
    DEPENDS ${scripts} ${PROJECT_SOURCE_DIR}/cmake/embed_sql_write.cmake
    VERBATIM)
  set(${out} ${source} PARENT_SCOPE)
endfunction()
