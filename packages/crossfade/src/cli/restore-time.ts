import { UserError } from './user-error.ts';

/** A date, a time and a zone: without one, two people mean two different moments. */
const ISO_WITH_ZONE = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$/;
const ISO = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$/;

/**
 * The moment that `--to` names, epoch ms.
 * @throws UserError for what is no time, has no zone, or is still to come
 */
export function restoreTime(text: string, nowMs: number): number {
  const refuse = (why: string, hint: string): never => {
    throw new UserError('CROSSFADE_RESTORE_TIME', `--to ${text}: ${why}`, hint);
  };
  const example = new Date(nowMs - 3600_000).toISOString().replace(/\.\d+Z/, 'Z');
  const date = ISO_WITH_ZONE.exec(text);
  if (date === null) {
    if (ISO.test(text)) return refuse('which zone?', `say it with its zone, as ${example} or with +02:00 at the end`);
    return refuse('expected an ISO time', `for example --to ${example}`);
  }
  const [, year = '', month = '', day = ''] = date;
  const ms = Date.parse(text);
  // JavaScript takes the 31st of June for the 1st of July.
  const exists = new Date(`${year}-${month}-${day}T00:00:00Z`);
  if (Number.isNaN(ms) || Number.isNaN(exists.getTime()) || exists.getUTCDate() !== Number(day))
    return refuse('there is no such time', `for example --to ${example}`);
  if (ms > nowMs) return refuse('it is still to come', `name a time before ${new Date(nowMs).toISOString()}`);
  return ms;
}
