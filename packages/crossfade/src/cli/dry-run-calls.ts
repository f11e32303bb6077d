import { join } from 'node:path';
import { Pool } from 'pg';
import { rolloutPlan } from '../phases/plan.ts';
import { createDryRun } from '../providers/dry-run.ts';
import type { Providers } from '../providers/providers.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import type { RolloutContext } from '../rollout/context.ts';
import { createJournalTable, openJournal } from '../rollout/journal.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import type { RolloutPlan } from '../rollout/plan.ts';
import type { CommandFlags } from './main.ts';
import { openProviders, whichRollout } from './open-rollout.ts';
import { partOf, type PhaseCommand } from './phase-commands.ts';
import type { DryRun } from './print-calls.ts';
import { openRolloutDatabase } from './rollout-database.ts';

const keptNowhere = async (): Promise<never> => {
  throw new Error('a dry run keeps nothing');
};

/** Takes every step of a plan over providers that write down what would change something. */
export async function callsOf(
  plan: RolloutPlan,
  run: {
    config: RolloutConfig;
    providers: Providers;
    rollout: string;
    history: readonly JournalEvent[];
    /** Where the rollout's evidence lies: what was copied tells what was deleted since. */
    evidenceFolder: string;
  },
): Promise<DryRun> {
  const { config, rollout, history, evidenceFolder } = run;
  const { providers, calls } = createDryRun(run.providers, config);
  const context: RolloutContext = {
    rollout,
    config,
    providers,
    signal: new AbortController().signal,
    history: async () => history,
    // What is measured on the way is nobody's evidence.
    record: async () => 'ev-000000',
    keep: keptNowhere,
    // A step's run only reads there; what is verified afterwards is what is written.
    placeFor: async (path) => join(evidenceFolder, path),
  };
  for (const phase of plan.phases)
    for (const part of phase.parts)
      if (part.kind === 'step') await part.step.run(context, await part.step.look(context));
  return { config, calls };
}

/** The very calls that a phase command would make now, in order; none is made. */
export async function cutoverCalls(command: PhaseCommand, flags: CommandFlags): Promise<DryRun> {
  const { env, config, providers } = await openProviders(flags);
  try {
    const database = await openRolloutDatabase(env);
    const pool = new Pool({ connectionString: database.url, max: 1 });
    try {
      await createJournalTable(pool);
      const rollout = await whichRollout(database.url, config.name, command === 'prepare');
      const history = await openJournal(pool, rollout, (value) => value).read();
      const evidenceFolder = join(database.places.evidence, rollout);
      const places = { archive: '(archive)', evidence: '(evidence)' };
      const plan = partOf(rolloutPlan(config, { places, journeys: [] }), command);
      return await callsOf(plan, { config, providers, rollout, history, evidenceFolder });
    } finally {
      await pool.end();
      await database.close();
    }
  } finally {
    await providers.close();
  }
}
