/** `caplv completion SHELL`: the script that makes a shell ask `caplv __complete` for the next word. */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# source <(caplv completion bash)
_caplv() {
  local IFS=$'\\n'
  COMPREPLY=($(caplv __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  # After an equals sign bash replaces only what follows it.
  case "\${COMP_WORDS[COMP_CWORD]}\${COMP_WORDS[COMP_CWORD - 1]}" in
    *=*) COMPREPLY=("\${COMPREPLY[@]#*=}") ;;
  esac
}
complete -o default -F _caplv caplv
`,
  zsh: `#compdef caplv
# source <(caplv completion zsh), after compinit; or as file _caplv in a directory of $fpath
_caplv() {
  local -a candidates
  candidates=(\${(f)"$(caplv __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#candidates} )); then
    compadd -- "\${candidates[@]}"
  else
    _files
  fi
}
if [ "\${funcstack[1]}" = _caplv ]; then _caplv; else compdef _caplv caplv; fi
`,
  fish: `# caplv completion fish | source
function __caplv_complete
  set -l typed (commandline -opc)
  set -l candidates (caplv __complete $typed[2..-1] (commandline -ct) 2>/dev/null)
  if test (count $candidates) -gt 0
    printf '%s\\n' $candidates
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c caplv -f -a '(__caplv_complete)'
`,
};

export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
