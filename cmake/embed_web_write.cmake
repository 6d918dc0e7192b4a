# Run by embed_web(): writes the C file. index.html is "/", every other file "/assets/NAME".
set(types
  .css "text/css\; charset=utf-8"
  .html "text/html\; charset=utf-8"
  .js "text/javascript\; charset=utf-8"
  .svg "image/svg+xml"
  .txt "text/plain\; charset=utf-8"
  .woff2 "font/woff2"
  .webmanifest "application/manifest+json")
file(GLOB files ${FROM}/*)
list(SORT files)
set(arrays "")
set(rows "")
set(number 0)
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME)
  get_filename_component(extension ${file} LAST_EXT)
  list(FIND types ${extension} place)
  if(place LESS 0)
    message(FATAL_ERROR "${file}: no media type is known for ${extension}")
  endif()
  math(EXPR place "${place} + 1")
  list(GET types ${place} type)
  set(path "/assets/${name}")
  if(name STREQUAL "index.html")
    set(path "/")
  endif()
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
         "\\1\n    " bytes "${bytes}")
  file(SHA256 ${file} digest)
  string(SUBSTRING ${digest} 0 16 digest)
  string(APPEND arrays "static const unsigned char file_${number}[] = {\n    ${bytes}\n};\n\n")
  string(APPEND rows "    {\"${path}\", \"${type}\", \"\\\"${digest}\\\"\", file_${number}, sizeof file_${number}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT}
  "/* Made of web/; do not edit. */\n\n#include \"receiver/web.h\"\n\n${arrays}"
  "const struct web_file web_files[] = {\n${rows}    {0, 0, 0, 0, 0},\n};\n")
