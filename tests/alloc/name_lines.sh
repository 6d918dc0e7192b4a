#!/bin/sh
# name_lines.sh: reads findings and gives each of their lines "at FILE+0xOFFSET (FUNCTION)" its line of source, where
# the file has one to tell.
while IFS= read -r line; do
    case $line in
    "    at "*+0x*)
        place=${line#    at }
        file=${place%%+0x*} offset=${place#*+} offset=${offset%% *}
        named=$(addr2line -s -f -p -e "$file" "$offset" 2>/dev/null) || named='??'
        case $named in
        '' | *\?\?*) echo "    ${place##*/}" ;;
        *) echo "    $named" ;;
        esac
        ;;
    *) printf '%s\n' "$line" ;;
    esac
done
