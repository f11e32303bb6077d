import type { Scenario } from '@crossfade/crossfade/rehearsal/scenario';

type Play = NonNullable<Scenario['play']>;
type Moment = (event: Parameters<Play>[0]) => boolean;

const begins =
  (phase: string): Moment =>
  (event) =>
    event.kind === 'phase.started' && event.phase === phase;
const acts =
  (step: string): Moment =>
  (event) =>
    event.kind === 'step.started' && event.subject === step;

/** A moment in each phase: at its begin, while a step acts, and in the middle of a copy. */
const MOMENTS: readonly (readonly [string, Moment])[] = [
  ['while staging gets its Worker', acts('staging.worker')],
  [
    'in the middle of the copy',
    (event) =>
      event.kind === 'transfer.progressed' && event.data.objects > 0 && event.data.objects < event.data.totalObjects,
  ],
  ['while the Worker goes to 50 %', acts('worker.to50')],
  ['while DNS is switched', acts('dns.switch')],
  ['when production is to be verified', begins('cutover.verify')],
  ['when production is watched', begins('cutover.monitor')],
  ["while production's previews are closed", acts('watch.closePreviews')],
  ['while legacy is closed', acts('cleanup.quarantine')],
  ['while the archive is written', acts('archive.write')],
];

/** Kills the controller at each of the moments, once. */
export const killAtEach: Play = async (event, stage) => {
  for (const [where, comes] of MOMENTS) if (comes(event)) await stage.kill(where);
};

/** What the journal must say of each. */
export const killed: readonly RegExp[] = MOMENTS.map(([where]) => new RegExp(`^killed: ${where}`));
