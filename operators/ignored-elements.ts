// Elements that people click fast without anger: steppers, text inputs. Decides by an element's kind and words. Definition: docs/events.md.

export interface IgnoreList {
  /** Kinds: the ASCII letters, digits, `-` and `_` that an element, or what follows its last space or `>`, begins with. */
  kinds: readonly string[]
  /** Texts that stand in an element by themselves, no letter and no digit next to them (`next` of `button.nav-next`). */
  texts: readonly string[]
}
export const ignoreDefaults: IgnoreList = { kinds: ['input', 'input_text', 'textarea'], texts: ['next', 'prev', '+', '−'] }
export const ignoreNothing: IgnoreList = { kinds: [], texts: [] }

const KNOWN_MAX = 1000

/** The test for the list; upper and lower case are the same. */
export function ignoredElements({ kinds, texts }: IgnoreList): (element: string) => boolean {
  const wanted = new Set(kinds.map((kind) => kind.toLowerCase()))
  const words = texts.length === 0 ? undefined : new RegExp(`(?<![\\p{L}\\p{N}])(?:${texts.map(quoted).join('|')})(?![\\p{L}\\p{N}])`, 'iu')
  const decide = (element: string) => {
    const part = element.slice(Math.max(element.lastIndexOf(' '), element.lastIndexOf('>')) + 1)
    return wanted.has(/^[\w-]*/.exec(part)![0].toLowerCase()) || words?.test(element) === true
  }
  // A product has few elements that people click fast, and they are asked for again and again.
  const known = new Map<string, boolean>()
  return (element) => {
    let isIgnored = known.get(element)
    if (isIgnored === undefined) {
      if (known.size === KNOWN_MAX) known.clear()
      known.set(element, (isIgnored = decide(element)))
    }
    return isIgnored
  }
}

const quoted = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
