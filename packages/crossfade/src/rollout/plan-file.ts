import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import * as v from 'valibot';
import { errorText } from './error-text.ts';

/** A file that the team writes by hand does not say what it must. The message names the file and each field. */
export class PlanFileError extends Error {
  override readonly name = 'PlanFileError';
}

/** The text of a team's file. Paths are relative to the repository. @throws PlanFileError */
export async function readPlanText(file: string): Promise<string> {
  return readFile(resolve(file), 'utf8').catch((error: unknown) => {
    throw new PlanFileError(`${file} cannot be read: ${errorText(error)}`);
  });
}

/** A team's JSON file, every field checked. @throws PlanFileError */
export async function readPlanFile<Schema extends v.GenericSchema>(
  file: string,
  schema: Schema,
): Promise<v.InferOutput<Schema>> {
  const text = await readPlanText(file);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new PlanFileError(`${file} is no JSON: ${errorText(error)}`);
  }
  const parsed = v.safeParse(schema, json);
  if (parsed.success) return parsed.output;
  throw new PlanFileError(`${file}: ${parsed.issues.map(describe).join('; ')}`);
}

function describe(issue: v.BaseIssue<unknown>): string {
  const field = v.getDotPath(issue) ?? '(the whole)';
  if (issue.expected === 'never') return `${field}: there is no such field`;
  return `${field}: ${issue.message}`;
}

/** Tells whether a plan changed since something was done by it. */
export function planHash(plan: unknown): string {
  return createHash('sha256').update(JSON.stringify(plan)).digest('hex');
}
