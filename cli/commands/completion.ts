// packmill completion: the script that a shell reads once; from then on it asks `packmill complete -- …` (complete.ts) for what may follow.
import { Argument, type Command } from 'commander'
import { addExamples } from '../common-options.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const

/** The script asks the package bash-completion for the words; where that is not installed, bash itself knows them. */
const WORDS_OF_BASH = `if ! declare -F _get_comp_words_by_ref > /dev/null; then
  _get_comp_words_by_ref() {
    cur=\${COMP_WORDS[COMP_CWORD]}
    prev=\${COMP_WORDS[COMP_CWORD - 1]}
    words=("\${COMP_WORDS[@]}")
    cword=$COMP_CWORD
  }
fi
`

export function completion(command: Command): void {
  command.addArgument(new Argument('<shell>', 'which').choices(SHELLS)).action(async (shell: string) => {
    const { default: tab } = await import('@bomb.sh/tab')
    if (shell === 'bash') console.log(WORDS_OF_BASH)
    tab.setup('packmill', 'packmill', shell)
    // Where it has no words, files.
    if (shell === 'bash') console.log('complete -o default -F __packmill_complete packmill')
  })
  addExamples(command, [
    ['packmill completion bash >> ~/.bashrc', 'in every new bash'],
    ['packmill completion zsh > ~/.packmill.zsh', 'then: echo "source ~/.packmill.zsh" >> ~/.zshrc'],
    ['packmill completion fish > ~/.config/fish/completions/packmill.fish', 'in every new fish'],
    ['source <(packmill completion bash)', 'in this shell only'],
  ])
}
