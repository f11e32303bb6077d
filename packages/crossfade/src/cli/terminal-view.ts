import pc from 'picocolors';
import { applyOperatorEvent, emptyOperatorState, type OperatorState } from '../control-room/operator-state.ts';
import type { Journal } from '../rollout/journal.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import type { RolloutConfig } from '../rollout/config.ts';

const MEBIBYTE = 1024 * 1024;
const SAID = { hold: 'hold before the next phase', go: 'go on', abort: 'abort' } as const;
const why = (note: string): string => (note === '' ? '' : pc.dim(` · ${note}`));

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
      return `\n${pc.bold(pc.yellow('↺ Rolling back'))} (${event.data.kind}): ${event.data.measure}${event.data.measured === null ? '' : ` ${JSON.stringify(event.data.measured)}`}, noticed after ${event.data.detectedMs} ms`;
    case 'compensation.finished':
      return `  ${pc.green('✔ undone')} ${event.data.title} ${pc.dim(`· ${event.data.ms} ms`)}`;
    case 'compensation.failed':
      return `  ${pc.red('✘ not undone')} ${event.data.title}: ${event.data.error}\n    by hand: ${event.data.byHand}`;
    case 'operator.decided':
      return `  ${pc.cyan('☞')} ${pc.bold(event.data.as)}: ${SAID[event.data.decision]}${why(event.data.note)}`;
    case 'phase.held':
      return `  ${pc.yellow('‖ holding')} before ${event.data.title}, asked by ${event.data.by}`;
    case 'gate.signed':
      return `  ${pc.green('✔ signed off')} ${event.data.gate} by ${event.data.as}${why(event.data.note)}`;
    case 'compensation.started':
      return `  ${pc.cyan('↺')} undoing ${event.data.title}`;
    case 'rollout.resumed':
      return `${pc.bold('resumed')} where it stopped`;
    case 'message.sent': {
      const { message, channel, refused, moment } = event.data;
      if (refused !== null) return `  ${pc.red('✘ not told')} ${message}: ${refused}`;
      return moment === null ? null : `  ${pc.cyan('✉')} ${message} ${pc.dim(`· ${channel}`)}`;
    }
    case 'note':
      return `  ${pc.dim(event.data.text)}`;
    default:
      return null;
  }
}

/** What people asked for, at the head of the status line. */
function standing({ over, held, holdAsked, aborted, rollingBack }: OperatorState): string {
  if (over !== null) return '';
  if (rollingBack) return 'rolling back · ';
  if (aborted !== null) return 'aborting · ';
  if (held !== null) return `HOLDING before ${held.title} · `;
  return holdAsked === null ? '' : 'will hold before the next phase · ';
}

/** The part of `process.stderr` that is needed. */
export interface TerminalOutput {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** The terminal's view of a rollout: a line for what happened, and one status line for what goes on. */
export function createTerminalView(output: TerminalOutput) {
  const live = output.isTTY === true && process.env['CI'] === undefined;
  let status = '';
  let question: string | null = null;
  let unsubscribe: () => void = () => {};

  const shown = (): string => (question === null ? status : `  ${question}`);
  const clear = (): void => {
    if (live && shown() !== '') output.write('\r\u001b[2K');
  };
  const draw = (): void => {
    const line = shown().slice(0, (output.columns ?? 100) - 1);
    if (live && line !== '') output.write(question === null ? pc.dim(line) : pc.bold(line));
  };
  const print = (line: string): void => {
    clear();
    output.write(`${line}\n`);
    draw();
  };

  return {
    heading: (text: string): void => print(`\n${pc.bold(text)}`),
    say: (line: string): void => print(pc.dim(`  ${line}`)),
    /** A question in place of the status line, until it is `null`. */
    ask(asked: string | null): void {
      clear();
      question = asked;
      draw();
    },
    room(url: string, wanted: number): void {
      const other = url.endsWith(`:${wanted}`) ? '' : ` (port ${wanted} is taken)`;
      print(`\n  Control room: ${pc.cyan(pc.underline(url))}${other}`);
    },
    /** `titles`: phase id → title. `earlier`: what was written before, for a rollout that is resumed. */
    follow(
      journal: Journal,
      config: Pick<RolloutConfig, 'name'>,
      titles: ReadonlyMap<string, string>,
      earlier: readonly JournalEvent[] = [],
    ): void {
      const state = emptyOperatorState();
      for (const event of earlier) applyOperatorEvent(state, event);
      let traffic = '';
      let transfer = '';
      unsubscribe = journal.subscribe((event) => {
        applyOperatorEvent(state, event);
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
        status = `  ${config.name}: ${standing(state)}${traffic}${transfer}`;
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
