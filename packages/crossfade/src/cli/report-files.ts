import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { JournalEvent } from '../rollout/journal-event.ts';
import type { RolloutReport } from '../rollout/report-shapes.ts';

/** The journal that a report's evidence points into lies beside it. */
export const journalBeside = (report: string): string => report.replace(/(\.json)?$/, '.journal.jsonl');

/** Writes the report, and its journal beside it. */
export async function writeReport(file: string, report: RolloutReport, events: readonly JournalEvent[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  const lines = events.map((event) => `${JSON.stringify(event)}\n`);
  await writeFile(journalBeside(file), lines.join(''));
}
