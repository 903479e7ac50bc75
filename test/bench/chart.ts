/**
 * Draws the bars of one measure as SVG with Apache ECharts, which needs no DOM and no canvas on a server. Alternatives:
 * Vega-Lite (twice as large, with its own expression language), Observable Plot and D3 (need a DOM), Chart.js (needs a
 * canvas).
 */

import { type CustomSeriesOption, init } from 'echarts';
import { type MeasureResult, median } from './report.ts';
import { figure, quantity } from './report-text.ts';

const WIDTH = 760;
const ROW = 34;
const OURS = '#3b4a6b';
const OTHERS = '#9ecae9';
const SPREAD = '#d2691e';

/** A bar to the median, with a line from the least to the greatest sample. */
export function barChart({ title, unit, ways }: MeasureResult): string {
  const height = 70 + ways.length * ROW;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: { text: `${title} (${unit})`, left: 8, top: 4, textStyle: { fontSize: 14 } },
    grid: { left: 8, right: 90, top: 36, bottom: 8, containLabel: true },
    xAxis: { type: 'value', min: 0, axisLabel: { formatter: figure } },
    yAxis: { type: 'category', inverse: true, data: ways.map(({ way }) => way), axisTick: { show: false } },
    series: [
      {
        type: 'bar',
        barWidth: '60%',
        data: ways.map(({ way, samples }) => ({
          value: median(samples),
          itemStyle: { color: way.startsWith('caplv') ? OURS : OTHERS },
        })),
      },
      spread(ways.map(({ samples }) => ({ samples, text: quantity(median(samples), unit) }))),
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

/** Beyond its end the median is written. */
function spread(
  rows: readonly { readonly samples: readonly number[]; readonly text: string }[],
): CustomSeriesOption {
  return {
    type: 'custom',
    silent: true,
    z: 3,
    data: rows.map(({ samples }, row) => [row, Math.min(...samples), Math.max(...samples)]),
    encode: { x: [1, 2], y: 0 },
    renderItem: ({ dataIndex }, api) => {
      const [x1 = 0, y = 0] = api.coord([api.value(1), api.value(0)]);
      const [x2 = 0] = api.coord([api.value(2), api.value(0)]);
      const text = rows[dataIndex]?.text ?? '';
      return {
        type: 'group',
        children: [
          { type: 'line', shape: { x1, y1: y, x2, y2: y }, style: { stroke: SPREAD, lineWidth: 2 } },
          { type: 'text', style: { text, x: x2 + 6, y, textVerticalAlign: 'middle', fill: '#333333' } },
        ],
      };
    },
  };
}
