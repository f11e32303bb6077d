import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorText } from '../../rollout/error-text.ts';
import { PlanFileError, readPlanText } from '../../rollout/plan-file.ts';

/** What people must be told; a folder may hold more. */
export const MESSAGES = [
  'maintenance-announced',
  'cutover-started',
  'cutover-done',
  'rollback-started',
  'rollback-done',
  'all-clear',
] as const;

export interface MessageTemplate {
  readonly name: string;
  readonly file: string;
  readonly channel: string;
  readonly title: string;
  readonly text: string;
}

const HEADER = /^(channel|title):\s*(.+)$/;

/** Every message of a folder: `channel:` and `title:`, an empty line, then the text. @throws PlanFileError */
export async function readMessages(folder: string): Promise<MessageTemplate[]> {
  const files = await readdir(resolve(folder)).catch((error: unknown) => {
    throw new PlanFileError(`${folder} cannot be read: ${errorText(error)}`);
  });
  const names = files.filter((file) => file.endsWith('.md')).map((file) => file.slice(0, -'.md'.length));
  const missing = MESSAGES.filter((name) => !names.includes(name));
  if (missing.length > 0) {
    throw new PlanFileError(`${folder} lacks ${missing.map((name) => `${name}.md`).join(', ')}`);
  }
  return Promise.all(names.toSorted().map((name) => readMessage(name, join(folder, `${name}.md`))));
}

async function readMessage(name: string, file: string): Promise<MessageTemplate> {
  const [head = '', ...rest] = (await readPlanText(file)).replaceAll('\r\n', '\n').split('\n\n');
  const fields: Record<string, string> = {};
  for (const line of head.split('\n')) {
    const [, field, value] = HEADER.exec(line) ?? [];
    if (field === undefined || value === undefined)
      throw new PlanFileError(`${file}: expected "channel: …" or "title: …", found ${JSON.stringify(line)}`);
    fields[field] = value.trim();
  }
  const { channel, title } = fields;
  const text = rest.join('\n\n').trim();
  if (channel === undefined || title === undefined || text === '')
    throw new PlanFileError(`${file}: expected a channel, a title, and after an empty line the text`);
  return { name, file, channel, title, text };
}

const PLACEHOLDER = /\{\{\s*(.*?)\s*\}\}/g;

/** Fills in `{{placeholders}}`. Those that are unknown or empty are named as problems. */
export function renderMessage(
  template: MessageTemplate,
  values: Readonly<Record<string, string>>,
): { title: string; text: string; problems: string[] } {
  const problems: string[] = [];
  const fill = (text: string): string => {
    const filled = text.replace(PLACEHOLDER, (_whole, name: string) => {
      const value = Object.hasOwn(values, name) ? values[name] : undefined;
      if (value === undefined) problems.push(`${template.file}: there is no placeholder {{${name}}}`);
      else if (value.trim() === '') problems.push(`${template.file}: the placeholder {{${name}}} is empty`);
      return value ?? '';
    });
    if (/\{\{|\}\}/.test(text.replace(PLACEHOLDER, ''))) problems.push(`${template.file}: a {{ or }} stands alone`);
    return filled;
  };
  return { title: fill(template.title), text: fill(template.text), problems };
}
