import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Second } from './rollout-view.ts';
import { clockTime } from './words.ts';

const HEIGHT = 190;

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Requests a second by who answered, as stacked lines of time. */
export function createTrafficChart(target: HTMLElement): (seconds: readonly Second[]) => void {
  let chart: uPlot | null = null;
  const make = (): uPlot =>
    new uPlot(
      {
        width: target.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false },
        scales: { y: { range: (_u, _min, max) => [0, Math.max(10, max * 1.1)] } },
        axes: [
          {
            stroke: colour('--quiet'),
            grid: { show: false },
            ticks: { show: false },
            size: 28,
            space: 90,
            values: (_u, splits) => splits.map((at) => clockTime(new Date(at * 1000).toISOString())),
          },
          { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, size: 40 },
        ],
        series: [
          {},
          {
            label: 'legacy',
            stroke: colour('--legacy'),
            width: 2,
            fill: `${colour('--legacy')}22`,
            points: { show: false },
          },
          {
            label: 'R2',
            stroke: colour('--edge'),
            width: 2,
            fill: `${colour('--edge')}22`,
            dash: [6, 3],
            points: { show: false },
          },
          { label: 'failed', stroke: colour('--bad'), width: 2, points: { show: false } },
        ],
      },
      [[], [], [], []],
      target,
    );
  let last: readonly Second[] = [];
  const draw = (): void => {
    chart ??= make();
    chart.setData([
      last.map((one) => one.at),
      last.map((one) => one.legacy),
      last.map((one) => one.edge),
      last.map((one) => one.failed),
    ]);
  };
  const again = (): void => {
    chart?.destroy();
    chart = null;
    draw();
  };
  new ResizeObserver(() => chart?.setSize({ width: target.clientWidth, height: HEIGHT })).observe(target);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
  return (seconds) => {
    last = seconds;
    draw();
  };
}
