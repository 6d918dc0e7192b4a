# config_to_mdoc.awk: turns config/pbxhook.conf, where every key stands as "#key = default" below its
# explanation, into entries of mdoc(7). The head of the file, up to the first blank line, is the template's.

function escape(text)
{
    gsub(/\\/, "\\e", text)
    gsub(/\. +/, ".\n", text) # a new sentence, a new line
    if (text ~ /^[.']/)
        text = "\\&" text
    return text
}

function word(text)
{
    text = escape(text)
    gsub(/"/, "\\(dq", text)
    return text
}

function variable(key,    name)
{
    name = section == "" ? key : section "_" key
    gsub(/[^A-Za-z0-9]/, "_", name)
    return "PBXHOOK_" toupper(name)
}

function flush_text()
{
    printf "%s", text
    text = ""
}

function open_list()
{
    if (!in_list)
        print ".Bl -tag -width Ds"
    in_list = 1
}

function close_list()
{
    if (in_list)
        print ".El"
    in_list = 0
}

head_ended == 0 { head_ended = $0 == ""; next }
{ sub(/^ +/, "") }
# An explanation that no key follows is about several of them.
$0 == "" {
    if (text != "") {
        close_list()
        if (!fresh)
            print ".Pp"
        flush_text()
        fresh = 0
    }
    next
}
# A section that is not there as shipped: its keys stand as "# key = default", and have no variables.
/^#[a-z]+ ".*" \{$/ { sub(/^#/, ""); optional = 1 }
/^#\}$/ { sub(/^#/, "") }
optional && /^# [a-z_]+ = / {
    line = substr($0, 3)
    key = line
    sub(/ *=.*/, "", key)
    sub(/^[^=]*= */, "", line)
    open_list()
    fresh = 0
    print ".It Ic " key " = Ar " word(line)
    flush_text()
    next
}
/^# / { text = text escape(substr($0, 3)) "\n"; next }
/^#[a-z_]+ *=/ {
    line = substr($0, 2)
    key = line
    sub(/ *=.*/, "", key)
    sub(/^[^=]*= */, "", line)
    open_list()
    fresh = 0
    print ".It Ic " key " = Ar " word(line)
    flush_text()
    print ".Pp"
    print "Environment:"
    print ".Ev " variable(key)
    next
}
/\{$/ {
    close_list()
    sub(/ *\{$/, "")
    section = $0
    gsub(/"/, "", section)
    print ".Ss " word($0)
    fresh = text == ""
    flush_text()
    next
}
/^\}/ { close_list(); section = ""; optional = 0; next }
{ print FILENAME ":" FNR ": not understood: " $0 > "/dev/stderr"; exit 1 }
END { close_list() }
