// The plots of `sweep`: a panel per setting, its figures over the values that were tried, the default marked. Numbers come from the saved result.
import { init } from 'echarts'
import { SWEPT } from '../sweep.ts'
import { provenance } from './chart.ts'
import type { Result } from './results.ts'

interface Panel {
  factor: keyof typeof SWEPT
  title: string
  unit: string
  /** Figure → its name in the panel, where there are several. */
  lines: Readonly<Record<string, string>>
  label(setting: number): string
  /** A figure that is written below each setting, and in what. */
  below?: readonly [figure: string, unit: string]
}

const bytes = (setting: number) => (setting >= 1 << 20 ? `${setting / (1 << 20)} MB` : `${setting / (1 << 10)} KB`)

const PANELS: readonly Panel[] = [
  {
    factor: 'epochMs',
    title: 'engine.epochMs, at a steady rate: latency',
    unit: 'ms',
    lines: { latency: 'median', 'latency-p99': 'p99' },
    label: (ms) => `${ms} ms`,
  },
  {
    factor: 'epochMs',
    title: 'engine.epochMs, at a steady rate: CPU',
    unit: 'µs per event',
    lines: { cpu: '' },
    label: (ms) => `${ms} ms`,
  },
  { factor: 'epochBytes', title: 'engine.epochBytes', unit: 'events/s', lines: { rate: '' }, label: bytes },
  { factor: 'blockBytes', title: 'journal blocks', unit: 'events/s', lines: { rate: '' }, label: bytes },
  { factor: 'lanes', title: 'engine.lanes', unit: 'events/s', lines: { rate: '' }, label: String },
  { factor: 'batchBytes', title: 'sink.batchBytes', unit: 'rows/s', lines: { rate: '' }, label: bytes, below: ['rows', 'rows'] },
]

const COLUMNS = 2
const WIDTH = 860
const PANEL = { width: WIDTH / COLUMNS, height: 220, left: 76, right: 24, top: 54, bottom: 44 }
const COLOURS = { lines: ['#4c78a8', '#9ecae9'], text: '#333333', faint: '#777777', line: '#dddddd', mark: '#e45756' }

/** The SVG's text; always the same for the same result. */
export function sweepChart(result: Result): string {
  const drawn = PANELS.flatMap((panel) => {
    const series = Object.entries(panel.lines).map(([name, label]) => ({ label, points: pointsOf(result, name, panel.factor) }))
    return series[0].points.length > 0 ? [{ ...panel, series }] : []
  })
  const parts = { title: [] as object[], grid: [] as object[], xAxis: [] as object[], yAxis: [] as object[], series: [] as object[] }
  for (const [at, { factor, title, unit, series, label, below }] of drawn.entries()) {
    const left = (at % COLUMNS) * PANEL.width
    const top = Math.floor(at / COLUMNS) * PANEL.height
    const settings = series[0].points.map(([setting]) => setting)
    const belows = new Map(below && pointsOf(result, below[0], factor))
    const text = (setting: number) => {
      const more = belows.get(setting)
      return more === undefined ? label(setting) : `${label(setting)}\n${Math.round(more).toLocaleString('en-GB')} ${below![1]}`
    }
    parts.title.push({
      text: `${title} (${unit})`,
      left: left + 16,
      top: top + 10,
      textStyle: { fontSize: 13, color: COLOURS.text },
    })
    parts.grid.push({
      left: left + PANEL.left,
      top: top + PANEL.top,
      width: PANEL.width - PANEL.left - PANEL.right,
      height: PANEL.height - PANEL.top - PANEL.bottom,
    })
    parts.xAxis.push({
      gridIndex: at,
      type: 'category',
      data: settings.map(text),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: COLOURS.line } },
      axisLabel: { color: COLOURS.text, fontSize: 11, interval: 0 },
    })
    parts.yAxis.push({
      gridIndex: at,
      type: 'value',
      min: 0,
      splitNumber: 4,
      splitLine: { lineStyle: { color: COLOURS.line } },
      axisLabel: { color: COLOURS.text, fontSize: 11, formatter: (value: number) => value.toLocaleString('en-GB') },
    })
    for (const [i, { label: name, points }] of series.entries())
      parts.series.push({
        type: 'line',
        name,
        xAxisIndex: at,
        yAxisIndex: at,
        symbol: 'circle',
        lineStyle: { color: COLOURS.lines[i] },
        itemStyle: { color: COLOURS.lines[i] },
        data: points.map(([setting, value]) => ({ value, symbolSize: setting === SWEPT[factor] ? 10 : 5 })),
        endLabel: { show: name !== '', formatter: name, color: COLOURS.text, fontSize: 11, offset: [-30, -10] },
        markLine:
          i === 0 && settings.includes(SWEPT[factor])
            ? {
                silent: true,
                symbol: 'none',
                label: { formatter: 'default', color: COLOURS.mark, fontSize: 11 },
                lineStyle: { color: COLOURS.mark, type: 'dashed' },
                data: [{ xAxis: text(SWEPT[factor]) }],
              }
            : undefined,
      })
  }
  const height = Math.ceil(drawn.length / COLUMNS) * PANEL.height
  const made = provenance([result])
  parts.title.push({
    text: made.join('\n'),
    left: 16,
    top: height,
    textStyle: { fontSize: 11, fontWeight: 'normal', color: COLOURS.faint },
  })
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: height + made.length * 15 + 12 })
  drawing.setOption({ animation: false, backgroundColor: '#ffffff', ...parts })
  const svg = drawing.renderToSVGString()
  drawing.dispose()
  // As in chart.ts: styles for the mouse, which a picture does not have.
  return svg.replace(/<style.*?<\/style>\n?/s, '').replace(/ class="zr[^"]*"/g, '')
}

/** Setting and value of the figures `name(factor=setting)`, in their order. */
function pointsOf({ figures }: Result, name: string, factor: string): [number, number][] {
  const prefix = `${name}(${factor}=`
  return figures.flatMap((figure) =>
    figure.name.startsWith(prefix) ? [[Number(figure.name.slice(prefix.length, -1)), figure.value] as [number, number]] : [],
  )
}
