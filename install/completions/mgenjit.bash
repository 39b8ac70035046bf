# Completes mgenjit's commands and options, as its own help tells them, and names of files.
_mgenjit() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-} words
    if [ "$COMP_CWORD" -eq 1 ]; then
        words=$("${COMP_WORDS[0]}" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p')
        COMPREPLY=($(compgen -W "$words --help --version" -- "$word"))
        return
    fi
    if [ "$command" = help ]; then
        COMPREPLY=($(compgen -W "run build cache server doctor" -- "$word"))
        return
    fi
    if [[ $word == -* ]]; then
        words=$("${COMP_WORDS[0]}" "$command" --help 2>/dev/null | grep -oE -- '(^|[ ,[])--?[A-Za-z][-A-Za-z0-9]*' | tr -d ' ,[')
        COMPREPLY=($(compgen -W "$words" -- "$word"))
        return
    fi
    if [ "$COMP_CWORD" -eq 2 ]; then
        case $command in
        cache)
            words=$("${COMP_WORDS[0]}" cache --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p')
            COMPREPLY=($(compgen -W "$words" -- "$word"))
            return
            ;;
        server)
            COMPREPLY=($(compgen -W "status stats stop" -- "$word"))
            return
            ;;
        esac
    fi
    COMPREPLY=($(compgen -f -- "$word"))
}
complete -o filenames -F _mgenjit mgenjit
