#!/bin/sh
# completion_test.sh SOURCE PBXHOOK MOCK_PBX: what bash offers when a user presses the tabulator.
source=$1 pbxhook=$2 mock_pbx=$3
. "$source/tests/install/lib.sh"

# offers FILE WORD...: completes the last of the words; what is offered, on one line.
offers() {
    file=$1
    shift
    bash -c '
        set -u
        source "$1"
        shift
        function_name=$(complete -p "${1##*/}" | sed "s/.*-F \([^ ]*\).*/\1/")
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        "$function_name" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        echo "${COMPREPLY[*]}"' bash "$source/packaging/completion/$file" "$@" 2>"$scratch/errors.txt"
    [ ! -s "$scratch/errors.txt" ] || fail "bash says: $(cat "$scratch/errors.txt")"
}

want_offers() {
    wanted=$1
    shift
    offered=$(offers "$@")
    want_equal "the words offered for \"$*\"" "$offered" "$wanted"
}

commands=$("$pbxhook" --help | awk '/^commands:$/ { on = 1; next } /^$/ { on = 0 } on { print $1 }' | xargs)
want_offers "$commands" pbxhook "$pbxhook" ""
want_offers serve pbxhook "$pbxhook" ser
want_offers "" pbxhook "$pbxhook" nosuch
want_offers "" pbxhook "$pbxhook" serve ""
want_offers "--version" pbxhook "$pbxhook" --v
want_offers "--quiet" pbxhook "$pbxhook" check --q
want_offers "--config" pbxhook "$pbxhook" serve --c
want_offers "" pbxhook "$pbxhook" serve --q
# After the file of an option comes the command.
want_offers check pbxhook "$pbxhook" --config /etc/hosts che
touch "$scratch/mine.conf"
want_offers "$scratch/mine.conf" pbxhook "$pbxhook" --config "$scratch/mi"

want_offers "--calls" mock-pbx "$mock_pbx" --cal
want_offers "seed flat mixed" mock-pbx "$mock_pbx" --envelope ""
want_offers "$scratch/mine.conf" mock-pbx "$mock_pbx" --password-file "$scratch/mi"
want_offers "" mock-pbx "$mock_pbx" --calls ""
[ "$(offers mock-pbx "$mock_pbx" -- | wc -w)" -ge 30 ] || fail "few options of mock-pbx are offered"
