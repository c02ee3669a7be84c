// How often each word occurs, over lines of text.
//   packmill run word-count.ts --input ../README.md
import { lines, operator, topology } from 'packmill'

const count = operator({
  name: 'count',
  state: () => ({ count: 0 }),
  onRecord(state, word: string) {
    state.count++
    return { word, count: state.count }
  },
})

export default topology(
  'word-count',
  lines('text')
    .flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
    // Words go to where their count is kept.
    .rekey((word) => word)
    .apply(count)
    .to('word-counts'),
)
