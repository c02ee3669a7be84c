// The world of one seed: products with their screens, and users who belong to them, as fragments of JSON ready to be copied.
// Owns what exists; visit.ts owns what happens, traffic.ts when.
import { elementPatterns, errorProperties, orgNames, productKinds } from './catalogue.ts'
import { fragment } from './line-writer.ts'
import { Random } from './random.ts'

export interface Screen {
  /** `,"screen":"/cart"` */
  screen: Uint8Array
  /** `,"context":"checkout"` */
  context: Uint8Array
  /** `,"element":"…"` each */
  elements: readonly Uint8Array[]
  /** Screens that people go to from here. */
  links: readonly number[]
}

export interface Task {
  /** `,"taskType":"…"` */
  type: Uint8Array
  /** `,"taskLabel":"…"` each */
  labels: readonly Uint8Array[]
  path: readonly number[]
}

/** `,"properties":{…}` in pieces; a random number goes between any two. */
export type Template = readonly Uint8Array[]

export interface Product {
  screens: readonly Screen[]
  entries: readonly number[]
  tasks: readonly Task[]
  /** `custom","name":"…"` and its properties. */
  customs: readonly { name: Uint8Array; properties: Template }[]
  errors: readonly Template[]
}

export interface World {
  /** Per user: `","orgId":"…","productId":"…","userId":"…","type":"` */
  heads: readonly Uint8Array[]
  productOf: readonly Product[]
  /** Running sums of the users' weights: who comes how often. */
  weights: Float64Array
}

const text = (value: string) => JSON.stringify(value)
const template = (properties: string): Template => `,"properties":${properties}`.split('#').map(fragment)

function makeProduct(random: Random, kindIndex: number): Product {
  const kind = productKinds[kindIndex]
  const names: string[] = []
  const contexts: string[] = []
  for (const [area, screens] of Object.entries(kind.areas)) {
    for (const name of screens) {
      names.push(name)
      contexts.push(area)
    }
  }
  const screens = names.map((name, at): Screen => {
    const slug = name.slice(name.lastIndexOf('/') + 1)
    const elements = new Set<string>()
    for (let wanted = random.between(4, 9); elements.size < wanted; ) elements.add(random.pick(elementPatterns).replace('%', slug))
    const links = new Set<number>()
    for (let wanted = random.between(3, 6); links.size < wanted; ) {
      // Mostly to screens nearby in the same area, sometimes anywhere.
      const to = random.chance(0.7) ? (at + random.between(1, 4)) % names.length : random.below(names.length)
      if (to !== at) links.add(to)
    }
    return {
      screen: fragment(`,"screen":${text(name)}`),
      context: fragment(`,"context":${text(contexts[at])}`),
      elements: [...elements].map((element) => fragment(`,"element":${text(element)}`)),
      links: [...links],
    }
  })
  return {
    screens,
    entries: [0, 0, 0, random.below(names.length), random.below(names.length)],
    tasks: kind.tasks.map((task) => ({
      type: fragment(`,"taskType":${text(task.type)}`),
      labels: task.labels.map((label) => fragment(`,"taskLabel":${text(label)}`)),
      path: task.path.map((name) => names.indexOf(name)),
    })),
    customs: kind.customs.map((custom) => ({
      name: fragment(`custom","name":${text(custom.name)},"ts":`),
      properties: template(custom.properties),
    })),
    errors: errorProperties.map(template),
  }
}

export const orgIdOf = (org: number): string =>
  orgNames[org % orgNames.length] + (org < orgNames.length ? '' : `-${Math.floor(org / orgNames.length) + 1}`)

export function makeWorld(seed: number, orgs: number, users: number): World {
  const random = new Random(seed, 1)
  const homes: { orgId: string; productId: string; product: Product; upTo: number }[] = []
  let sum = 0
  for (let org = 0; org < orgs; org++) {
    const products = random.between(1, 2)
    const first = random.below(productKinds.length)
    for (let p = 0; p < products; p++) {
      const kind = (first + p) % productKinds.length
      // Zipf over orgs, its head flattened: the largest of 16 has about a fifth.
      sum += 1 / (org + 2) / products
      homes.push({ orgId: orgIdOf(org), productId: productKinds[kind].productId, product: makeProduct(random, kind), upTo: sum })
    }
  }
  const heads: Uint8Array[] = []
  const productOf: Product[] = []
  const weights = new Float64Array(users)
  let weight = 0
  for (let user = 0; user < users; user++) {
    const at = (random.word() / 0x1_0000_0000) * sum
    const home = homes.find((one) => at < one.upTo) ?? homes[homes.length - 1]
    const name = random.word().toString(16).padStart(8, '0') + user.toString(16)
    const who = random.chance(0.1) ? `"anonymousId":"anon-${name}"` : `"userId":"user-${name}"`
    heads.push(fragment(`","orgId":${text(home.orgId)},"productId":${text(home.productId)},${who},"type":"`))
    productOf.push(home.product)
    weight += 1 / (user + 1 + users / 100)
    weights[user] = weight
  }
  return { heads, productOf, weights }
}
