#!/bin/sh
# make_page.sh TEMPLATE PAGE NAME=VALUE... : writes a man page: the template with @NAME@ replaced, and lines that
# are one of these words replaced by what the program or the configuration says of itself, so that a page
# can't tell of an option that is not there, or be silent about one that is:
#
#   @HELP_OPTIONS@    the entries under "options:" of PROGRAM --help
#   @HELP_COMMANDS@   each command of PROGRAM --help with its own help
#   @HELP_SECTIONS@   all sections of PROGRAM --help that have entries
#   @CONFIG_KEYS@     the keys of CONFIG
set -eu
here=$(dirname "$0")
template=$1
page=$2
shift 2
PROGRAM=
CONFIG=
substitutions=
for assignment in "$@"; do
    name=${assignment%%=*}
    value=${assignment#*=}
    case "$name" in
    PROGRAM) PROGRAM=$value ;;
    CONFIG) CONFIG=$value ;;
    *) substitutions="$substitutions;s|@$name@|$value|g" ;;
    esac
done

help_options() {
    "$PROGRAM" --help | awk '/^options:$/ { on = 1; next } on && $0 == "" { exit } on' |
        awk -f "$here/help_to_mdoc.awk"
}

help_commands() {
    "$PROGRAM" --help | awk '/^commands:$/ { on = 1; next } on && $0 == "" { exit } on { print $1 }' |
        while read -r command; do
            "$PROGRAM" "$command" --help >"$scratch"
            # The first line is "usage: pbxhook COMMAND ...".
            printf '.Ss %s\n.Nm\n.Cm %s\n' "$command" "$command"
            sed -n "1s/^usage: [^ ]* $command *//p" "$scratch" | grep -v '^$' | sed 's/-/\\-/g' || true
            echo .Pp
            sed 1,2d "$scratch" | awk -v headings=0 -f "$here/help_to_mdoc.awk"
        done
}

# From the first heading on: a line at the margin, after a blank one, with an entry below that is an option.
help_sections() {
    "$PROGRAM" --help | awk '
        !on && previous ~ /^[^ ]/ && before == "" && /^  -/ { on = 1; print previous }
        on { print }
        { before = previous; previous = $0 }' | awk -f "$here/help_to_mdoc.awk"
}

scratch=$(mktemp)
trap 'rm -f "$scratch" "$page.new"' EXIT
trap 'exit 1' INT TERM HUP
sed "$substitutions" "$template" | while IFS= read -r line; do
    case "$line" in
    @HELP_OPTIONS@) help_options ;;
    @HELP_COMMANDS@) help_commands ;;
    @HELP_SECTIONS@) help_sections ;;
    @CONFIG_KEYS@) awk -f "$here/config_to_mdoc.awk" "$CONFIG" ;;
    *) printf '%s\n' "$line" ;;
    esac
done >"$page.new"
mv "$page.new" "$page"
