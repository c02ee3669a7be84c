// The plot of `scale`: CPU per event along each of its axes, from the saved result.
import { init } from 'echarts'
import type { Result } from './results.ts'

const AXES = [
  ['users', 'users'],
  ['orgs', 'organisations'],
  ['partitions', 'partitions'],
] as const
const WIDTH = 860
const HEIGHT = 320
const PANEL = 230
const COLOURS = { line: '#4c78a8', text: '#333333', faint: '#777777', grid: '#dddddd' }

/** The SVG's text. Always the same for the same result. */
export function scaleChart({ figures, machine, commit, quick }: Result): string {
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT })
  const points = AXES.map(([axis]) =>
    figures.flatMap(({ name, value }) => {
      const match = new RegExp(`^${axis}-(\\d+)$`).exec(name)
      return match ? [[Number(match[1]), value]] : []
    }),
  )
  const most = Math.max(...points.flat().map(([, value]) => value))
  const left = (at: number) => 60 + at * (PANEL + 40)
  drawing.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: [
      { text: 'µs of CPU per event', left: 16, top: 8, textStyle: { fontSize: 14, color: COLOURS.text } },
      {
        text: `${machine}; commit ${commit}${quick ? '; quick sizes' : ''}`,
        left: 16,
        top: HEIGHT - 24,
        textStyle: { fontSize: 11, fontWeight: 'normal', color: COLOURS.faint },
      },
    ],
    grid: AXES.map((_, at) => ({ left: left(at), top: 48, width: PANEL, height: HEIGHT - 130 })),
    xAxis: AXES.map(([, label], at) => ({
      gridIndex: at,
      type: 'log',
      logBase: at === 2 ? 2 : 10,
      name: label,
      nameLocation: 'middle',
      nameGap: 26,
      nameTextStyle: { color: COLOURS.text, fontSize: 12 },
      axisLabel: { color: COLOURS.text, fontSize: 11, formatter: (value: number) => value.toLocaleString('en-GB') },
      splitLine: { show: false },
    })),
    yAxis: AXES.map((_, at) => ({
      gridIndex: at,
      type: 'value',
      min: 0,
      max: Math.ceil(most),
      axisLabel: { color: COLOURS.text, fontSize: 11 },
      splitLine: { lineStyle: { color: COLOURS.grid } },
    })),
    series: points.map((data, at) => ({
      type: 'line',
      xAxisIndex: at,
      yAxisIndex: at,
      data,
      symbolSize: 7,
      itemStyle: { color: COLOURS.line },
      label: { show: true, color: COLOURS.text, fontSize: 11, formatter: ({ value }: { value: number[] }) => value[1].toPrecision(3) },
    })),
  })
  const svg = drawing.renderToSVGString()
  drawing.dispose()
  return svg.replace(/<style.*?<\/style>\n?/s, '').replace(/ class="zr[^"]*"/g, '')
}
