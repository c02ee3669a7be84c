// Records for the fuzz of the scanner: mostly events, in any order, spacing and escaping of their fields, with the nasty values that
// JSON allows and those that it does not, and the same with bytes flipped, cut out and put in.
import fc from 'fast-check'
import {
  EVENT_BYTES_MAX,
  EVENT_TYPES,
  KEY_STRING_BYTES_MAX,
  NESTING_MAX,
  PROPERTIES_BYTES_MAX,
  STRING_BYTES_MAX,
  TS_MAX,
} from '../../model/event.ts'

/** Mostly `usual`, else `unusual`. */
const mostly = <T>(usual: fc.Arbitrary<T>, unusual: fc.Arbitrary<T>, weight = 12) =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: unusual })
const json = <T>(value: fc.Arbitrary<T>) => value.map((v) => JSON.stringify(v))

/** JSON text of a string with some characters escaped that need not be. */
const escaped = fc
  .tuple(fc.string({ unit: 'binary', maxLength: 12 }), fc.array(fc.nat(11), { maxLength: 3 }))
  .map(
    ([text, places]) =>
      `"${[...text].map((char, i) => (places.includes(i) ? asEscapes(char) : JSON.stringify(char).slice(1, -1))).join('')}"`,
  )
const asEscapes = (char: string) =>
  Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')

