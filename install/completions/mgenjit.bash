# Completes mgenjit's commands and options, as its own help tells them, and names of files.
_mgenjit() {
    local word=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]/#\~/$HOME} command=${COMP_WORDS[1]} subcommand= words= at
    # Of `cache`, options may come before the command.
    for ((at = 2; at < COMP_CWORD; at++)); do
        case $command/${COMP_WORDS[at]} in
        cache/--cache-dir) ((at++)) ;;
        cache/-* | run/* | build/* | repl/*) ;;
        *) subcommand=${COMP_WORDS[at]} && break ;;
        esac
    done
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p') --help --version"
    elif [[ $word == -* ]]; then
        [ "$command" = cache ] || subcommand=
        # What is left of two spaces.
        words=$("$program" "$command" $subcommand --help 2>/dev/null | sed -n 's/^  \(-.*\)/\1/p' |
            sed 's/  .*//' | grep -oE -- '(^|[ ,])--?[A-Za-z][-A-Za-z0-9]*' | tr -d ' ,' | sort -u)
    elif [ -z "$subcommand" ]; then
        case $command in
        help) words=$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p') ;;
        cache | server) words=$("$program" "$command" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p') ;;
        esac
    fi
    # If nothing fits, readline completes names of files.
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _mgenjit mgenjit
