import { readFile, rm } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { textOfZip } from '../../rollout/redacted-zip.ts';
import { createRedaction, secretsOf } from '../../rollout/redaction.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check, Phase, Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { filesBelow, verifyBag, writeBag } from './bag.ts';

export interface ArchivePlaces {
  /** The rollout's archive. */
  readonly archive: string;
  /** Where checks and steps kept their evidence. */
  readonly evidence: string;
}

/** Text files are redacted once more on their way in; pictures and traces are taken as they are. */
const TEXT = /\.(json|jsonl|ndjson|txt|md|html|ts|log)$/;

async function payload(
  context: RolloutContext,
  places: ArchivePlaces,
): Promise<{ path: string; content: string | Uint8Array }[]> {
  const redaction = createRedaction(secretsOf(context.config));
  const history = await context.history();
  const files: { path: string; content: string | Uint8Array }[] = [
    {
      path: 'production/deployment/journal.ndjson',
      content: `${history.map((event) => JSON.stringify(event)).join('\n')}\n`,
    },
    { path: 'migration/configurations/rollout.json', content: redaction.text(JSON.stringify(context.config, null, 2)) },
  ];
  for (const file of await filesBelow(places.evidence)) {
    const path = `migration/testResults/${relative(places.evidence, file).split(sep).join('/')}`;
    const bytes = await readFile(file);
    files.push({ path, content: TEXT.test(file) ? redaction.text(bytes.toString('utf8')) : bytes });
  }
  return files;
}

function archiveStep(places: ArchivePlaces): Step<null> {
  return {
    id: 'archive.write',
    title: 'Journal, configuration and evidence archived',
    proves: [],
    look: async () => null,
    async run(context) {
      const written = await writeBag(places.archive, await payload(context, places), {
        'External-Identifier': context.rollout,
        'Bagging-Date': new Date().toISOString().slice(0, 10),
        'Internal-Sender-Description': `Evidence of the rollout ${context.rollout} of ${context.config.name}`,
      });
      return { path: places.archive, ...written };
    },
    async verify() {
      const { files, wrong } = await verifyBag(places.archive);
      return verdict(files > 0 && wrong.length === 0, {
        summary: `${files} files in the archive, ${wrong.length} wrong`,
        measured: { files, wrong },
        expected: { wrong: [] },
      });
    },
    async compensate() {
      await rm(places.archive, { recursive: true, force: true });
      return { removed: places.archive };
    },
  };
}

function archiveWholeCheck(places: ArchivePlaces): Check {
  return {
    id: 'archive.whole',
    title: 'The archive, read anew, is whole',
    proves: ['archive.verified', 'definitionOfDone.artifactsArchived'],
    async run() {
      const { files, wrong } = await verifyBag(places.archive);
      return verdict(files > 0 && wrong.length === 0, {
        summary: wrong.length === 0 ? `${files} files match their SHA-256` : wrong.join('; '),
        measured: { files, wrong },
        expected: { wrong: [] },
        evidence: [join(places.archive, 'manifest-sha256.txt')],
      });
    },
  };
}

function noSecretsCheck(places: ArchivePlaces): Check {
  return {
    id: 'archive.noSecrets',
    title: 'No credential of the config is in the archive',
    proves: [],
    async run({ config }) {
      const secrets = [...new Set(secretsOf(config))].filter((secret) => secret.length >= 8);
      const leaks: string[] = [];
      const files = await filesBelow(places.archive);
      for (const file of files) {
        const bytes = await readFile(file);
        // What is compressed has to be opened to be searched.
        const content = file.endsWith('.zip') ? textOfZip(bytes) : bytes;
        if (secrets.some((secret) => content.includes(secret))) leaks.push(relative(places.archive, file));
      }
      return verdict(files.length > 0 && leaks.length === 0, {
        summary:
          leaks.length === 0
            ? `${files.length} files searched for ${secrets.length} credentials, none found`
            : `credentials in ${leaks.join(', ')}`,
        measured: { files: files.length, leaks },
        expected: { leaks: [] },
      });
    },
  };
}

/** What was done and measured is kept, whole and checkable, outside of the system that did it. */
export function archivePhase(options: { deadlineMs: number; places: ArchivePlaces }): Phase {
  return {
    id: 'archive',
    title: 'Archive',
    plannedMs: 3600_000,
    deadlineMs: options.deadlineMs,
    gate: [],
    rollback: null,
    parts: [
      { kind: 'step', step: archiveStep(options.places) },
      {
        kind: 'checks',
        id: 'proof',
        mustPass: true,
        checks: [archiveWholeCheck(options.places), noSecretsCheck(options.places)],
      },
    ],
  };
}
