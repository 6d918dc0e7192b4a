# source.sh: sourced by the scripts that build packages, from the top of the tree.
#
#   copy_source DIRECTORY      copies the tree without what was built: as in git, or, without git, all of it
#   changelog_entries VERSION  prints that version's points from CHANGELOG.md, one a line

copy_source() {
    mkdir -p "$1"
    if git rev-parse --show-prefix 2>/dev/null | grep -qx ''; then
        git ls-files -z --cached --others --exclude-standard
    else
        find . \( -path ./build -o -path ./.git -o -name node_modules \) -prune -o -type f -print0
    fi | tar -c --null --files-from=- | tar -x -C "$1"
}

# A point may go on over several lines; headings within a version are left out.
changelog_entries() {
    awk -v version="$1" '
        function flush() { if (point != "") print point; point = "" }
        /^## / { flush(); on = $2 == version; next }
        !on || /^#/ || /^$/ { flush(); next }
        /^- / { flush(); point = substr($0, 3); next }
        point != "" { sub(/^ +/, ""); point = point " " $0 }
        END { flush() }' CHANGELOG.md
}
