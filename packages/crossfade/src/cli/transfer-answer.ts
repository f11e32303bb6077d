import pc from 'picocolors';
import { FINDING_KINDS, unprovenBy, type Finding, type FindingKind, type Findings } from '../transfer/findings.ts';
import type { UnprovenObject } from '../transfer/manifest.ts';
import { safe } from './printable.ts';
import type { ProgressView } from './transfer-progress.ts';

/** Findings of each kind that a terminal shows. */
const SHOWN = 10;
const TITLES: Readonly<Record<FindingKind, string>> = {
  missing: 'missing in the target',
  different: 'different',
  metadata: 'described otherwise: the same bytes under other headers',
  unheld: 'proven, but for headers that the target cannot hold',
  failed: 'failed: could not be copied or compared',
  skipped: 'skipped: no objects',
  extra: 'extra: in the target only',
  late: 'changed in the source meanwhile',
  gone: 'gone: deleted in the source after they were listed',
};
/** What is told and is no failure. */
const HARMLESS: ReadonlySet<FindingKind> = new Set(['late', 'gone', 'unheld']);

export function findingText({ key, reason, expected, measured }: Finding): string {
  const compared = expected === undefined ? '' : `: expected ${expected}, found ${measured ?? 'nothing'}`;
  return `${safe(key)}${reason === undefined ? '' : `: ${safe(reason)}`}${safe(compared)}`;
}

/** The first findings of each kind, and where the others are. */
export function showFindings(view: ProgressView, findings: Findings): void {
  for (const kind of FINDING_KINDS) {
    const count = findings.counts[kind];
    if (count === 0) continue;
    const mark = HARMLESS.has(kind) ? pc.yellow('–') : pc.red('✘');
    view.say(`${mark} ${count.toLocaleString('en')} ${TITLES[kind]}`);
    for (const one of findings.first(kind).slice(0, SHOWN)) view.say(`    ${findingText(one)}`);
    if (count > SHOWN) view.say(`    … and ${(count - SHOWN).toLocaleString('en')} more`);
  }
  if (findings.file !== null) view.say(`  all of them: ${findings.file}`);
}

/** What a manifest names at its end: each listed object that is not proven. */
export async function* unprovenIn(...all: readonly AsyncIterable<Finding>[]): AsyncGenerator<UnprovenObject> {
  for (const findings of all)
    for await (const one of findings) {
      const object = unprovenBy(one);
      if (object !== null) yield object;
    }
}

/** The first thousand of each kind, as `--json` tells them. */
export function findingsJson(findings: Findings): Readonly<Record<string, unknown>> {
  return {
    counts: findings.counts,
    findings: Object.fromEntries(
      FINDING_KINDS.map((kind) => [kind, findings.first(kind).map(({ kind: _kind, ...rest }) => rest)]),
    ),
    report: findings.file,
  };
}