const plainText = json(fc.stringMatching(/^[ !#-[\]-~äß€😀]{0,14}$/u))
const nastyText = fc.oneof(
  escaped,
  fc.constantFrom(
    '"\\ud800"',
    '"\\udc00x"',
    '"a\\ud83d\\ude00"',
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\""',
    '"\\x"',
    '"\\u12"',
    '"\\u123g"',
    '"\\u12#4"',
    '"a\tb"',
    '"\u0001"',
    '"open',
    '"\\/"',
  ),
  fc
    .constantFrom(63, 64, 65, KEY_STRING_BYTES_MAX, KEY_STRING_BYTES_MAX + 1, STRING_BYTES_MAX, STRING_BYTES_MAX + 1)
    .map((n) => `"${'x'.repeat(n)}"`),
  fc.constantFrom(21, 22, 64, 85, 86).map((n) => `"${'€'.repeat(n)}"`),
)
const number = fc.oneof(
  json(fc.integer()),
  json(fc.double({ noDefaultInfinity: true, noNaN: true })),
  fc.constantFrom(
    '0',
    '-0',
    '-1',
    '1e3',
    '1E+2',
    '12e-1',
    '1.0',
    '0.5',
    '-1.5',
    '01',
    '1.',
    '.5',
    '+1',
    '-',
    '1e',
    '0x10',
    'NaN',
    'Infinity',
    '-Infinity',
    '1e400',
    '-1e400',
    '2147483647',
    '2147483648',
    '-2147483647',
    '-2147483648',
    '999999999',
    '1000000000',
    '9007199254740993',
    '1750000000000',
    '17500000000000',
    '175000000000',
    '1750000000000.0',
    '1750000000000.5',
    '1.75e12',
    '0750000000000',
    `${TS_MAX}`,
    `${TS_MAX - 1}`,
    '9999999999999',
  ),
)
const literal = fc.constantFrom('true', 'false', 'null', 'nul', 'truE', 'undefined', '')
const deep = fc.oneof(
  fc.integer({ min: NESTING_MAX - 2, max: NESTING_MAX + 2 }).map((n) => `${'['.repeat(n)}${']'.repeat(n)}`),
  fc.integer({ min: NESTING_MAX - 2, max: NESTING_MAX + 2 }).map((n) => `${'{"a":'.repeat(n)}0${'}'.repeat(n)}`),
)
const nested = fc.oneof(
  json(fc.jsonValue({ maxDepth: 3 })),
  deep,
  fc
    .tuple(fc.constantFrom('__proto__', 'constructor', 'prototype', '__pr\\u006fto__', 'a', '\\u0061', '__proto_', 'prototypes'), escaped)
    .map(([key, value]) => `{"x":[{"${key}":${value}}]}`),
  fc.tuple(number, nastyText, literal).map((values) => `[${values.join(' ,\t')}]`),
  fc.constantFrom(
    '{"a":1,}',
    '[1,]',
    '{"a" 1}',
    '{a:1}',
    '{',
    '[',
    ']',
    '{"a":1]',
    '[1}',
    '{"a":{}',
    '[[],{},[{}]]',
    '{"":{"":[]}}',
    '{"a":1,"a":2}',
  ),
)
const anything = fc.oneof(plainText, nastyText, number, literal, nested)

const iso = fc.oneof(
  json(fc.date({ min: new Date(0), max: new Date(TS_MAX - 1), noInvalidDate: true }).map((date) => date.toISOString())),
  fc
    .tuple(
      fc.constantFrom('0000', '0080', '1969', '1970', '2024', '2025', '2199', '2200', '9999'),
      fc.constantFrom('01', '02', '12', '13', '00'),
      fc.constantFrom('01', '29', '30', '31', '32', '00'),
      fc.constantFrom('00', '23', '24'),
      fc.constantFrom('', ':59', ':60'),
      fc.constantFrom('', '.1', '.12', '.1239', '.'),
      fc.constantFrom('Z', 'z', '', '+00:00', '-01:30', '+23:59', '+24:00', '+0100'),
    )
    .map(([year, month, day, hour, second, fraction, zone]) => `"${year}-${month}-${day}T${hour}:59${second}${fraction}${zone}"`),
)
const edgeMs = fc.constantFrom(
  `${TS_MAX}`,
  `${TS_MAX - 1}`,
  '0750000000000',
  '1750000000000.0',
  '1750000000000e0',
  '17500000000000',
  '999999999999',
)
const ms = fc.integer({ min: 1_000_000_000_000, max: TS_MAX - 1 }).map(String)
const text = mostly(plainText, mostly(nastyText, anything, 4))
const key = mostly(
  plainText.filter((value) => value !== '""'),
  mostly(nastyText, anything, 4),
)
const coordinate = mostly(json(fc.integer({ min: -5000, max: 5000 })), fc.oneof(number, anything))

const properties = mostly(
  json(fc.dictionary(fc.stringMatching(/^[a-z]{0,5}$/), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 })),
  fc.oneof(
    nested,
    deep,
    anything,
    fc.constantFrom(7, 8).map((n) => `{"a":"${'x'.repeat(PROPERTIES_BYTES_MAX - n)}"}`),
    fc.constantFrom('{"properties":{"a":1}}', '{"a":{"properties":{}},"b":[{"properties":[]}]}'),
  ),
  6,
)
const values: Record<string, fc.Arbitrary<string>> = {
  eventId: key,
  orgId: key,
  productId: key,
  userId: key,
  type: mostly(
    json(fc.constantFrom(...EVENT_TYPES)),
    fc.oneof(
      anything,
      fc.constantFrom('"clack"', '"Click"', '"screen_views"', '"task_starteD"', '"task_completeX"', '"errOr"', '"cuStom"'),
    ),
  ),
  ts: mostly(ms, fc.oneof(iso, edgeMs, number, anything), 6),
}
const optional: Record<string, fc.Arbitrary<string>> = {
  anonymousId: key,
  name: text,
  receivedAt: mostly(ms, fc.oneof(edgeMs, number, anything)),
  screen: text,
  element: text,
  x: coordinate,
  y: coordinate,
  taskType: text,
  taskLabel: text,
  success: mostly(fc.constantFrom('true', 'false'), anything),
  context: text,
  properties,
}

const entry = (name: string, value: fc.Arbitrary<string>) => value.map((written): [string, string] => [name, written])
const unknownName = fc.oneof(
  fc.constantFrom(
    'sdk',
    '',
    'xx',
    'tsx',
    'eventIds',
    'event',
    'orgid',
    'propertiesX',
    'taskLabels',
    'namex',
    'successs',
    'anonymousID',
    'screens',
    'é',
  ),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'prototype',
    'prot\\u006ftype',
    'sd\\u006b',
    'user\\u0049d',
    'propertie\\u0073',
    'a\tb',
    'a\\x',
  ),
)
const space = mostly(fc.constant(''), fc.constantFrom(' ', '  ', '\t', '\r', ' \t\r ', '\u00a0', '\f'), 60)

/** The text of a record: the required fields, rarely without one or with one twice, some optional and unknown ones, in any order. */
const recordText = fc
  .record({
    required: fc.tuple(...Object.entries(values).map(([name, value]) => entry(name, value))),
    optional: fc.array(fc.oneof(...Object.entries(optional).map(([name, value]) => entry(name, value))), { maxLength: 7 }),
    unknown: mostly(
      fc.constant<[string, string][]>([]),
      fc.array(fc.tuple(mostly(unknownName, unknownName), anything), { maxLength: 2 }),
      5,
    ),
    again: mostly(
      fc.constant<[string, string][]>([]),
      fc.array(fc.oneof(...Object.entries({ ...values, ...optional }).map(([name, value]) => entry(name, value))), { maxLength: 2 }),
    ),
    without: mostly(fc.constant(-1), fc.nat(5), 15),
    order: mostly(fc.constant(null), fc.array(fc.nat(30), { minLength: 20, maxLength: 20 }), 2),
    spaces: fc.array(space, { minLength: 6, maxLength: 6 }),
  })
  .map(({ required, optional, unknown, again, without, order, spaces }) => {
    // An optional field comes once, but for those that are to come again.
    const once = [...new Map(optional)]
    let entries = [...required.filter((_, i) => i !== without), ...once, ...unknown, ...again]
    if (order !== null)
      entries = entries
        .map((each, i) => ({ each, at: order[i % order.length] }))
        .sort((a, b) => a.at - b.at)
        .map(({ each }) => each)
    const [a, b, c, d, e, f] = spaces
    return `${a}{${b}${entries.map(([name, value]) => `"${name}"${c}:${d}${value}`).join(`${e},${b}`)}${c}}${f}`
  })

const bytesOf = (written: string) => new TextEncoder().encode(written)

/** One change of the bytes at a place: set, put in, cut out, or cut off behind it. */
const mutation = fc.record({
  kind: fc.constantFrom('set', 'insert', 'remove', 'truncate', 'double'),
  place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  byte: fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(...'"\\{}[],:0-.e \n\t\0\x7f'.split('').map((char) => char.charCodeAt(0)), 0xff, 0xc3, 0xed),
  ),
  length: fc.integer({ min: 1, max: 4 }),
})
const mutate = (bytes: Uint8Array, { kind, place, byte, length }: { kind: string; place: number; byte: number; length: number }) => {
  const at = Math.floor(place * bytes.length)
  if (kind === 'truncate') return bytes.slice(0, at)
  const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)]
  if (kind === 'set') return Uint8Array.of(...before, byte, ...behind.subarray(1))
  if (kind === 'insert') return Uint8Array.of(...before, byte, ...behind)
  if (kind === 'remove') return Uint8Array.of(...before, ...behind.subarray(length))
  return Uint8Array.of(...before, ...behind.subarray(0, length), ...behind)
}

