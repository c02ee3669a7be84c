// docs/torture.md: a section for each thing that is tortured. Each campaign writes its own and leaves the other as it is.

const HEAD = `# What torture has done

Real processes, killed and worse, and then compared with the batch evaluator's answer. How, and what else is tried: [proof.md](proof.md).
`
const SECTIONS = ['On the embedded log', 'On Kafka'] as const

/** The page with this section in it, in place of the one that it may have. */
export function withSection(page: string, title: (typeof SECTIONS)[number], text: string): string {
  const sections = new Map(
    page.split(/^## /m).map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n')).trim()] as const),
  )
  sections.set(title, text.trim())
  return `${[HEAD, ...SECTIONS.flatMap((name) => (sections.has(name) ? [`## ${name}\n\n${sections.get(name)}\n`] : []))].join('\n')}`
}

export const count = (n: number) => n.toLocaleString('en-GB')

export function table(heads: readonly [string, string], rows: readonly (readonly [string, number])[]): string {
  const lines = [heads, ...rows.map(([what, n]) => [what, count(n)] as const)]
  const [wide, narrow] = [Math.max(...lines.map(([what]) => what.length)), Math.max(...lines.map(([, n]) => n.length))]
  const [first, ...rest] = lines.map(([what, n]) => `| ${what.padEnd(wide)} | ${n.padStart(narrow)} |`)
  return [first, `| ${'-'.repeat(wide)} | ${'-'.repeat(narrow - 1)}: |`, ...rest].join('\n')
}
