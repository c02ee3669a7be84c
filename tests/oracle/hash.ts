// MurmurHash3 x86 128 (seed 0) written a second time, plainly, so that the evaluator shares no code with the product.

const C = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93]
/** Rotation of each block word, and rotation and constant of each hash word. */
const K_ROTATE = [15, 16, 17, 18]
const H_ROTATE = [19, 17, 15, 13]
const H_ADD = [0x561ccd1b, 0x0bcaa747, 0x96cd1c35, 0x32ac3b17]

const rotate = (word: number, by: number) => (word << by) | (word >>> (32 - by))
const scramble = (word: number, lane: number) => Math.imul(rotate(Math.imul(word, C[lane]), K_ROTATE[lane]), C[(lane + 1) % 4])

function avalanche(word: number): number {
  let h = word
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** The 128-bit hash of a text's UTF-8 bytes as 32 hex digits, words in order. */
export function hashText(text: string): string {
  const bytes = Buffer.from(text, 'utf8')
  const h = [0, 0, 0, 0]
  const whole = bytes.length - (bytes.length % 16)
  for (let block = 0; block < whole; block += 16) {
    for (let lane = 0; lane < 4; lane++) {
      h[lane] ^= scramble(bytes.readInt32LE(block + lane * 4), lane)
      h[lane] = (Math.imul(rotate(h[lane], H_ROTATE[lane]) + h[(lane + 1) % 4], 5) + H_ADD[lane]) | 0
    }
  }
  const rest = Buffer.alloc(16)
  bytes.copy(rest, 0, whole)
  for (let lane = 0; lane < 4; lane++) {
    if (bytes.length - whole > lane * 4) h[lane] ^= scramble(rest.readInt32LE(lane * 4), lane)
    h[lane] ^= bytes.length
  }
  const spread = () => {
    h[0] = (h[0] + h[1] + h[2] + h[3]) | 0
    for (let lane = 1; lane < 4; lane++) h[lane] = (h[lane] + h[0]) | 0
  }
  spread()
  for (let lane = 0; lane < 4; lane++) h[lane] = avalanche(h[lane])
  spread()
  return h.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}
