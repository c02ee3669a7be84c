// packmill completion: the script that a shell reads once; from then on it asks `packmill complete -- …` (complete.ts) for what may follow.
import { Argument, type Command } from 'commander'
import { addExamples } from '../common-options.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const

export function completion(command: Command): void {
  command.addArgument(new Argument('<shell>', 'which').choices(SHELLS)).action(async (shell: string) => {
    const { default: tab } = await import('@bomb.sh/tab')
    tab.setup('packmill', 'packmill', shell)
  })
  addExamples(command, [
    ['packmill completion bash >> ~/.bashrc', 'in every new bash'],
    ['packmill completion zsh > ~/.packmill.zsh', 'then: echo "source ~/.packmill.zsh" >> ~/.zshrc'],
    ['packmill completion fish > ~/.config/fish/completions/packmill.fish', 'in every new fish'],
    ['source <(packmill completion bash)', 'in this shell only'],
  ])
}
