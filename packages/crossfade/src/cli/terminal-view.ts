import pc from 'picocolors';
import type { Journal } from '../rollout/journal.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import type { RolloutConfig } from '../rollout/config.ts';

const MEBIBYTE = 1024 * 1024;

/** What a person needs to see of an event, in a line; `null` for what only the status line or the page shows. */
export function lineOf(event: JournalEvent): string | null {
  switch (event.kind) {
    case 'phase.started':
      return null;
    case 'phase.finished': {
      const { status, seconds, reason } = event.data;
      const mark = status === 'passed' ? pc.green('✔ passed') : pc.red('✘ failed');
      return `  ${mark} in ${seconds.toFixed(1)} s${reason === null ? '' : `: ${reason}`}`;
    }
    case 'check.verdict': {
      const { verdict, title } = event.data;
      const mark = { pass: pc.green('✔'), fail: pc.red('✘ fail'), skipped: pc.yellow('– skipped') }[verdict.status];
      return `  ${mark} ${title} ${pc.dim(`· ${verdict.summary}`)}`;
    }
    case 'step.started':
      return `  ${pc.cyan('▸')} ${event.data.title}`;
    case 'step.failed':
      return `  ${pc.red('✘ fail')} ${event.data.title}: ${event.data.error}`;
    case 'gate.decided':
      return event.data.status === 'open' ? null : `  ${pc.red('gate closed')}: ${event.data.failed.join(', ')}`;
    case 'alert.fired':
      return `  ${pc.red('alert')} ${event.data.rule} ${pc.dim(`· ${JSON.stringify(event.data.measured)}, allowed ${JSON.stringify(event.data.expected)}; told: ${event.data.deliveredTo.join(', ') || 'nobody'}`)}`;
    case 'rollback.decided':
      return `\n${pc.bold(pc.yellow('↺ Rolling back'))} (${event.data.kind}): ${event.data.measure} ${JSON.stringify(event.data.measured)}, noticed after ${event.data.detectedMs} ms`;
    case 'compensation.finished':
      return `  ${pc.green('✔ undone')} ${event.data.title} ${pc.dim(`· ${event.data.ms} ms`)}`;
    case 'compensation.failed':
      return `  ${pc.red('✘ not undone')} ${event.data.title}: ${event.data.error}\n    by hand: ${event.data.byHand}`;
    case 'rollout.resumed':
      return `${pc.bold('resumed')} where it stopped`;
    case 'note':
      return `  ${pc.dim(event.data.text)}`;
    default:
      return null;
  }
}

/** The terminal's view of a rollout: a line for what happened, and one status line for what goes on. */
export function createTerminalView(output: NodeJS.WriteStream) {
  const live = output.isTTY === true && process.env['CI'] === undefined;
  let status = '';
  let unsubscribe: () => void = () => {};

  const clear = (): void => {
    if (live && status !== '') output.write('\r\u001b[2K');
  };
  const draw = (): void => {
    if (live && status !== '') output.write(pc.dim(status.slice(0, (output.columns ?? 100) - 1)));
  };
  const print = (line: string): void => {
    clear();
    output.write(`${line}\n`);
    draw();
  };

  return {
    heading: (text: string): void => print(`\n${pc.bold(text)}`),
    say: (line: string): void => print(pc.dim(`  ${line}`)),
    room(url: string, wanted: number): void {
      const other = url.endsWith(`:${wanted}`) ? '' : ` (port ${wanted} is taken)`;
      print(`\n  Control room: ${pc.cyan(pc.underline(url))}${other}`);
    },
    /** `titles`: phase id → title. */
    follow(journal: Journal, config: RolloutConfig, titles: ReadonlyMap<string, string>): void {
      let traffic = '';
      let transfer = '';
      unsubscribe = journal.subscribe((event) => {
        if (event.kind === 'rollout.started' && event.data.scale !== null)
          print(pc.dim(`  scaled: ${event.data.scale}`));
        if (event.kind === 'phase.started') print(`\n${pc.bold(titles.get(event.phase ?? '') ?? '')}`);
        if (event.kind === 'metrics.sampled' && event.data.traffic !== null) {
          const { requests, failed, p99Ms } = event.data.traffic;
          const second = event.data.second;
          traffic = `${requests} requests, ${failed} failed, p99 ${Math.round(p99Ms)} ms${second === null ? '' : `; legacy ${second.legacy}/s, R2 ${second.edge}/s`}`;
        }
        if (event.kind === 'transfer.progressed') {
          const { objects, totalObjects, bytesPerSecond, remainingSeconds } = event.data;
          transfer =
            totalObjects === 0 || objects === totalObjects
              ? ''
              : ` · copy ${objects}/${totalObjects}, ${(bytesPerSecond / MEBIBYTE).toFixed(1)} MiB/s${remainingSeconds === null ? '' : `, ${remainingSeconds} s left`}`;
        }
        const line = lineOf(event);
        clear();
        if (line !== null) output.write(`${line}\n`);
        status = `  ${config.name}: ${traffic}${transfer}`;
        draw();
      });
    },
    end(): void {
      unsubscribe();
      clear();
      status = '';
    },
  };
}
