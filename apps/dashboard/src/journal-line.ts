import type { JournalEvent } from '../../../packages/crossfade/src/rollout/journal-event.ts';

const SAID = { hold: 'hold before the next phase', go: 'go on', abort: 'abort' } as const;
const why = (note: string): string => (note === '' ? '' : ` (“${note}”)`);

/** Whether a person did it, rather than the machine. */
export function isByPerson({ kind }: JournalEvent): boolean {
  return kind === 'operator.decided' || kind === 'gate.signed' || kind === 'page.acknowledged';
}

/** An event in a line for people; `null` for the many that the graph shows. */
export function journalLine(event: JournalEvent): string | null {
  switch (event.kind) {
    case 'metrics.sampled':
    case 'transfer.progressed':
    case 'mirror.progressed':
      return null;
    case 'check.verdict':
      return `${event.data.verdict.status}: ${event.data.title} · ${event.data.verdict.summary}`;
    case 'phase.started':
      return `phase started: ${event.phase}`;
    case 'phase.finished':
      return `phase ${event.data.status}: ${event.phase} in ${event.data.seconds.toFixed(1)} s`;
    case 'step.looked':
      return `looked: ${event.data.title}`;
    case 'step.started':
      return `started: ${event.data.title}`;
    case 'step.finished':
      return `done: ${event.data.title} in ${event.data.ms} ms`;
    case 'step.failed':
      return `failed: ${event.data.title}: ${event.data.error}`;
    case 'compensation.started':
      return `undoing: ${event.data.title}`;
    case 'compensation.finished':
      return `undone: ${event.data.title}`;
    case 'compensation.failed':
      return `not undone: ${event.data.title}: ${event.data.error}. By hand: ${event.data.byHand}`;
    case 'alert.fired':
      return `alert: ${event.data.rule} ${JSON.stringify(event.data.measured)}, told ${event.data.deliveredTo.join(', ')}`;
    case 'alert.resolved':
      return `alert resolved: ${event.data.rule}`;
    case 'gate.decided':
      return `gate ${event.data.status}: ${event.subject ?? ''}`;
    case 'rollback.decided':
      return `rolling back (${event.data.kind}): ${event.data.measure}`;
    case 'rollback.finished':
      return `rollback ${event.data.complete ? 'complete' : 'incomplete'}: served again after ${event.data.recoveredMs ?? '?'} ms, ${event.data.lostUploads ?? '?'} uploads and ${event.data.lostDeletes ?? '?'} deletes lost`;
    case 'transfer.finished':
      return `transfer (${event.data.pass}): ${event.data.verified} of ${event.data.objects} verified`;
    case 'mirror.rested':
      return `mirror at rest: ${event.data.copied} copied, ${event.data.deleted} deleted, ${event.data.kept} kept as legacy has them, ${event.data.unproven} unproven, ${event.data.lagSeconds} s behind`;
    case 'message.sent':
      return `message ${event.data.message} to ${event.data.channel}: ${event.data.refused ?? 'taken'}`;
    case 'traffic.counted':
      return `traffic: ${event.data.requests} requests, ${event.data.failed} failed`;
    case 'rollout.started':
      return `rollout ${event.rollout} started`;
    case 'rollout.resumed':
      return 'rollout resumed';
    case 'rollout.finished':
      return `rollout ${event.data.outcome}`;
    case 'run.started':
      return `${event.data.command} began, attempt ${event.data.attempt}, by ${event.data.operator}`;
    case 'run.finished':
      return `${event.data.command} ${event.data.outcome}${event.data.reason === null ? '' : `: ${event.data.reason}`}`;
    case 'operator.decided':
      return `${event.data.as} decided: ${SAID[event.data.decision]}${why(event.data.note)}`;
    case 'phase.held':
      return `holding before ${event.data.title}, asked by ${event.data.by}`;
    case 'gate.signed':
      return `${event.data.as} signed off ${event.data.gate}${why(event.data.note)}, for what was seen as ${event.data.evidenceHash.slice(0, 12)}, until ${event.data.expiresAt}`;
    case 'page.sent':
      return `paged ${event.data.to} (level ${event.data.level}) through ${event.data.channel}`;
    case 'page.acknowledged':
      return `${event.data.to} acknowledged the page after ${event.data.ms} ms`;
    case 'note':
      return event.data.text;
  }
}
