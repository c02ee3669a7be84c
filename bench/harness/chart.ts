// The chart of the README: saved results as an SVG. Two panels, each only of what is saved: what an event costs, and what each bounded figure
// is of its bound. Numbers come from the results and nowhere else.
import { init } from 'echarts'
import type { Report } from './report.ts'
import type { Result } from './results.ts'

/** Bars of the first panel: label, question, figure in µs of CPU per event. */
const COSTS = [
  ['read and scan', 'scan', 'read-and-scan'],
  ['JSON.parse alone', 'lane', 'json-parse'],
  ['lane, without exactly-once', 'exactly-once', 'without'],
  ['lane, exactly once', 'lane', 'lane'],
] as const

/** Bars of the second panel: label, question, figure. */
const BOUNDED = [
  ['lane / JSON.parse', 'lane', 'lane-over-json-parse'],
  ['two lanes / two loops', 'lanes', 'two-over-one'],
  ['import, events/s', 'import', 'import-rate'],
  ['events over HTTP, events/s', 'ingest', 'ingest-rate'],
  ['with / without exactly-once', 'exactly-once', 'with-over-without'],
] as const

const WIDTH = 860
const ROW = 30
const LABELS = 200
const COLOURS = { cost: '#4c78a8', holds: '#59a14f', misses: '#d1605e', text: '#333333', faint: '#777777', line: '#dddddd' }

/** The SVG's text. Always the same for the same results. */
export function chart(results: readonly Result[]): string {
  const find = (question: string, name: string) =>
    results.find((result) => result.question === question)?.figures.find((figure) => figure.name === name)
  const costs = COSTS.flatMap(([label, question, name]) => {
    const figure = find(question, name)
    return figure ? [{ label, value: figure.value, text: `${number(figure.value)} µs`, colour: COLOURS.cost }] : []
  })
  const bounded = BOUNDED.flatMap(([label, question, name]) => {
    const figure = find(question, name)
    if (figure?.atLeast === undefined) return []
    const text = `${number(figure.value)} of at least ${number(figure.atLeast)}`
    return [{ label, value: figure.value / figure.atLeast, text, colour: figure.holds ? COLOURS.holds : COLOURS.misses }]
  })
  const panels = [
    { title: 'CPU of all threads per event', bars: costs, limit: undefined },
    { title: 'Figures with a bound, as a multiple of it', bars: bounded, limit: 1 },
  ].filter(({ bars }) => bars.length > 0)

  let top = 40
  const parts = { title: [] as object[], grid: [] as object[], xAxis: [] as object[], yAxis: [] as object[], series: [] as object[] }
  for (const [at, { title, bars, limit }] of panels.entries()) {
    const height = bars.length * ROW
    parts.title.push({ text: title, left: 16, top: top - 28, textStyle: { fontSize: 14, color: COLOURS.text } })
    parts.grid.push({ left: LABELS, top, width: WIDTH - LABELS - 190, height })
    parts.xAxis.push({ gridIndex: at, type: 'value', min: 0, max: Math.max(...bars.map(({ value }) => value), limit ?? 0), show: false })
    parts.yAxis.push({
      gridIndex: at,
      type: 'category',
      inverse: true,
      data: bars.map(({ label }) => label),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: COLOURS.line } },
      axisLabel: { color: COLOURS.text, fontSize: 12 },
    })
    parts.series.push({
      type: 'bar',
      xAxisIndex: at,
      yAxisIndex: at,
      barWidth: 16,
      data: bars.map(({ value, text, colour }) => ({ value, itemStyle: { color: colour }, label: { formatter: text } })),
      label: { show: true, position: 'right', color: COLOURS.text, fontSize: 12 },
      markLine:
        limit === undefined
          ? undefined
          : {
              silent: true,
              symbol: 'none',
              label: { show: false },
              lineStyle: { color: COLOURS.text, type: 'dashed' },
              data: [{ xAxis: limit }],
            },
    })
    top += height + 56
  }
  const made = provenance(results)
  parts.title.push({
    text: made.join('\n'),
    left: 16,
    top: top - 32,
    textStyle: { fontSize: 11, fontWeight: 'normal', color: COLOURS.faint },
  })
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: top - 32 + made.length * 15 + 12 })
  drawing.setOption({ animation: false, backgroundColor: '#ffffff', ...parts })
  const svg = drawing.renderToSVGString()
  drawing.dispose()
  // Styles for the mouse, which a picture in a README does not have; their names count up from drawing to drawing.
  return svg.replace(/<style.*?<\/style>\n?/s, '').replace(/ class="zr[^"]*"/g, '')
}

/** Machine and commit, each once with its questions where they are not all from the same. */
export function provenance(results: readonly Result[]): string[] {
  const of = ({ machine, commit, quick }: Report & { quick: boolean }) => `${machine}; commit ${commit}${quick ? '; quick sizes' : ''}`
  const groups = Map.groupBy(results, of)
  if (groups.size === 1) return [...groups.keys()]
  return [...groups].map(([where, list]) => `${list.map(({ question }) => question).join(', ')}: ${where}`)
}

const number = (value: number) => value.toLocaleString('en-GB', { maximumSignificantDigits: 3 })
