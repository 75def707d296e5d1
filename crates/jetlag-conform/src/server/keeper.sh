# Starts a server and sees to it that it does not outlive the program that wants it.
#
# Arguments: log file, folder, binary, its arguments. Prints the server's process id and ends when the server does, with its exit code.
# Standard input is a pipe from the program. A line on it is a signal to send to the server, or KEEP. Its end means that the program is gone,
# however it went: then the server is killed and the folder removed, unless KEEP was said after the server's end.
log=$1 folder=$2
shift 2
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
server=$!
# Signals to the whole group (Ctrl-C, a closed terminal) reach the server directly; this script has to outlive them.
trap '' HUP INT QUIT TERM
echo "$server"
exec >/dev/null 2>&1
(
    while read -r signal; do kill -s "$signal" "$server"; done
    kill -s KILL "$server"
) <&3 3<&- &
listener=$!
wait "$server"
code=$?
# The process id may be given to another process from now on.
kill -s KILL "$listener"
wait "$listener"
(
    while read -r word; do if [ "$word" = KEEP ]; then exit; fi; done
    rm -rf -- "$folder"
) <&3 3<&- &
exit "$code"