const large = fc.tuple(fc.constantFrom(-1, 0, 1, 2, 500), fc.constantFrom('', '\r')).map(([more, end]) => {
  const [head, tail] = ['{"eventId":"e","orgId":"o","productId":"p","userId":"u","type":"click","ts":1750000000000,"sdk":"', '"}']
  return bytesOf(`${head}${'x'.repeat(EVENT_BYTES_MAX + more - head.length - tail.length)}${tail}${end}`)
})
const oddities = fc
  .constantFrom('', ' ', '\r', '{}', '[]', 'null', '1', '"a"', '\ufeff{}', '{', '}', '[[[[', '{"a":{}}', '{"ts":1}')
  .map(bytesOf)

/** The bytes of a record, without a newline but for one that a mutation put in. */
export const recordBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 60, arbitrary: recordText.map(bytesOf) },
  {
    weight: 30,
    arbitrary: fc
      .tuple(recordText, fc.array(mutation, { minLength: 1, maxLength: 3 }))
      .map(([written, mutations]) => mutations.reduce(mutate, bytesOf(written))),
  },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 2, arbitrary: oddities },
  { weight: 1, arbitrary: large },
)

/** A block: records ended by newlines, the last one rarely without. */
export const blockBytes: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.array(recordBytes, { minLength: 1, maxLength: 4 }), mostly(fc.constant(true), fc.constant(false), 15))
  .map(([records, terminated]) => {
    const block = Buffer.concat(records.flatMap((record) => [record, Buffer.of(10)]))
    const bytes = new Uint8Array(terminated ? block : block.subarray(0, -1))
    // A counterexample is printed as text.
    return Object.defineProperty(bytes, fc.toStringMethod, { value: () => JSON.stringify(Buffer.from(bytes).toString('latin1')) })
  })
