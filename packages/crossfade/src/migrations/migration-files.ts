import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorText } from '../rollout/error-text.ts';
import { PlanFileError, readPlanText } from '../rollout/plan-file.ts';

/** How far a database has gone: the new column is there, both are kept in step, the old one is given up. */
export const STAGES = ['expand', 'keep_in_step', 'contract'] as const;
export type Stage = (typeof STAGES)[number];

/** One numbered migration of a team: three files of SQL. */
export interface Migration {
  /** `0004_keep_in_step`. */
  readonly name: string;
  readonly stage: Stage;
  /** Bears being run twice. */
  readonly up: string;
  readonly down: string;
  /** One SELECT of one boolean: whether the database shows it. */
  readonly check: string;
  /** Whether it can run in a transaction; `create index concurrently` cannot, and is one statement by itself. */
  readonly transaction: boolean;
  /** SHA-256 of the three files, hex. */
  readonly checksum: string;
}

const FILE = /^(?<name>\d{4}_(?<stage>expand|keep_in_step|contract)(?:_\w+)?)\.(?<part>up|down|check)\.sql$/;
const NO_TRANSACTION = /^-- crossfade: no transaction$/m;
/** psql's own way to name a quoted value, so that a person can run the files by hand: `psql -v base=… -f FILE`. */
const VARIABLE = /(?<!:):'([a-z_]+)'/g;

/**
 * A team's migrations in their order. Paths are relative to the repository.
 * @throws PlanFileError that names the file and what it must be
 */
export async function readMigrations(folder: string): Promise<readonly Migration[]> {
  const files = await readdir(resolve(folder)).catch((error: unknown) => {
    throw new PlanFileError(`${folder} cannot be read: ${errorText(error)}`);
  });
  const found = new Map<string, Stage>();
  for (const file of files.filter((one) => one.endsWith('.sql')).toSorted()) {
    const { name, stage } = FILE.exec(file)?.groups ?? {};
    const known = STAGES.find((one) => one === stage);
    if (name === undefined || known === undefined)
      throw new PlanFileError(
        `${join(folder, file)}: expected a name like 0001_expand_columns.up.sql, with ${STAGES.join(', ')} after the number`,
      );
    found.set(name, known);
  }
  const migrations = await Promise.all([...found].map(([name, stage]) => readMigration(folder, name, stage)));
  return inOrder(folder, migrations);
}

async function readMigration(folder: string, name: string, stage: Stage): Promise<Migration> {
  const read = (part: string): Promise<string> => readPlanText(join(folder, `${name}.${part}.sql`));
  const [up, down, check] = [await read('up'), await read('down'), await read('check')];
  const checksum = createHash('sha256')
    .update(JSON.stringify([up, down, check]))
    .digest('hex');
  return { name, stage, up, down, check: check.trim(), transaction: !NO_TRANSACTION.test(up), checksum };
}

function inOrder(folder: string, migrations: readonly Migration[]): readonly Migration[] {
  migrations.forEach(({ name, stage }, index) => {
    const number = Number(name.slice(0, 4));
    if (number !== index + 1)
      throw new PlanFileError(
        `${folder}: expected number ${index + 1} where ${name} is; numbers rise by one from 0001`,
      );
    const before = migrations[index - 1];
    if (before !== undefined && STAGES.indexOf(before.stage) > STAGES.indexOf(stage))
      throw new PlanFileError(`${folder}: ${name} comes after ${before.name}, expected the order ${STAGES.join(', ')}`);
  });
  const missing = STAGES.find((stage) => migrations.every((one) => one.stage !== stage));
  if (missing !== undefined) throw new PlanFileError(`${folder}: there is no migration of the stage ${missing}`);
  return migrations;
}

/** SQL with its variables as quoted literals. @throws PlanFileError for a variable that nobody gives */
export function withValues(name: string, sql: string, values: Readonly<Record<string, string>>): string {
  return sql.replaceAll(VARIABLE, (_whole, variable: string) => {
    const value = Object.hasOwn(values, variable) ? values[variable] : undefined;
    if (value === undefined)
      throw new PlanFileError(
        `${name}: there is no value for :'${variable}', expected one of ${Object.keys(values).join(', ')}`,
      );
    return quoted(value);
  });
}

/** A text as SQL writes it, whatever the server's `standard_conforming_strings`. */
export function quoted(text: string): string {
  const escaped = text.replaceAll("'", "''");
  return escaped.includes('\\') ? ` E'${escaped.replaceAll('\\', '\\\\')}'` : `'${escaped}'`;
}
