# Starts a server and sees to it that it does not outlive the program that wants it.
#
# Arguments: log file, folder, binary, its arguments. Prints the server's process id and ends when the server does, with its exit code.
# Standard input is a pipe from the program. A line on it is a signal to send to the server. Its end means that the program is gone,
# however it went: then the server is killed and the folder removed.
log=$1 folder=$2
shift 2
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
server=$!
# Signals to the whole group (Ctrl-C, a closed terminal) reach the server directly; this script has to outlive them.
trap '' HUP INT QUIT TERM
echo "$server"
(
    while read -r signal; do kill -s "$signal" "$server"; done
    : >"$folder/abandoned"
    kill -s KILL "$server"
) <&3 >/dev/null 2>&1 &
listener=$!
exec 3<&- >/dev/null 2>&1
wait "$server"
code=$?
kill -s KILL "$listener"
wait "$listener"
if [ -e "$folder/abandoned" ]; then rm -rf -- "$folder"; fi
exit "$code"
