// The plot of a soak: the data folder by its parts, memory and latency over the time, as an SVG. Numbers come from the samples and nowhere else.
import { init } from 'echarts'
import type { Sample } from './soak-sample.ts'
import { WARM_UP } from './soak-verdict.ts'

interface Line {
  name: string
  of(sample: Sample): number
  /** On top of the lines before. */
  isStacked?: boolean
}

const MB = 1e6
const PANELS: readonly { title: string; lines: readonly Line[] }[] = [
  {
    title: 'Data folder (MB): log, state, tables',
    lines: [
      { name: 'log', of: ({ logBytes }) => logBytes / MB, isStacked: true },
      { name: 'state', of: ({ stateBytes }) => stateBytes / MB, isStacked: true },
      { name: 'tables', of: ({ tableBytes }) => tableBytes / MB, isStacked: true },
    ],
  },
  {
    title: 'Memory (MB)',
    lines: [
      { name: 'RSS', of: ({ residentBytes }) => residentBytes / MB },
      { name: 'RssAnon', of: ({ anonymousBytes }) => anonymousBytes / MB },
    ],
  },
  {
    title: 'From when a pattern was complete to when its incident was read (ms), of ten seconds each',
    lines: [
      { name: 'p99', of: ({ p99Ms }) => p99Ms },
      { name: 'median', of: ({ medianMs }) => medianMs },
    ],
  },
]
const WIDTH = 860
const PANEL = 230
const PLOT = { left: 64, right: 84, top: 44, bottom: 40 }
const COLOURS = { lines: ['#9ecae9', '#4c78a8', '#f58518'], text: '#333333', faint: '#777777', line: '#dddddd', warm: '#f4f4f4' }

export interface SoakChart {
  samples: readonly Sample[]
  minutes: number
  /** Where it was measured, in words. */
  machine: string
}

/** The SVG's text; always the same for the same samples. */
export function soakChart({ samples, minutes, machine }: SoakChart): string {
  const top = (at: number) => at * PANEL + PLOT.top
  const height = PANELS.length * PANEL + 24
  const titles = PANELS.map(({ title }, at) => ({
    text: title,
    left: 16,
    top: at * PANEL + 10,
    textStyle: { fontSize: 13, color: COLOURS.text },
  }))
  const made = { text: machine, left: 16, top: height - 22, textStyle: { fontSize: 11, fontWeight: 'normal', color: COLOURS.faint } }
  const warmUp = {
    silent: true,
    itemStyle: { color: COLOURS.warm },
    label: { position: 'insideTopLeft', color: COLOURS.faint, fontSize: 11 },
    data: [[{ name: 'warm-up', xAxis: 0 }, { xAxis: minutes * WARM_UP }]],
  }
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  drawing.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: [...titles, made],
    grid: PANELS.map((_, at) => ({
      left: PLOT.left,
      right: PLOT.right,
      top: top(at),
      height: PANEL - PLOT.top - PLOT.bottom,
    })),
    xAxis: PANELS.map((_, at) => ({
      gridIndex: at,
      type: 'value',
      min: 0,
      max: minutes,
      axisLabel: { color: COLOURS.text, fontSize: 11, formatter: '{value} min' },
      splitLine: { show: false },
    })),
    yAxis: PANELS.map((_, at) => ({
      gridIndex: at,
      type: 'value',
      min: 0,
      splitNumber: 4,
      axisLabel: { color: COLOURS.text, fontSize: 11, formatter: (value: number) => value.toLocaleString('en-GB') },
      splitLine: { lineStyle: { color: COLOURS.line } },
    })),
    series: PANELS.flatMap(({ lines }, at) =>
      lines.map(({ name, of, isStacked }, i) => ({
        type: 'line',
        name,
        xAxisIndex: at,
        yAxisIndex: at,
        showSymbol: false,
        ...(isStacked && { stack: `panel-${at}`, areaStyle: { opacity: 0.5 } }),
        lineStyle: { color: COLOURS.lines[i], width: 1.5 },
        itemStyle: { color: COLOURS.lines[i] },
        data: samples.map((sample) => [sample.atS / 60, of(sample)]),
        endLabel: { show: true, formatter: name, color: COLOURS.text, fontSize: 11, offset: [0, isStacked ? 0 : i * 14 - 7] },
        markArea: i === 0 ? warmUp : undefined,
      })),
    ),
  })
  const svg = drawing.renderToSVGString()
  drawing.dispose()
  // As in bench/harness/chart.ts: styles for the mouse, which a picture does not have; and names that count up from drawing to drawing.
  return svg
    .replace(/<style.*?<\/style>\n?/s, '')
    .replace(/ class="zr[^"]*"/g, '')
    .replace(/\bzr\d+-c/g, 'soak-')
}
