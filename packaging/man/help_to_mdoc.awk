# help_to_mdoc.awk: turns the layout of --help into mdoc(7): what starts at the margin is text, two spaces
# begin an entry ("  -q, --quiet  what it does"), more of them go on with it. A line at the margin before an
# entry, after a blank one, is a heading; -v headings=0 has none.

function escape(text)
{
    gsub(/\\/, "\\e", text)
    gsub(/`[^`]*`/, "\\fB&\\fP", text)
    gsub(/`/, "", text)
    gsub(/--/, "\\-\\-", text)
    while (match(text, /[^ ]\. +/)) # a new sentence, a new line
        text = substr(text, 1, RSTART + 1) "\n" substr(text, RSTART + RLENGTH)
    if (text ~ /^[.']/)
        text = "\\&" text
    return text
}

# A word of a macro's arguments. A quote would begin a quoted argument.
function word(text)
{
    gsub(/\\/, "\\e", text)
    gsub(/"/, "\\(dq", text)
    return text
}

function close_list()
{
    if (in_list)
        print ".El"
    in_list = 0
}

function print_text(text)
{
    if (after_blank && !fresh)
        print ".Pp"
    print escape(text)
    after_blank = fresh = 0
}

# "-o, --older-than DURATION": flags, and names of what they take.
function print_head(head,    words, count, i, line, comma)
{
    count = split(head, words, / +/)
    line = ".It"
    for (i = 1; i <= count; i++) {
        comma = sub(/,$/, "", words[i])
        if (words[i] ~ /^--/)
            line = line " Fl Fl " word(substr(words[i], 3))
        else if (words[i] ~ /^-./)
            line = line " Fl " word(substr(words[i], 2))
        else if (words[i] ~ /^(GET|POST|\/)/)
            line = line " Li " word(words[i])
        else
            line = line " Ar " word(words[i])
        if (comma)
            line = line " ,"
    }
    print line
}

function print_entry(line,    head, gap)
{
    head = line
    if (match(line, /^(GET|POST) +[^ ]+/))
        gap = RLENGTH + 1
    else
        gap = match(line, /   */) ? RSTART : length(line) + 1
    head = substr(line, 1, gap - 1)
    line = substr(line, gap)
    sub(/^ +/, "", line)
    if (!in_list)
        print ".Bl -tag -width Ds"
    in_list = 1
    print_head(head)
    after_blank = 0
    if (line != "")
        print escape(line)
}

function print_line(line, next_line)
{
    if (line == "") {
        after_blank = 1
    } else if (line ~ /^  [^ ]/ && (line ~ /^  -/ || line ~ /^  (GET|POST) / || line !~ /\.$/)) {
        print_entry(substr(line, 3))
    } else if (line ~ /^   / && in_list) {
        sub(/^ +/, "", line)
        print escape(line)
    } else if (headings && line ~ /^[^ ]/ && next_line ~ /^  [^ ]/) {
        close_list()
        sub(/:$/, "", line)
        print ".Ss " word(line)
        fresh = 1
    } else {
        if (in_list)
            after_blank = 1
        close_list()
        sub(/^ +/, "", line)
        print_text(line)
    }
}

BEGIN {
    headings = headings == "" ? 1 : headings
    fresh = 1
}
NR > 1 { print_line(previous, $0) }
{ previous = $0 }
END {
    if (NR > 0)
        print_line(previous, "")
    close_list()
}
